"""`python3 dev.py train FOLDER`: an expert of one's own; `python3 dev.py train NAME`: one of the pack's, or of their judges."""
import importlib
import sys
import types
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
JUDGES = {"parser": "faces", "judge": "scenes"}

# The checkout as a package, whatever its folder is called, without running its __init__.py, which is the host's way in.
package = sys.modules["unite_and_conquer"] = types.ModuleType("unite_and_conquer")
package.__path__ = [str(ROOT)]


def main() -> None:
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    recipes = importlib.import_module("unite_and_conquer.training.recipes")
    if name in JUDGES:
        del sys.argv[1]
        importlib.import_module(f"unite_and_conquer.training.judges.{JUDGES[name]}").main()
    elif name in recipes.RECIPES:
        recipes.main()
    else:
        importlib.import_module("unite_and_conquer.training.folders").main()


if __name__ == "__main__":
    main()
