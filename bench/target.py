"""Whether samplers hit the target: `python3 dev.py bench target`.

Experts whose densities are Gaussian mixtures in one and two dimensions, asked through the real guider, so that the
product that eq. 10 stands for is known on a grid. Every method at the same number of evaluations of each row: mean,
variance, share of the right-hand half and Kullback-Leibler divergence. Writes bench/target.json and
docs/images/target.png.
"""
from __future__ import annotations

import json
import logging
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from PIL import Image, ImageDraw

from ..devtools.inprocess import InProcess
from ..devtools.options import options
from ..devtools.paths import ROOT
from ..devtools.tiny_sd15 import tiny_unet
from ..mcdm.drawing.lettering import INK, PALE, PAPER, font

HERE = Path(__file__).resolve().parent
FIGURE = ROOT / "docs" / "images" / "target.png"
ROWS, EVALUATIONS = 20000, 48
HIGHEST, LOWEST = 80.0, 0.01
SCALE = 0.18215         # of the latents of SD 1.5
EDGE, BINS = 4.0, 64    # the grid reaches from -EDGE to EDGE


class Component(NamedTuple):
    """One Gaussian of a mixture; it has this mean in its dimensions and, with all others, N(0, 1) in the rest."""
    share: float
    mean: tuple[float, ...]
    variance: float


Density = Sequence[Component]


class Case(NamedTuple):
    """What is united: (density, weight) of each expert, and their null."""
    title: str
    conditions: Sequence[tuple[Density, float]]
    null: Density


CASES = (
    Case("w = 2", [([Component(1.0, (1.0,), 0.25)], 2.0)], [Component(1.0, (0.0,), 1.0)]),
    Case("two modes and one", [
        ([Component(0.5, (-1.5,), 0.2), Component(0.5, (1.5,), 0.2)], 1.0),
        ([Component(1.0, (0.5,), 0.8)], 1.0)], [Component(1.0, (0.0,), 2.0)]),
    Case("w = 3, two modes", [([Component(0.3, (-1.0,), 0.2), Component(0.7, (1.0,), 0.3)], 3.0)],
         [Component(1.0, (0.0,), 1.5)]),
    Case("two dimensions", [
        ([Component(0.25, (x, y), 0.15) for x in (-1.5, 1.5) for y in (-1.5, 1.5)], 1.0),
        ([Component(0.5, (1.5, 0.0), 0.6), Component(0.5, (0.0, 1.5), 0.6)], 1.5)], [Component(1.0, (0.0, 0.0), 2.0)]),
)
# What MCDMCorrected is given; "" is the host's Euler.
METHODS: Mapping[str, dict[str, Any]] = {
    "Euler": {},
    "ancestral": {"method": "none"},
    "2 Langevin steps": {"method": "none", "langevin_steps": 2},
    "FKC, K = 4": {"particles": 4},
    "FKC, K = 32": {"particles": 32},
    "FKC, all": {},
    "FKC, all, 1 Langevin": {"langevin_steps": 1},
}


# ------------------------------------------------------------------------------------------------------------- experts

def log_density(density: Density, x: torch.Tensor) -> torch.Tensor:
    """log q [N] at x [N, dimensions]."""
    terms = []
    for share, mean, variance in density:
        square = (x - torch.tensor(mean, dtype=x.dtype)).square().sum(1)
        terms.append(math.log(share) - square / (2 * variance) - len(mean) / 2 * math.log(2 * math.pi * variance))
    return torch.logsumexp(torch.stack(terms), 0)


def estimate(density: Density, z: torch.Tensor, sigma: float) -> torch.Tensor:
    """D [N, 4, 1, 1] of z at a noise level: the mean of the components' estimates by how likely each is."""
    x = z.flatten(1).double()
    count = len(density[0].mean)
    noised = [part._replace(variance=part.variance + sigma ** 2) for part in density]
    posterior = torch.softmax(torch.stack([log_density([part], x[:, :count]) for part in noised]), 0)
    d = x / (1 + sigma ** 2)
    d[:, :count] = 0.0
    for likely, part in zip(posterior, density, strict=True):
        mean = torch.tensor(part.mean, dtype=x.dtype)
        d[:, :count] += likely[:, None] * (part.variance * x[:, :count] + sigma ** 2 * mean) / (
            part.variance + sigma ** 2)
    return d.reshape(z.shape).to(z)


def mixture(comfy: InProcess, case: Case) -> Any:
    """The case as the nodes make it: one MODEL, whose CONDITIONING is the number of a density."""
    import comfy.model_sampling as ms
    densities = [*(density for density, _ in case.conditions), case.null]
    model = tiny_unet(0)
    sampling: Any = type("Sampling", (ms.ModelSamplingContinuousEDM, ms.X0), {})(model.model.model_config)
    sampling.set_parameters(LOWEST, HIGHEST, 1.0)
    model.add_object_patch("model_sampling", sampling)

    def answer(_: Any, args: dict[str, Any]) -> torch.Tensor:
        numbers = args["c"]["c_crossattn"].flatten().long().tolist()
        parts, sigma = args["input"].chunk(len(args["cond_or_uncond"])), float(args["timestep"][0])
        asked = numbers[::len(parts[0])]
        return torch.cat([estimate(densities[n], part, sigma) for n, part in zip(asked, parts, strict=True)])
    model.set_model_unet_function_wrapper(answer)

    def told(number: int) -> Any:
        return [[torch.full((1, 1, 1), float(number)), {}]]
    experts = {}
    for i, (_, weight) in enumerate(case.conditions):
        experts[f"expert_{i + 1}"], = comfy.call(
            "ConditionExpert", model=model, condition=told(i), null_condition=told(len(densities) - 1), weight=weight)
    return comfy.call("ReliabilityMixer", **experts)[0]


# ------------------------------------------------------------------------------------------------------------- targets

def grid(dimensions: int) -> torch.Tensor:
    """The middles of the grid's cells, [cells, dimensions]."""
    middles = (torch.arange(BINS, dtype=torch.float64) + 0.5) / BINS * 2 * EDGE - EDGE
    return torch.cartesian_prod(*[middles] * dimensions).reshape(-1, dimensions)


def product(case: Case) -> torch.Tensor:
    """The probability [cells] of prod q_k^c_k on the grid."""
    x = grid(len(case.null[0].mean))
    weights = [weight for _, weight in case.conditions]
    logs = (1.0 - sum(weights)) * log_density(case.null, x)
    for density, weight in case.conditions:
        logs = logs + weight * log_density(density, x)
    return torch.softmax(logs, 0)


def moments(p: torch.Tensor, x: torch.Tensor) -> dict[str, float]:
    """Mean, variance and share of the right-hand half in the first dimension. p: probabilities of x [N, dimensions]."""
    first = x[:, 0]
    mean = (p * first).sum()
    return {"mean": mean.item(), "variance": (p * (first - mean) ** 2).sum().item(), "right": p[first > 0].sum().item()}


def histogram(x: torch.Tensor) -> torch.Tensor:
    """The share of samples [N, dimensions] in each cell of the grid."""
    cells = ((x + EDGE) / (2 * EDGE) * BINS).long().clamp(0, BINS - 1)
    number = cells[:, 0] if x.shape[1] == 1 else cells[:, 0] * BINS + cells[:, 1]
    return torch.bincount(number, minlength=BINS ** x.shape[1]).double() / len(x)


def divergence(p: torch.Tensor, q: torch.Tensor, count: int) -> float:
    """KL(p | q) in nats; a cell without samples counts as half a sample."""
    q = q.clamp(min=0.5 / count)
    return (p * (p.clamp(min=1e-300) / (q / q.sum())).log()).sum().item()


# ---------------------------------------------------------------------------------------------------------------- runs

def drawn(comfy: InProcess, case: Case, method: str, inputs: dict[str, Any]) -> torch.Tensor:
    """Samples [N, dimensions] of a method."""
    steps = EVALUATIONS // (1 + inputs.get("langevin_steps", 0))
    sampler, = (comfy.call("KSamplerSelect", sampler_name="euler") if method == "Euler"
                else comfy.call("MCDMCorrected", **inputs))
    guider, = comfy.call("MCDMGuider", mixture=mixture(comfy, case))
    ramp = torch.linspace(HIGHEST ** (1 / 7), LOWEST ** (1 / 7), steps, dtype=torch.float64) ** 7
    sigmas = torch.cat([ramp, torch.zeros(1)]).float()
    noise = torch.randn(ROWS, 4, 1, 1, generator=torch.Generator().manual_seed(0))
    out = guider.sample(noise, torch.zeros_like(noise), sampler, sigmas, disable_pbar=True, seed=0)
    return out.double().flatten(1)[:, :len(case.null[0].mean)] * SCALE


def figure(shown: Sequence[tuple[Case, torch.Tensor, Mapping[str, torch.Tensor]]]) -> Image.Image:
    """A row for each case: histograms of samples, in one dimension with the true density behind, in two beside it."""
    cell = 150
    top = 40
    gap = 10
    titles = ["target", *METHODS]
    page = Image.new("RGB", (gap + len(titles) * (cell + gap), top + len(shown) * (cell + 34)), PAPER)
    pen = ImageDraw.Draw(page)
    for column, title in enumerate(titles):
        pen.text((gap + column * (cell + gap) + cell / 2, 14), title, INK, font(14), anchor="ma")
    for line, (case, true, samples) in enumerate(shown):
        y = top + line * (cell + 34)
        pen.text((gap, y + cell + 4), case.title, PALE, font(13))
        for column, title in enumerate(titles):
            x = gap + column * (cell + gap)
            of_samples = true if column == 0 else histogram(samples[title])
            picture = plot(true, of_samples, cell) if true.numel() == BINS else heat_map(of_samples, true, cell)
            page.paste(picture, (x, y))
    return page


def plot(true: torch.Tensor, found: torch.Tensor, size: int) -> Image.Image:
    """The true density grey, what was found as a line."""
    picture = Image.new("RGB", (size, size), (244, 244, 246))
    pen = ImageDraw.Draw(picture)
    highest = 1.6 * true.max().item()

    def points(p: torch.Tensor) -> list[tuple[float, float]]:
        return [((i + 0.5) / BINS * size, size - min(v / highest, 1.0) * size) for i, v in enumerate(p.tolist())]
    pen.polygon([(0, size), *points(true), (size, size)], (190, 195, 205))
    pen.line(points(found), (0, 114, 178), 2)
    return picture


def heat_map(found: torch.Tensor, true: torch.Tensor, size: int) -> Image.Image:
    values = (found / true.max()).clamp(max=1.0).sqrt().reshape(BINS, BINS).T.flip(0)
    return Image.fromarray((255 - values * 225).byte().numpy()).resize((size, size), Image.Resampling.BILINEAR)


def main(comfy: InProcess, arguments: Sequence[str]) -> None:
    options("bench target", __doc__).parse_args(arguments)
    logging.getLogger("mcdm").setLevel(logging.WARNING)
    results: dict[str, Any] = {}
    shown = []
    for case in CASES:
        true, x = product(case), grid(len(case.null[0].mean))
        rows = {"target": moments(true, x)}
        samples = {}
        for method, inputs in METHODS.items():
            samples[method] = drawn(comfy, case, method, inputs)
            equal = torch.full((ROWS,), 1.0 / ROWS, dtype=torch.float64)
            kl = divergence(true, histogram(samples[method]), ROWS)
            rows[method] = moments(equal, samples[method]) | {"KL": kl}
        results[case.title] = {}
        for name, row in rows.items():
            results[case.title][name] = {key: round(v, 4) for key, v in row.items()}
        shown.append((case, true, samples))
        print(json.dumps({case.title: results[case.title]}, indent=1), flush=True)
    told = {"rows": ROWS, "evaluations": EVALUATIONS, "cases": results}
    (HERE / "target.json").write_text(json.dumps(told, indent=1) + "\n", "utf-8")
    FIGURE.parent.mkdir(parents=True, exist_ok=True)
    figure(shown).save(FIGURE, optimize=True)
