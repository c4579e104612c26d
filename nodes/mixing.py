"""Experts, their weights, and whose null prediction counts how much."""
from __future__ import annotations

import logging
import weakref
from typing import Any

import torch
from comfy_api.latest import io

from ..mcdm.bands import parse_bands
from ..mcdm.chaining import joined
from ..mcdm.experts.modality import CONDITION, Conditioning, Modality
from ..mcdm.host.models import check_spaces, noise_levels_of
from ..mcdm.host.spaces.groups import groups_of
from ..mcdm.mixture import Expert, Mixture
from ..mcdm.parsing import parse_reliabilities
from ..mcdm.prompt import SLOTS
from ..mcdm.shares import MEANINGS, RELIABILITIES
from .checks import CheckedCombo, LowerBound, check_choice, require
from .common import ADVANCED, CATEGORY, ExpertWire, MixtureWire, modalities, search_aliases
from .prompt_checks import missing_null

logger = logging.getLogger("mcdm")

LARGEST_WEIGHT = 1e9
SMALLEST_SCALE, LARGEST_SCALE = 0.05, 8.0


class ConditionExpert(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ConditionExpert", display_name="Condition Expert", category=CATEGORY,
            **search_aliases("ensemble member", "guidance", "weight", "CFG"),
            description="One expert of a mixture, a member of the ensemble: a model, its condition, how strictly it is "
                        "enforced (w), where and when.",
            inputs=[
                io.Model.Input("model", tooltip="Any diffusion model: from LoadExpert, or from ComfyUI's own loaders. "
                                                "LoRAs and patches on it act on this expert only."),
                io.Conditioning.Input("condition", optional=True,
                                      tooltip="What this expert should draw. Leave empty only for an unconditional "
                                              "expert."),
                io.Conditioning.Input("null_condition", optional=True,
                                      tooltip="What 'no condition' means to this expert; for Stable Diffusion, an "
                                              "empty prompt. Experts from LoadExpert know theirs."),
                io.Float.Input("weight", optional=True, default=1.0, min=LowerBound(-LARGEST_WEIGHT),
                               max=LARGEST_WEIGHT, step=0.05, round=False,
                               tooltip="w: how strictly the condition is enforced. With one expert this is the CFG "
                                       "scale. A negative weight moves away from the condition."),
                io.Mask.Input("mask", optional=True, tooltip="Where this expert acts (white). Everywhere if not "
                                                             "connected."),
                io.Float.Input("start_percent", **ADVANCED, default=0.0, min=LowerBound(0.0), max=1.0, step=0.01,
                               tooltip="The point of the schedule from which this expert acts (0 = the first step)."),
                io.Float.Input("end_percent", **ADVANCED, default=1.0, min=LowerBound(0.0), max=1.0, step=0.01,
                               tooltip="The point of the schedule up to which this expert acts (1 = the last step)."),
                io.String.Input("name", optional=True, default="",
                                tooltip="The expert's name in messages. Empty = the type of the model."),
                io.Vae.Input("vae", optional=True,
                             tooltip="The VAE of this model. Needed only to unite experts of different latent spaces, "
                                     "such as SDXL and SD 1.5, and then once per space; experts that draw pixels need "
                                     "none."),
                io.Float.Input("scale", **ADVANCED, default=1.0, min=LowerBound(SMALLEST_SCALE), max=LARGEST_SCALE,
                               step=0.05, round=False,
                               tooltip="The size at which this expert works, as a fraction of the picture's: 0.5 for "
                                       "an SD 1.5 at 512 beside an SDXL at 1024. The first expert's is 1; experts that "
                                       "draw only one size set theirs themselves."),
                io.String.Input("bands", **ADVANCED, default="",
                                tooltip="Factors of the weight for low, middle and high spatial frequencies, such as "
                                        "1, 1, 0 for the composition and 0, 0, 1 for the texture. Empty = the same "
                                        "everywhere."),
            ],
            outputs=[ExpertWire.Output(display_name="expert", tooltip="For a slot of Reliability Mixer.")],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def validate_inputs(cls, null_condition: Any = None) -> bool | str:
        return missing_null(getattr(cls.hidden, "unique_id", None))

    @classmethod
    def execute(
        cls,
        model: Any,
        condition: Conditioning | None = None,
        null_condition: Conditioning | None = None,
        weight: float = 1.0,
        mask: torch.Tensor | None = None,
        start_percent: float = 0.0,
        end_percent: float = 1.0,
        name: str = "",
        vae: Any = None,
        scale: float = 1.0,
        bands: str = "",
    ) -> io.NodeOutput:
        own = modalities(model)
        name = name.strip() or "+".join(own) or type(model.model).__name__
        noise_levels_of(model)     # raises for a network that cannot be an expert
        is_ours = hasattr(model.model, "modalities")
        if is_ours and not own:     # an unconditional expert: whatever is connected, it has only one answer
            condition = null_condition = model.model.null_conditioning()
        if condition is None:
            raise ValueError(f"Expert '{name}' has no condition; connect one. "
                             "Only an unconditional expert needs none.")
        if own:
            _check_made_for(name, own, condition, "condition")
            _check_made_for(name, own, null_condition, "null_condition")
            if null_condition is None:
                null_condition = model.model.null_conditioning(condition)
                _announce(model.model, name)
            condition, null_condition = model.model.pair(condition, null_condition)
        return io.NodeOutput(Expert(
            model, condition, null_condition, float(weight), mask, float(start_percent), float(end_percent), name,
            vae=vae, scale=float(scale), bands=parse_bands(bands)))


def _check_made_for(name: str, own: dict[str, Modality], given: Conditioning | None, what: str) -> None:
    """Raises ValueError if a CONDITIONING was not made by the condition nodes for a model with these modalities."""
    keys = {key for modality in own.values() for key in modality.nulls}
    if given is None or all(CONDITION in entry and entry[CONDITION].keys() <= keys for _, entry in given):
        return
    takes = ", ".join(f"{modality.name} ({modality.kind})" for modality in own.values())
    raise ValueError(f"Expert '{name}' takes {takes}; its {what} was made for another model. "
                     "Use the condition node of that kind with this expert's model.")


_announced: weakref.WeakSet = weakref.WeakSet()


def _announce(model: Any, name: str) -> None:
    """Says once per loaded model that its null was never trained."""
    stands_in = [f"class {int(modality.null)}" if modality.kind == "class" else f"a {modality.name} of zeros"
                 for modality in model.modalities.values() if not modality.trained_null]
    if stands_in and model not in _announced:
        _announced.add(model)
        logger.info(f"MCDM: expert '{name}' was trained without a null condition; {' and '.join(stands_in)} is used "
                    "instead, as its authors do. With reliability 0 it is never needed; an additional unconditional "
                    "expert (weight 0, reliability 1) is a better null.")


class ReliabilityMixer(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ReliabilityMixer", display_name="Reliability Mixer (unite models)", category=CATEGORY,
            **search_aliases("blend", "combine", "merge", "mix", "fuse", "ensemble", "unite models", "combine models",
                             "combine checkpoints", "mix models", "mix checkpoints", "blend models",
                             "blend checkpoints", "merge models", "merge checkpoints"),
            description="Unites several models, the experts, in every denoising step; no weights are merged. The first "
                        "one leads: the sampler runs on its noise schedule. Models of different latent spaces each "
                        "need their VAE.",
            inputs=[
                *(ExpertWire.Input(f"expert_{i}", optional=True,
                                   tooltip="An expert; the first one leads. Empty slots are skipped.")
                  for i in range(1, SLOTS + 1)),
                io.String.Input("reliabilities", optional=True, default="",
                                tooltip="a: how much each expert's prediction without a condition counts in the "
                                        "baseline from which every condition is measured. One non-negative number per "
                                        "expert, in slot order, such as 1, 0.5. Empty = all equal. With meaning set to "
                                        "shares, these are the shares instead. With more numbers than experts, those "
                                        "of bypassed slots are skipped."),
                io.Boolean.Input("allow_mixed_latents", **ADVANCED, default=False,
                                 tooltip="Unites experts whose latent spaces have different names. Only for spaces "
                                         "that are known to be aligned; otherwise the result is noise."),
                CheckedCombo("meaning", optional=True, options=list(MEANINGS), default=RELIABILITIES,
                             tooltip="What the numbers mean. shares: whose look the picture has; a larger share means "
                                     "more of that expert's look, and at 1 the look is all its own. reliabilities: the "
                                     "paper's numbers; a larger one usually means less of that look."),
                MixtureWire.Input("mixture", optional=True,
                                  tooltip="The experts of another Reliability Mixer, as one additional part; a chain "
                                          "of mixers takes any number of experts. Its number is the last one, and its "
                                          "experts divide it in proportion to their own."),
            ],
            outputs=[MixtureWire.Output(display_name="mixture",
                                        tooltip="For MCDM Sampler and any other node that takes a mixture.")],
        )

    @classmethod
    def execute(
        cls,
        reliabilities: str = "",
        allow_mixed_latents: bool = False,
        meaning: str = RELIABILITIES,
        mixture: Mixture | None = None,
        **wired: Expert | None,
    ) -> io.NodeOutput:
        require(check_choice(meaning, MEANINGS, "meaning"))
        by_slot = {i: expert for i in range(1, SLOTS + 1) if (expert := wired.get(f"expert_{i}")) is not None}
        slots, experts = tuple(by_slot), tuple(by_slot.values())
        inner = mixture.experts if mixture else ()
        if not experts and not inner:
            raise ValueError("No expert arrives at the Reliability Mixer; connect a Condition Expert.")
        if len(groups_of((*experts, *inner), allow_mixed_latents)) == 1:
            check_spaces((*experts, *inner), allow_mixed_latents)
        numbers = parse_reliabilities(reliabilities, slots, meaning.capitalize(), len(inner))
        if mixture is not None:
            return io.NodeOutput(joined(by_slot, numbers, mixture, allow_mixed_latents, meaning))
        return io.NodeOutput(Mixture(experts, numbers, allow_mixed_latents, meaning=meaning, slots=slots))
