"""The fused picture and what each expert alone makes of it, all from one seed."""
from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from ..mcdm.grids.comparison import comparison
from ..mcdm.mixture import Mixture
from .checks import require
from .common import CATEGORY, search_aliases
from .grid import CELLS, HIDDEN, OUTPUTS, VAE, grid_output
from .sampler_inputs import check_sampler, sampler_inputs


class CompareExperts(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="CompareExperts", display_name="Compare Experts", category=CATEGORY, is_output_node=True,
            **search_aliases("grid", "side by side", "contact sheet"),
            description="The united picture beside what each expert of the mixture makes of its condition alone, all "
                        "from one seed: same weight, mask and window, and its own null.",
            inputs=[*sampler_inputs(), VAE], outputs=[*OUTPUTS, *CELLS], hidden=HIDDEN,
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
        require(check_sampler(sampler_name, scheduler))
        run = {"seed": seed, "steps": steps, "sampler_name": sampler_name, "scheduler": scheduler, "denoise": denoise,
               "latent_image": latent_image}
        return grid_output(cls, "compare", comparison(mixture), run, vae, clip_denoised)
