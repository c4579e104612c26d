"""What loading the pack costs the host's start: little time, and nothing heavy before it is used."""
import itertools
import json
import subprocess
import sys

from unite_and_conquer.devtools.paths import ROOT

SCRIPT = """
import json, sys, tempfile, time
sys.path.insert(0, sys.argv[1])
import inprocess
from pathlib import Path
finish, noted = inprocess.finish, {}
def timed(work):
    before, start = set(sys.modules), time.perf_counter()
    result = finish(work)
    noted.update(seconds=time.perf_counter() - start, modules=sorted(set(sys.modules) - before))
    return result
inprocess.finish = timed
inprocess.start(Path(tempfile.mkdtemp()))
print(json.dumps(noted))
"""
SECONDS = 0.5
STARTS = 3          # of which the fastest counts: others may have the processor


def loaded():
    """What loading the pack took in a fresh process: seconds, and the modules that came with it."""
    command = [sys.executable, "-c", SCRIPT, ROOT / "devtools"]
    out = subprocess.run(command, capture_output=True, text=True, check=True, timeout=180)
    return json.loads(out.stdout.splitlines()[-1])      # of the last that was loaded, the pack


def test_the_pack_loads_fast_and_imports_nothing_heavy():
    noted = loaded()
    assert any(m.endswith("mcdm.host.sampling.guider") for m in noted["modules"])
    starts = itertools.chain([noted], (loaded() for _ in range(STARTS - 1)))
    assert any(start["seconds"] < SECONDS for start in starts)
    heavy = ("training", "kornia", "cmaes", "skia", "experts.model", "openai_unet", "torchvision", "matplotlib",
             "tokenizers")
    assert "ray" not in noted["modules"]
    for module in noted["modules"]:
        assert not any(h in module for h in heavy), module
