"""Experts around the U-Net of guided-diffusion, loaded as a user loads them; shared by the tests of its families."""
from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from support import vectors
from support.reference_unet import Reference
from support.tensors import relative
from unite_and_conquer.devtools.inprocess import InProcess

COUNT = itertools.count()
COMMON = {
    "num_heads": 1,
    "num_head_channels": 16,
    "diffusion_steps": 1000,
    "rescale_timesteps": False,
    "prediction": "eps",
    "noise_schedule": "linear",
}


def folder(comfy: InProcess) -> Path:
    """A new folder below models/experts."""
    path = comfy.base / "models" / "experts" / f"set {next(COUNT)}"
    path.mkdir(parents=True)
    return path


def state(network: str) -> dict[str, torch.Tensor]:
    """The recorded network's weights."""
    return vectors.weights(network)


def load(comfy: InProcess, path: Path, dtype: str = "float32") -> Any:
    """The MODEL of a file in models/experts, through the node."""
    name = path.relative_to(comfy.base / "models" / "experts").as_posix()
    return comfy.call("LoadExpert", expert=name, weight_dtype=dtype)[0]


def recorded(comfy: InProcess, network: str, family: str | None, dtype: str = "float32", suffix: str = ".safetensors",
             **changes: Any) -> Any:
    """The MODEL of a recorded network; changes: of its sidecar, None takes a key away."""
    return load(comfy, vectors.place(network, folder(comfy), f"expert{suffix}", family=family, **changes), dtype)


def invented(comfy: InProcess, reference: Reference, inputs: dict[str, Any], dtype: str = "float32",
             **sidecar: Any) -> tuple[Any, torch.Tensor]:
    """A network of random weights as a file with its sidecar, and the reference's answer to `inputs`.

    inputs: x, t and conditions. The reference invents its weights while it runs on them.
    """
    want = reference(**inputs)
    path = folder(comfy) / "expert.safetensors"
    save_file({k: v.float().contiguous() for k, v in reference.state.items()}, path)
    path.with_suffix(".json").write_text(json.dumps({**COMMON, **sidecar}))
    reference.state = {k: v.float().double() for k, v in reference.state.items()}
    return load(comfy, path, dtype), want


def answer(model: Any, x: torch.Tensor, t: torch.Tensor, **conditions: torch.Tensor) -> torch.Tensor:
    """The whole output of the network, learned variance included, at the reference's own x and t."""
    kept: list[Any] = []
    with torch.no_grad():
        mean = model.model.diffusion_model(
            x, t.float(), transformer_options={"mcdm_learned_variance": kept}, **conditions
        )
    return torch.cat([mean, *(variance for _, variance in kept)], dim=1)


def denoised(model: Any, x: torch.Tensor, t: torch.Tensor, **conditions: torch.Tensor) -> torch.Tensor:
    """What the host gets: apply_model on z = x sqrt(1 + sigma^2) at the sigma of t."""
    sampling = model.model.model_sampling
    sigma = sampling.sigma(t.float())
    with torch.no_grad():
        return model.model.apply_model(x * (1 + sigma[:, None, None, None] ** 2).sqrt(), sigma, **conditions)


def expected(case: dict[str, torch.Tensor], acp: torch.Tensor) -> torch.Tensor:
    """The same from the recorded output, in float64, with sigma from the recorded alphas_cumprod: z - sigma eps."""
    log_sigma = ((1 - acp) / acp).sqrt().log()
    t = case["t"].double()
    low = t.floor().long().clamp(max=len(acp) - 2)
    sigma = torch.lerp(log_sigma[low], log_sigma[low + 1], t - low).exp()[:, None, None, None]
    return case["x"].double() * (1 + sigma ** 2).sqrt() - sigma * case["out"][:, :3].double()


def check_recorded(model: Any, network: str) -> None:
    """Every case against the recorded vectors.

    The network is within the recorded tolerance, the denoised answer within 1e-4 relative.
    """
    meta, told = vectors.meta(network), vectors.cases(network)
    acp = load_file(vectors.GOLDEN / network / "vectors.safetensors")["alphas_cumprod"]
    for name, case in told.items():
        conditions = {k: v for k, v in case.items() if k in meta["cases"][name] and k not in ("x", "t")}
        torch.testing.assert_close(
            answer(model, case["x"], case["t"], **conditions),
            case["out"],
            rtol=0,
            atol=meta["tolerance"]["recommended_atol"],
        )
        error = relative(denoised(model, case["x"], case["t"], **conditions), expected(case, acp))
        assert error < 1e-4, f"{name}: {error}"


def draw(seed: int = 0, size: tuple[int, int] = (16, 16), batch: int = 2,
         t: tuple[float, ...] = (17.25, 803.0)) -> dict[str, torch.Tensor]:
    """Inputs of a network: x [B, 3, H, W] and t [B]."""
    generator = torch.Generator().manual_seed(seed)
    return {"x": torch.randn(batch, 3, *size, generator=generator), "t": torch.tensor(t[:batch])}


def same_shapes(comfy: InProcess, network: Any, table: Any, reference: Reference, **parts: Any) -> bool:
    """Whether a network of the pack, without weights, has the keys and shapes that the reference has used."""
    operations = comfy.module("mcdm.experts.weights").operations(torch.float32, None)
    built = network(table, ops=operations, device="meta", **parts).state_dict()
    return {k: v.shape for k, v in built.items()} == {k: v.shape for k, v in reference.state.items()}
