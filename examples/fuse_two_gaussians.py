"""The method without ComfyUI: two experts whose denoisers are known in closed form, fused in every Euler step.

    python3 examples/fuse_two_gaussians.py

Each expert knows two Gaussians in the plane, one without a condition and one with it. The first expert's condition
moves its points to the right, the second expert's moves its points up. Fused, they move both ways, as far as
equation 10 says.
"""
import sys
from pathlib import Path

import torch

sys.path.append(str(Path(__file__).resolve().parents[1]))       # last: the pack's nodes/ must shadow no other module
from mcdm.fusion import fuse, null_blend  # noqa: E402

SPREAD = 0.5                                                    # of all four Gaussians
NULLS = torch.tensor([[0.0, 0.0], [1.0, -1.0]])                 # their means [expert, 2] without a condition
CONDITIONS = torch.tensor([[2.0, 0.0], [1.0, 2.0]])             # and with it
SETTINGS = [                                                    # weights w, reliabilities a
    ((1.0, 1.0), (0.5, 0.5)),
    ((1.0, 1.0), (1.0, 0.0)),
    ((2.0, 2.0), (0.5, 0.5)),
    ((2.0, 2.0), (0.0, 1.0)),
    ((3.0, 0.0), (1.0, 0.0)),                                   # one expert: classifier-free guidance with cfg 3
]


def denoise(z: torch.Tensor, sigma: torch.Tensor, mean: torch.Tensor) -> torch.Tensor:
    """D(z, sigma) = E[x | z] for x ~ N(mean, SPREAD^2) and z = x + sigma n; z [points, 2], mean [2]."""
    return (SPREAD**2 * z + sigma**2 * mean) / (SPREAD**2 + sigma**2)


def sample(weights: tuple[float, ...], reliabilities: tuple[float, ...], count: int = 20_000) -> torch.Tensor:
    """Points [count, 2] of the fused denoiser: Euler steps from noise down to sigma = 0."""
    sigmas = torch.cat([torch.logspace(3, -3, 400), torch.zeros(1)])
    z = sigmas[0] * torch.randn(count, 2, generator=torch.Generator().manual_seed(0))
    for sigma, next_sigma in zip(sigmas[:-1], sigmas[1:], strict=True):
        d0 = null_blend([denoise(z, sigma, mean) for mean in NULLS], reliabilities)           # equation 8
        fused = fuse(d0, [denoise(z, sigma, mean) for mean in CONDITIONS], weights)           # equation 18
        z = z + (next_sigma - sigma) * (z - fused) / sigma
    return z


def expected_mean(weights: tuple[float, ...], reliabilities: tuple[float, ...]) -> torch.Tensor:
    """The mean [2] by equation 10: a denoiser is linear in its mean, so the means combine as the predictions do."""
    w, a = torch.tensor(weights), torch.tensor(reliabilities)
    return w @ CONDITIONS - (w.sum() - 1) * (a @ NULLS)


if __name__ == "__main__":
    print("   weights    reliabilities    mean of points     equation 10    spread (0.50)")
    for w, a in SETTINGS:
        points = sample(w, a)
        mean = points.mean(0).tolist()
        spread = points.std(0).mean().item()
        theory = expected_mean(w, a).tolist()
        line = "{:5.1f} {:4.1f}     {:5.1f} {:4.1f}      {:6.2f} {:6.2f}    {:6.2f} {:6.2f}      {:.2f}"
        print(line.format(*w, *a, *mean, *theory, spread))
