"""From one seed, the fused picture and what each expert alone makes of it."""
from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from comfy_api.latest import io

from ..mcdm.drawing.lettering import labels
from ..mcdm.host.spaces.groups import groups_of
from ..mcdm.mixture import Mixture
from .common import CATEGORY, require, search
from .grid import HIDDEN, OUTPUTS, VAE, Titles, sample_grid
from .sampler_inputs import check_settings, settings


class CompareExperts(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="CompareExperts", display_name="Compare Experts", category=CATEGORY, is_output_node=True,
            **search("grid", "side by side", "contact sheet"),
            description="From one seed, the united picture beside what each expert of the mixture makes of its "
                        "condition alone: same weight, mask and window, and its own null.",
            inputs=[*settings(), VAE], outputs=OUTPUTS, hidden=HIDDEN,
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
        vae: Any = None,
    ) -> io.NodeOutput:
        require(check_settings(sampler_name, scheduler))
        names = labels([e.name for e in mixture.experts])
        titles = Titles(rows=[""], columns=["united", *(f"{name} alone" for name in names)])
        mixtures = [mixture, *_each_alone(mixture)]
        run = {"seed": seed, "steps": steps, "sampler_name": sampler_name, "scheduler": scheduler, "denoise": denoise,
               "latent_image": latent_image}
        return sample_grid(cls, "compare", [mixtures], titles, run, vae, clip_denoised)


def _each_alone(mixture: Mixture) -> Iterator[Mixture | None]:
    """Each expert alone; one of another latent space in that of the first, whose latent this is, by itself there."""
    of_the_first = groups_of(mixture.experts, mixture.mixed_spaces)[0].members
    everybody = range(len(mixture.experts))
    for i in everybody:
        if i in of_the_first:
            yield mixture.alone(i)
        else:
            yield mixture.varied({j: 0.0 for j in everybody if j != i}, {i: 1.0})
