"""The memory of experts in windows of the schedule: `python3 dev.py bench windows`.

Two networks of one size on a card that takes either of them, but not both; in main memory, which the host takes for
that card. Its own account of what is loaded: the most at any time, and how often weights go to the card. Then the same
networks over the whole schedule, of which the host keeps parts in main memory. Writes bench/windows.json.
"""
from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from ..devtools.card import card, on_card
from ..devtools.inprocess import InProcess
from ..devtools.options import options
from ..devtools.tiny_sd15 import conditioning, tiny_unet

HERE = Path(__file__).resolve().parent
ROOM = 1.1                  # of one network: what the host wants for it
CASES: dict[str, list[tuple[float, float]]] = {
    "one network": [(0.0, 1.0)],
    "two in the windows 0 to 0.5 and 0.5 to 1": [(0.0, 0.5), (0.5, 1.0)],
    "two in the windows 0 to 0.6 and 0.4 to 1": [(0.0, 0.6), (0.4, 1.0)],
    "two over the whole schedule": [(0.0, 1.0), (0.0, 1.0)],
}


def mixture(comfy: InProcess, models: Sequence[Any], windows: Sequence[tuple[float, float]]) -> Any:
    """Experts in windows (start, end) of the schedule."""
    slots = {}
    for i, (start, end) in enumerate(windows):
        texts = {"condition": conditioning(i), "null_condition": conditioning(100 + i)}
        slots[f"expert_{i + 1}"] = comfy.call(
            "ConditionExpert", model=models[i], weight=3.0, start_percent=start, end_percent=end, **texts)[0]
    return comfy.call("ReliabilityMixer", reliabilities="", **slots)[0]


def measure(comfy: InProcess, models: Sequence[Any], windows: Sequence[tuple[float, float]]) -> dict[str, Any]:
    """Peak memory of one sampling and of the same on an endless card, in sizes of one network, and loads of each."""
    size = models[0].model_size()
    found = {}
    for name, room in (("card", ROOM), ("endless", len(models) * 2.0)):
        with card(room * size) as books:
            comfy.call("MCDMSampler", mixture=mixture(comfy, models, windows), seed=1, steps=10, sampler_name="euler",
                       scheduler="normal", latent_image={"samples": torch.zeros(1, 4, 16, 16)})
            found[name] = {"peak": books.peak / size, "loads": [books.loads.count(m.model) for m in models]}
    return found


def main(comfy: InProcess, arguments: Sequence[str]) -> None:
    options("bench windows", __doc__).parse_args(arguments)
    models = [on_card(tiny_unet(seed, channels=64)) for seed in (0, 1)]
    with torch.inference_mode():
        found = {name: measure(comfy, models[:len(windows)], windows) for name, windows in CASES.items()}
    for name, rows in found.items():
        small, endless = rows["card"], rows["endless"]
        print(f"{name}: at most {small['peak']:.2f} networks loaded, loads {small['loads']}; "
              f"with room for all {endless['peak']:.2f}, loads {endless['loads']}")
    (HERE / "windows.json").write_text(json.dumps(found, indent=1))
