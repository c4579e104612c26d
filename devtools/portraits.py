"""Pictures from the embedded experts, drawn by the pack's own nodes."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch

from ..training.datasets import faces
from ..training.judges.portraits import Conditions
from .inprocess import InProcess

STEPS = 24
SAMPLER = "euler"
SCHEDULER = "karras"
BATCH = 16                  # pictures
LATENT = "text_128"         # the expert of the faces that draws latents
FINE = 128                  # pixels along a side of its pictures


class DrawingExpert(NamedTuple):
    """What one expert of a mixture draws, and how strictly."""
    model: Any              # MODEL
    condition: Any          # CONDITIONING
    weight: float
    name: str
    vae: Any = None         # VAE of an expert that draws latents
    mask: Any = None        # MASK
    start_percent: float = 0.0      # of its window


def bags(comfy: InProcess, model: Any, texts: Sequence[str]) -> torch.Tensor:
    """The words of some texts as TextCondition understands them for a model, [N, V]."""
    key = comfy.module("mcdm.experts.modality").CONDITION
    found = []
    for text in texts:
        condition, = comfy.call("TextCondition", model=model, text=text)
        (_, options), = condition
        found.append(options[key]["labels"])
    return torch.cat(found)


def draw(
    comfy: InProcess, parts: Sequence[DrawingExpert], rows: torch.Tensor, seed: int = 0, steps: int = STEPS,
    sampler: str = SAMPLER, reliabilities: str = "", clip: bool = False, meaning: str = "reliabilities",
    options: Mapping[str, Any] | None = None, regions: Mapping[str, Any] | None = None,
) -> torch.Tensor:
    """The pictures of a mixture, [N, 3, 64, 64] in [-1, 1]; 128 x 128 where the first expert draws latents.

    rows [N]: which pictures of the seed these are. A picture does not depend on the others of its batch.
    options, regions: inputs of Mixture Options, of Expert Regions.
    """
    experts = {}
    for slot, part in enumerate(parts, start=1):
        experts[f"expert_{slot}"], = comfy.call("ConditionExpert", **part._asdict())
    mixture, = comfy.call("ReliabilityMixer", **experts, reliabilities=reliabilities, meaning=meaning)
    if options:
        mixture, = comfy.call("MixtureOptions", mixture=mixture, **options)
    if regions:
        mixture, = comfy.call("ExpertRegions", mixture=mixture, **regions)
    vae = parts[0].vae
    size = 64 if vae is None else FINE
    latent, = comfy.call("EmptyExpertLatent", mixture=mixture, width=size, height=size, batch_size=len(rows))
    latent["batch_index"] = rows.tolist()
    _, denoised = comfy.call(
        "MCDMSampler", mixture=mixture, seed=seed, steps=steps, sampler_name=sampler, scheduler=SCHEDULER,
        latent_image=latent, clip_denoised=clip,
    )
    if vae is None:
        return denoised["samples"].clamp(-1, 1)
    return comfy.call("VAEDecode", samples=denoised, vae=vae)[0].movedim(-1, 1) * 2 - 1


def sample_faces(
    comfy: InProcess, conditions: Conditions, weights: Mapping[str, float], seed: int = 0, reliabilities: str = "",
    meaning: str = "reliabilities", steps: int = STEPS,
) -> torch.Tensor:
    """Faces [N, 3, 64, 64] in [-1, 1] under some conditions; 128 x 128 where the first expert is LATENT.

    weights: {expert of the faces: w}, e.g. {"hair": 1.5}.
    """
    models, vaes = {}, {}
    for name in weights:
        models[name], = comfy.call("LoadExpert", expert=f"builtin/faces_{name}.safetensors")
    if LATENT in weights:
        vaes[LATENT], = comfy.call("LoadExpertVAE")
    pictures = []
    for rows in torch.arange(len(conditions.words)).split(BATCH):
        parts = []
        for name, weight in weights.items():
            condition = face_condition(comfy, models[name], name, conditions, rows)
            parts.append(DrawingExpert(models[name], condition, weight, name, vaes.get(name)))
        pictures.append(draw(comfy, parts, rows, seed, steps, reliabilities=reliabilities, meaning=meaning))
    return torch.cat(pictures)


def face_condition(comfy: InProcess, model: Any, name: str, conditions: Conditions, rows: torch.Tensor) -> Any:
    """The CONDITIONING of some rows for the expert `name`: their words, their drawings, or the map of a region."""
    if name in ("text", "embedding", LATENT):
        labels = bags(comfy, model, [", ".join(conditions.words[i]) for i in rows])
        return comfy.module("mcdm.experts.modality").conditioning({"labels": labels})
    if name == "sketch":
        drawings = conditions.mapped[rows].movedim(1, -1) / 2 + 0.5
        return comfy.call("MapCondition", model=model, image=drawings)[0]
    mask = (conditions.regions[rows] == faces.REGIONS.index(name)).float()
    return comfy.call("MapCondition", model=model, modality="auto", mask=mask)[0]
