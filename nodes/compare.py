"""From one seed, the fused picture and what each expert alone makes of it."""
from comfy_api.latest import io

from ..mcdm.drawing import sheets
from .common import CATEGORY, search
from .sampling import check, settings
from .sweep import OUTPUTS, VAE, draw


class CompareExperts(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="CompareExperts", display_name="Compare Experts", category=CATEGORY, is_output_node=True,
            **search("grid", "side by side", "contact sheet"),
            description="From one seed, the united picture beside what each expert of the mixture makes of its condition alone: same weight, mask and window, "
                        "and its own null.",
            inputs=[*settings(), VAE], outputs=OUTPUTS, hidden=[io.Hidden.prompt, io.Hidden.extra_pnginfo, io.Hidden.unique_id],
        )

    @classmethod
    def validate_inputs(cls, sampler_name, scheduler):
        return check(sampler_name, scheduler)

    @classmethod
    def execute(cls, mixture, seed, steps, sampler_name, scheduler, denoise=1.0, latent_image=None, clip_denoised=False, vae=None) -> io.NodeOutput:
        checked = cls.validate_inputs(sampler_name, scheduler)
        if checked is not True:
            raise ValueError(checked)
        names = sheets.labels([e.name for e in mixture.experts])
        titles = {"columns": ["united", *(f"{name} alone" for name in names)], "rows": [""]}
        run = {"seed": seed, "steps": steps, "sampler_name": sampler_name, "scheduler": scheduler, "denoise": denoise, "latent_image": latent_image}
        return draw(cls, "compare", [[mixture, *map(mixture.alone, range(len(names)))]], titles, run, vae, clip_denoised)
