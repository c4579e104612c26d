"""Runs main(comfy, arguments) of a module of the checkout in a real ComfyUI: `inside.py bench.faces [arguments]`."""
from __future__ import annotations

import importlib
import sys
import tempfile
import types
from pathlib import Path

# The checkout as a package, whatever its folder is called, without running its __init__.py, which is the host's way in.
package = sys.modules["unite_and_conquer"] = types.ModuleType("unite_and_conquer")
package.__path__ = [str(Path(__file__).resolve().parents[1])]


def main() -> None:
    from unite_and_conquer.devtools import inprocess
    name, *arguments = sys.argv[1:]
    if {"-h", "--help"} & set(arguments):   # told before a module asks for ComfyUI, which takes seconds to load
        importlib.import_module(f"unite_and_conquer.{name}").main(None, arguments)
        return
    with tempfile.TemporaryDirectory() as base:
        comfy = inprocess.start(Path(base))
        importlib.import_module(f"unite_and_conquer.{name}").main(comfy, arguments)


if __name__ == "__main__":
    main()
