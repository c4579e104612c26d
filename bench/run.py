"""The benchmarks: `python3 dev.py bench NAME [arguments]`, each a file of this folder with main(comfy, arguments)."""
import importlib
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests"))
import inprocess  # noqa: E402

NAMES = sorted(p.stem for p in HERE.glob("*.py") if p.stem != "run")


def main() -> None:
    if len(sys.argv) < 2 or sys.argv[1] not in NAMES:
        sys.exit(f"usage: dev.py bench {{{','.join(NAMES)}}} [arguments]")
    sys.path.append(str(HERE))
    with tempfile.TemporaryDirectory() as base:
        importlib.import_module(sys.argv[1]).main(inprocess.start(Path(base)), sys.argv[2:])


if __name__ == "__main__":
    main()
