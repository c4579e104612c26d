"""What mixes with what: measures every family of the running host and writes docs/compatibility.md.

`python3 dev.py compatibility` measures the host that dev.py finds; the figures of other hosts stay in the page.
"""
from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import torch

from .. import families
from ..families import FAMILIES, NOT_BUILT, Family, measure
from ..paths import ROOT
from ..terminal import Ticker, tell

PAGE = ROOT / "docs" / "compatibility.md"
FIGURES = ROOT / "devtools" / "families" / "measured.json"

HEAD = """\
# What mixes with what

Experts unite as they are where they share a latent space; elsewhere they need [their VAEs](latent_spaces.md). Each
family of networks that ComfyUI knows was built at toy size, by ComfyUI's own code with random weights, and measured.
`python3 dev.py compatibility` writes this page, and a test compares it with the ComfyUI that runs it.
"""
PAGES = """\
## Hosts and pages

The tests of the web page can be run on these, on the classic canvas and on the newer one (*Nodes 2.0*) each:

| ComfyUI | Page (comfyui-frontend-package) | Command |
|---|---|---|
| 0.3.75 | 1.32.9, its own | `python3 dev.py test tests/web` |
| 0.33.0 | 1.49.6, its own | `python3 dev.py test --comfyui 0.33.0 tests/web` |
| 0.33.0 | 1.58.1 | `python3 dev.py test --comfyui 0.33.0 --page 1.58.1 tests/web` |

Every whole run of the tests takes the first. On the other two the files of tests/web were run one by one, classic and
newer canvas each, on the workflows of this release or on the state shortly before it:

| Tests | 1.49.6 | 1.58.1 |
|---|---|---|
| What example workflows look like and queue: test_templates.py | passed | passed |
| Errors, mistakes: test_errors.py, test_mistakes.py | passed | passed |
| The way to a first picture: test_first_minutes.py | passed | passed |
| Sheets to click: test_clickable_sheets.py | passed | passed |
| The canvas of regions: test_regions.py | passed | passed |
| Pad and previews on a subgraph, files of before: test_faces.py, test_older_files.py | passed | passed |
| The pad: pad/ | passed | passed |
| Every workflow by the run button, app mode: test_frontend.py | passed | passed |
| Advanced inputs, seeds, breeding: test_advanced.py, test_seeds.py, test_breeding.py | passed | passed |
| README's six steps: test_six_steps.py | passed | passed |
| Previews: test_previews.py | passed | passed |
| Contrast of notes and pad in six palettes: test_contrast.py | passed | passed |
| Sheets: test_sheets.py | passed | passed |
| Help, languages: test_help.py, test_locales.py | passed | passed |
"""
SPACES = """\
## Latent spaces

A family unites with every other one of its line, whatever it predicts (noise, velocity, the clean picture), in any
order. Names are those of ComfyUI's classes, in brackets where a family could not be measured.

| Latent space | Families |
|---|---|
"""
ALIKE = """\
Spaces with the same number of channels may still be different spaces: SD15 and SDXL have four, Flux and SD3 sixteen.
The pack says so before it samples, and names families that would fit.

Of the embedded experts all are of the line of ChromaRadiance but one: *faces_text_128* works in a space of the pack's
own, Drawings, with four channels and cells of 4 x 4 pixels. Its VAE is in *Load Expert VAE*.
"""
VAES = """\
## VAEs

A latent space has one VAE. A checkpoint that holds everything (for *Load Checkpoint*) brings it under these keys, and
decodes what all families of its line draw. Files of a network alone need it beside them, from *Load VAE*; pixels
(ChromaRadiance) need none. The small decoder is that of ComfyUI's previews (models/vae_approx).

| Latent space | Channels | Keys in a checkpoint | Small decoder |
|---|---|---|---|
"""
CARDS = """\
## Graphics cards

The tests run on the processor, and on two cards that are none: main memory that torch and ComfyUI take for two devices.
There the processor's kernels compute, after a check that all tensors of an operator lie on one card, its indices and
generators too; only copies cross. Float64 can be forbidden, memory can be short, and any allocation can fail.

So this is tested on ComfyUI 0.3.75 and 0.33.0: one expert is ComfyUI's own sampler, bit for bit. A mixture draws the
same picture wherever its experts and their ControlNets are placed, moved and moved back, by every sampler; so it does
with windows, networks of their own, bridges and their VAEs, on cards without float64, and with too little memory for a
network. After an interrupt or a failed allocation the next run is right, and nothing is left on an unused card.

What only a real card can tell is not: streams and copies that run beside the work (here all is done when it returns),
kernels of other precision and their half-precision types, CUDA graphs and compilers, how fast anything is. For these,
`python3 dev.py bench sampling`, `scaling`, `windows` and `workers` on that card.
"""
TABLE = """\
## Measured

- *Alone*: one expert against ComfyUI's KSampler, two steps of Euler.
- *Its like*: two networks of the family against equation 10 by hand.
- *Others*: with each other family of its latent space, against equation 10 by hand, each asked in its own frame: how
  many they are, and the largest difference. Options of a family are measured alone and with their like.

Differences are relative, max|a - b| / max|b|, the larger of the hosts. The tests allow 2e-5. Numbers have 32 bits, so
1e-7 is as near as they come; beside HiDreamO1, whose noise is eight times as strong, the last bit of a level counts for
more.

| Family | Latent space | Alone | Its like | Others | ComfyUI |
|---|---|---|---|---|---|
"""
MISSING = """\
## Not measured

| Family | Why |
|---|---|
"""


# ------------------------------------------------------------------------------------------------------- measuring

def version() -> str:
    """The version of the running host."""
    import comfyui_version
    return str(comfyui_version.__version__)


def experts_of(kinds: Iterable[str]) -> list[measure.Built]:
    """Each of these families of the host at toy size, by its first entry, with weights of its own."""
    first: dict[str, Family] = {}
    for family in FAMILIES:
        if family.kind in set(kinds):
            first.setdefault(family.kind, family)
    return [measure.built(family, seed) for seed, family in enumerate(first.values(), start=1)]


def measured(comfy: Any) -> dict[str, Any]:
    """Of the running host: {"spaces": {space: kinds}, "vaes": {space: row}, "measured": {family: row}}."""
    same_space = comfy.module("mcdm.host.models").same_space
    spaces = families.spaces(same_space)
    space_of = {kind: space for space, kinds in spaces.items() for kind in kinds}
    rows: dict[str, Any] = {}
    ticker = Ticker("families")
    for number, family in enumerate(families.here(), start=1):
        one, other = (measure.built(family, seed) for seed in (1, 2))
        (*_, like), = measure.pairs(comfy, [one, other])
        distances = {"alone": rounded(measure.alone(comfy, one)), "like": rounded(like)}
        rows[family.name] = {"space": space_of[family.kind], "partners": 0, "distances": distances}
        ticker.show(f"{number} of {len(families.here())}, {family.name}")
    for kinds in spaces.values():
        for lead, other_name, distance in measure.pairs(comfy, experts_of(kinds)):
            for name in (lead, other_name):
                row = rows[name]
                row["partners"] += 1
                row["distances"]["others"] = max(rounded(distance), row["distances"].get("others", 0.0))
    return {"spaces": spaces, "vaes": families.vaes(same_space), "measured": rows}


def rounded(distance: float) -> float:
    """One digit: the last bits depend on the machine."""
    return float(f"{distance:.0e}")


# ------------------------------------------------------------------------------------------------------------ the page

def read() -> dict[str, Any]:
    """The figures by version of the host."""
    return json.loads(FIGURES.read_text("utf-8")) if FIGURES.is_file() else {}


def page(hosts: dict[str, Any]) -> str:
    """docs/compatibility.md."""
    versions = ", ".join(hosts)
    parts = [HEAD + f"\nMeasured on ComfyUI {versions}.\n", PAGES, SPACES + "".join(space_lines(hosts)), ALIKE,
             VAES + "".join(vae_lines(hosts)), TABLE + "".join(family_lines(hosts)),
             MISSING + "".join(missing_lines(hosts)), CARDS]
    return "\n".join(parts)


def space_lines(hosts: dict[str, Any]) -> list[str]:
    """One line per latent space of any host; a space by the name of its first format."""
    kinds_of: dict[str, list[str]] = {}
    for host in hosts.values():
        for space, kinds in host["spaces"].items():
            known = kinds_of.setdefault(space, [])
            known += [kind for kind in kinds if kind not in known]
    lines = []
    for space, kinds in sorted(kinds_of.items()):
        names = [f"({kind})" if kind in NOT_BUILT else kind for kind in sorted(kinds)]
        if set(kinds) - set(NOT_BUILT):
            lines.append(f"| {space} | {', '.join(names)} |\n")
    return lines


def vae_lines(hosts: dict[str, Any]) -> list[str]:
    """One line per latent space, as the newest host that has it knows its VAE."""
    rows: dict[str, dict[str, Any]] = {}
    for host in hosts.values():
        measured = {row["space"] for row in host["measured"].values()}
        rows |= {space: row for space, row in host["vaes"].items() if space in measured}
    lines = []
    for space, row in sorted(rows.items()):
        keys = ", ".join(f"`{prefix}`" for prefix in row["keys"])
        lines.append(f"| {space} | {row['channels']} | {keys} | {row['preview']} |\n")
    return lines


def family_lines(hosts: dict[str, Any]) -> list[str]:
    """One line per family at toy size, by latent space."""
    rows_of: dict[str, dict[str, Any]] = {}
    for version, host in hosts.items():
        for name, row in host["measured"].items():
            rows_of.setdefault(name, {})[version] = row
    lines = []
    for name, rows in sorted(rows_of.items(), key=lambda item: (next(iter(item[1].values()))["space"], item[0])):
        space = next(iter(rows.values()))["space"]
        alone, like, others = (largest(rows.values(), what) for what in ("alone", "like", "others"))
        partners = max(row["partners"] for row in rows.values())
        others = f"{partners}: {others}" if partners else "none"
        lines.append(f"| {name} | {space} | {alone} | {like} | {others} | {', '.join(rows)} |\n")
    return lines


def largest(rows: Iterable[dict[str, Any]], what: str) -> str:
    """The largest distance of that sort over the hosts, in words where nothing differs."""
    distance = max(row["distances"].get(what, 0.0) for row in rows)
    return f"{distance:.0e}" if distance else "equal"


def missing_lines(hosts: dict[str, Any]) -> list[str]:
    """One line per family that is not built and that a host has."""
    kinds = {kind for host in hosts.values() for kinds in host["spaces"].values() for kind in kinds}
    return [f"| {kind} | {reason} |\n" for kind, reason in sorted(NOT_BUILT.items()) if kind in kinds]


def main(comfy: Any, _arguments: list[str]) -> None:
    """Measures the running host and writes the figures and the page."""
    with torch.inference_mode():
        hosts = read() | {version(): measured(comfy)}
    hosts = dict(sorted(hosts.items(), key=lambda item: [int(part) for part in item[0].split(".")]))
    FIGURES.write_text(json.dumps(hosts, indent=1) + "\n", "utf-8")
    PAGE.write_text(page(hosts), "utf-8")
    tell(f"{PAGE}: ComfyUI {', '.join(hosts)}")
