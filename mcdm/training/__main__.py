"""`python3 dev.py train FOLDER`: an expert of one's own; `python3 dev.py train NAME`: one of the pack's, or of their judges."""
import importlib
import sys

from . import folders, recipes

JUDGES = ("parser", "judge")

if sys.argv[1:2] and sys.argv[1] in JUDGES:
    importlib.import_module(f".{sys.argv.pop(1)}", __package__).main()
elif sys.argv[1:2] and sys.argv[1] in recipes.RECIPES:
    recipes.main()
else:
    folders.main()
