"""Experts, their weights, and whose null prediction counts how much."""
import logging
import weakref

import comfy.model_management
import torch
from comfy_api.latest import io

from ..mcdm.host.models import check_spaces, is_pixel, noise_levels_of
from ..mcdm.mixture import Expert as ExpertData
from ..mcdm.mixture import Mixture as MixtureData
from ..mcdm.mixture import parse_reliabilities
from .common import CATEGORY, Expert, Mixture, modalities, search

SLOTS = 8


class ConditionExpert(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="ConditionExpert", display_name="Condition Expert", category=CATEGORY,
            **search("ensemble member", "guidance", "weight", "CFG"),
            description="One expert of a mixture, a member of the ensemble: a model, its condition, how strictly it is enforced (w), where and when.",
            inputs=[
                io.Model.Input("model", tooltip="Any diffusion model: from LoadExpert, or from ComfyUI's own loaders. LoRA and patches on it stay its own."),
                io.Conditioning.Input("condition", optional=True, tooltip="What this expert shall show. Only an unconditional expert does without."),
                io.Conditioning.Input("null_condition", optional=True,
                                      tooltip="What 'no condition' means to it, an empty prompt for Stable Diffusion. Experts from LoadExpert know their own."),
                io.Float.Input("weight", optional=True, default=1.0, min=-1e9, max=1e9, step=0.05, round=False,
                               tooltip="w: how strictly the condition is enforced. With one expert this is the CFG scale. Negative moves away from it."),
                io.Mask.Input("mask", optional=True, tooltip="Where it acts (white); everywhere if not connected."),
                io.Float.Input("start_percent", optional=True, default=0.0, min=0.0, max=1.0, step=0.01,
                               tooltip="From which part of the schedule on it acts (0 = the first step)."),
                io.Float.Input("end_percent", optional=True, default=1.0, min=0.0, max=1.0, step=0.01,
                               tooltip="Until which part of the schedule it acts (1 = the last step)."),
                io.String.Input("name", optional=True, default="", tooltip="Its name in messages; empty = the kind of the model."),
            ],
            outputs=[Expert.Output(display_name="expert", tooltip="For a slot of Reliability Mixer.")],
        )

    @classmethod
    def execute(cls, model, condition=None, null_condition=None, weight=1.0, mask=None, start_percent=0.0, end_percent=1.0, name="") -> io.NodeOutput:
        own = modalities(model)
        name = name.strip() or "+".join(own) or type(model.model).__name__
        noise_levels_of(model)
        if condition is None and (own or not hasattr(model.model, "modalities")):
            raise ValueError(f"Expert '{name}' has no condition; connect one. Only an unconditional expert does without.")
        if own:
            from ..mcdm.experts.modality import CONDITION
            keys = {key for m in own.values() for key in m.nulls}
            for given, what in ((condition, "condition"), (null_condition, "null condition")):
                if given is not None and not all(CONDITION in d and d[CONDITION].keys() <= keys for _, d in given):
                    raise ValueError(f"Expert '{name}' takes {', '.join(f'{m.name} ({m.kind})' for m in own.values())}; its {what} was made for another model. "
                                     "Use the condition node of that kind with this expert's model.")
            if null_condition is None:
                null_condition = model.model.null_conditioning(condition)
                _announce(model.model, name)
            condition, null_condition = model.model.pair(condition, null_condition)
        elif hasattr(model.model, "modalities"):        # an unconditional expert: whatever is connected, it knows but one answer
            condition = null_condition = model.model.null_conditioning()
        return io.NodeOutput(ExpertData(model, condition, null_condition, float(weight), mask, float(start_percent), float(end_percent), name))


_announced: weakref.WeakSet = weakref.WeakSet()


def _announce(model, name):
    """Says once a loaded model that its null was never trained."""
    stands_in = [f"class {int(m.null)}" if m.kind == "class" else f"a {m.name} of zeros"
                 for m in model.modalities.values() if not m.trained_null]
    if stands_in and model not in _announced:
        _announced.add(model)
        logging.info(f"MCDM: expert '{name}' was trained without a null condition; {' and '.join(stands_in)} stands in for it, as its authors do. "
                     "With reliability 0 it is never asked for; an unconditional expert beside it (weight 0, reliability 1) is the better null.")


class ReliabilityMixer(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="ReliabilityMixer", display_name="Reliability Mixer", category=CATEGORY,
            **search("combine models", "mix models", "merge models", "fuse", "ensemble"),
            description="Unites several models of one latent space, the experts, in every denoising step; no weights are merged. The first one leads: the "
                        "sampler runs on its noise schedule.",
            inputs=[
                *(Expert.Input(f"expert_{i}", optional=i > 1, tooltip="An expert; the first one leads. Slots left empty are skipped.")
                  for i in range(1, SLOTS + 1)),
                io.String.Input("reliabilities", optional=True, default="",
                                tooltip="a: whose answer without a condition counts in the starting point that all conditions are measured from; "
                                        "one non-negative number an expert, in slot order, such as 1, 0.5. Empty = all alike."),
                io.Boolean.Input("allow_mixed_latents", optional=True, default=False,
                                 tooltip="For people who know that two differently named latent spaces are aligned. The result is noise if they are not."),
            ],
            outputs=[Mixture.Output(display_name="mixture", tooltip="For MCDM Sampler and whatever else takes a mixture.")],
        )

    @classmethod
    def execute(cls, expert_1, reliabilities="", allow_mixed_latents=False, **others) -> io.NodeOutput:
        experts = (expert_1, *(e for e in (others.get(f"expert_{i}") for i in range(2, SLOTS + 1)) if e is not None))
        check_spaces(experts, allow_mixed_latents)
        return io.NodeOutput(MixtureData(experts, parse_reliabilities(reliabilities, len(experts)), allow_mixed_latents))


class EmptyExpertLatent(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="EmptyExpertLatent", display_name="Empty Expert Latent", category=CATEGORY,
            **search("empty latent", "blank"),
            description="An empty latent in the latent space of a mixture.",
            inputs=[
                Mixture.Input("mixture", tooltip="Gives the latent space."),
                io.Int.Input("width", default=64, min=1, max=16384, tooltip="Width of the picture in pixels; the embedded experts draw 64 x 64."),
                io.Int.Input("height", default=64, min=1, max=16384, tooltip="Height of the picture in pixels."),
                io.Int.Input("batch_size", optional=True, default=1, min=1, max=4096, tooltip="How many pictures."),
            ],
            outputs=[io.Latent.Output(display_name="latent", tooltip="For the sampler.")],
        )

    @classmethod
    def execute(cls, mixture, width=64, height=64, batch_size=1) -> io.NodeOutput:
        space = mixture.experts[0].model.get_model_object("latent_format")
        if space.latent_dimensions != 2:
            raise ValueError(f"{type(space).__name__} is a latent space of {'video' if space.latent_dimensions == 3 else 'sound'}; "
                             "use the stock node for its empty latent, such as EmptyHunyuanLatentVideo.")
        scale = 1 if is_pixel(mixture.experts[0].model) else 8
        if width % scale or height % scale:
            raise ValueError(f"Width and height must be multiples of {scale} in the latent space {type(space).__name__}, not {width} x {height}.")
        for expert in mixture.experts:
            size = getattr(expert.model.model, "fixed_size", None)
            if size is not None and (height // scale, width // scale) != tuple(size):
                raise ValueError(f"Expert '{expert.name}' draws {size[1] * scale} x {size[0] * scale} only, not {width} x {height}.")
        latent = torch.zeros(batch_size, space.latent_channels, height // scale, width // scale, device=comfy.model_management.intermediate_device())
        return io.NodeOutput({"samples": latent})
