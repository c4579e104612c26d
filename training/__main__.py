"""`python3 dev.py train`: runs cli.py with the checkout as a package, whatever its folder is called."""
import importlib
import sys
import types
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

# Without running the checkout's own __init__.py, which is the host's way in.
package = sys.modules["unite_and_conquer"] = types.ModuleType("unite_and_conquer")
package.__path__ = [str(ROOT)]

if __name__ == "__main__":
    importlib.import_module("unite_and_conquer.training.cli").main()
