"""What loading the pack costs the host's start: little of the processor, and nothing heavy before it is used."""
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
    before, start = set(sys.modules), time.process_time()
    result = finish(work)
    noted.update(seconds=time.process_time() - start, modules=sorted(set(sys.modules) - before))
    return result
inprocess.finish = timed
inprocess.start(Path(tempfile.mkdtemp()))
print(json.dumps(noted))
"""


def test_the_pack_loads_fast_and_imports_nothing_heavy():
    command = [sys.executable, "-c", SCRIPT, ROOT / "devtools"]
    out = subprocess.run(command, capture_output=True, text=True, check=True, timeout=180)
    noted = json.loads(out.stdout.splitlines()[-1])  # of the last that was loaded, the pack
    assert any(m.endswith("mcdm.host.sampling.guider") for m in noted["modules"])
    assert noted["seconds"] < 0.5
    heavy = ("training", "kornia", "cmaes", "skia", "experts.model", "openai_unet", "torchvision", "matplotlib",
             "tokenizers")
    assert "ray" not in noted["modules"]
    for module in noted["modules"]:
        assert not any(h in module for h in heavy), module
