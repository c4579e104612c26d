"""The fused prediction, as a GUIDER for any sampler, or sampled at once."""
from __future__ import annotations

import logging
from typing import Any

from comfy_api.latest import io

from ..mcdm.drawing.live_previews import observer
from ..mcdm.host.sampling.guider import MixtureGuider
from ..mcdm.host.sampling.ksampler import sample_mixture
from ..mcdm.host.sampling.watch import Watch
from ..mcdm.mixture import Mixture
from .checks import require
from .common import CATEGORY, search_aliases
from .decoders import check_decoders
from .sampler_inputs import CLIP_DENOISED, MIXTURE, check_sampler, sampler_inputs

logger = logging.getLogger("mcdm")


class MCDMGuider(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MCDMGuider", display_name="MCDM Guider", category=CATEGORY,
            **search_aliases("guidance", "fuse", "merge", "CFG guider"),
            description="The guidance of all experts, fused, as a GUIDER for Sampler Custom Advanced with any sampler "
                        "and any sigmas.",
            inputs=[MIXTURE, CLIP_DENOISED],
            outputs=[io.Guider.Output(display_name="guider", tooltip="For Sampler Custom Advanced.")],
        )

    @classmethod
    def execute(cls, mixture: Mixture, clip_denoised: bool = False) -> io.NodeOutput:
        check_decoders(mixture)
        return io.NodeOutput(MixtureGuider(mixture, clip_denoised), ui=_warning(mixture))


class MCDMSampler(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MCDMSampler", display_name="MCDM Sampler", category=CATEGORY,
            **search_aliases("unite and conquer", "multi-modal", "multimodal", "compositional", "fuse models",
                             "KSampler"),
            description="Denoises a latent with all experts of a mixture united in every step: multi-modal synthesis "
                        "as in Unite and Conquer.",
            inputs=[
                *sampler_inputs(),
                io.Boolean.Input("expert_previews", optional=True, default=True,
                                 tooltip="During sampling, shows under this node what each expert alone thinks the "
                                         "picture is, and how hard each one pulls. Takes at most 3 % of the time, and "
                                         "none if no page is watching."),
            ],
            outputs=[
                io.Latent.Output(display_name="latent", tooltip="The result."),
                io.Latent.Output(display_name="denoised", tooltip="The last denoised estimate."),
            ],
        )

    @classmethod
    def execute(
        cls,
        mixture: Mixture,
        seed: int,
        steps: int,
        sampler_name: str,
        scheduler: str,
        denoise: float = 1.0,
        latent_image: Any = None,
        clip_denoised: bool = False,
        expert_previews: bool = True,
    ) -> io.NodeOutput:
        require(check_sampler(sampler_name, scheduler))
        check_decoders(mixture)
        observe = observer(mixture) if expert_previews else None
        guider = MixtureGuider(mixture, clip_denoised, Watch(observe))
        latent, denoised = sample_mixture(guider, seed, steps, sampler_name, scheduler, denoise, latent_image)
        if observe:
            observe.show()      # the final state, whenever the last preview was
        return io.NodeOutput(latent, denoised, ui=_warning(mixture))


def _warning(mixture: Mixture) -> dict[str, Any] | None:
    """What the page says beside the node of a mixture in which no condition counts, and the log too."""
    if any(expert.weight for expert in mixture.experts) or any(mixture.options.weights_end):
        return None
    sentence = "All weights are 0: no condition counts, and only the nulls draw. Raise a weight, unless this is wanted."
    logger.warning(f"MCDM: {sentence}")
    return {"warning": (sentence,)}
