"""python -m support.hostile FOLDER"""
from __future__ import annotations

import sys
from pathlib import Path

from safetensors.torch import save_file

from support.hostile import CASES

target = Path(sys.argv[1])
for i, case in enumerate(CASES.values()):
    here = target / f"{i:03}"
    here.mkdir(parents=True)
    case.write(here)
save_file({}, target / "done.safetensors")
print(f"{len(CASES)} files in {target}")
