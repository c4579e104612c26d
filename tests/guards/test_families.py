"""A family of networks has its row in docs/checkpoints.md, and vectors of its reference with a test that reads them."""
from __future__ import annotations

import re

from support.told import nothing_is_left
from support.vectors import FAMILIES as NAMED
from support.vectors import GOLDEN
from unite_and_conquer.devtools.paths import ROOT

PAGE = "docs/checkpoints.md"
# What the first table calls them; other families stand there by their own names.
CALLED = {
    "adm": "ADM", "adm_superres": "ADM upsampler", "glide": "GLIDE (filtered)", "glide_upsampler": "GLIDE upsampler",
    "unc_face": "Unite and Conquer", "unc_sketch": "Unite and Conquer", "dit": "DiT", "sit": "SiT",
    "unet2d": "diffusers UNet2DModel",
}
OURS = {"embedded", "embedded_upsampler"}       # trained here: there is no reference to record


def test_every_family_has_its_row_and_its_vectors(comfy):
    families = comfy.module("mcdm.experts.families").NAMES
    rows = {row.strip() for row in re.findall(r"^\| ([^|]+) \|", (ROOT / PAGE).read_text("utf-8"), re.MULTILINE)}
    recorded = {NAMED.get(folder.name, folder.name) for folder in GOLDEN.glob("*/")
                if (folder / "vectors.safetensors").is_file()}
    tests = "".join(path.read_text("utf-8") for path in (ROOT / "tests" / "experts").glob("*.py"))
    to_do = []
    for family in families:
        name = CALLED.get(family, family)
        if name not in rows:
            to_do.append(f"{PAGE}: add a row to the first table: | {name} | files | from | licence | conditioned on | "
                         "draws | size |")
        if family not in recorded | OURS:
            to_do.append(f"tests/golden/{family}/: record weights.json, vectors.safetensors and meta.json of "
                         "the reference implementation (tests/golden/README.md)")
        if family not in OURS and not re.search(rf"\b{family}\b", tests):
            to_do.append(f"tests/experts/test_experts_{family}.py: write a test against tests/golden/{family}/")
    nothing_is_left(to_do)
