"""The recorded UNet2DModel of diffusers, as a folder and as the host sees it."""
from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from support import vectors
from unite_and_conquer.devtools.inprocess import InProcess

NETWORK = vectors.GOLDEN / "diffusers_unet2d"
DEPRECATED = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}      # before diffusers 0.13
CONFIG = json.loads((NETWORK / "config.json").read_text())
SCHEDULER = json.loads((NETWORK / "scheduler_config.json").read_text())


def write(
    folder: Path, weights: dict[str, torch.Tensor], config: dict[str, Any] = CONFIG,
    scheduler: dict[str, Any] = SCHEDULER, name: str = "diffusion_pytorch_model.safetensors",
) -> Path:
    """A folder as diffusers writes it."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "scheduler_config.json").write_text(json.dumps(scheduler))
    (torch.save if name.endswith(".bin") else save_file)(weights, folder / name)
    return folder


def deprecated_names() -> dict[str, torch.Tensor]:
    """The recorded weights under the names that diffusers gave before 0.13."""
    state = vectors.weights("diffusers_unet2d")
    for now, before in DEPRECATED.items():
        state = {key.replace(f".{now}.", f".{before}."): value for key, value in state.items()}
    return state


def load(comfy: InProcess, folder: Path, weight_dtype: torch.dtype | None = None) -> Any:
    """The MODEL of a folder, or of a file beside its settings."""
    return comfy.module("mcdm.experts.load").load_expert(str(folder), folder.name, weight_dtype)


def at_time(case: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """(z, sigma, network's output) in float64; t between two steps is linear in log sigma."""
    t, x = case["t"].double(), case["x"].double()
    acp = torch.cumprod(1 - torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64), 0)
    logs = ((1 - acp) / acp).log() / 2
    low, high = t.floor().long(), t.ceil().long()
    sigma = (logs[low] + t.frac() * (logs[high] - logs[low])).exp()
    return x * (1 + sigma ** 2).sqrt()[:, None, None, None], sigma, case["out"].double()


def denoise(model: Any, z: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
    """The denoised estimate of a MODEL. z: [B, 3, H, W]. sigma: [B]."""
    with torch.inference_mode():
        return model.model.apply_model(z.float(), sigma.float())
