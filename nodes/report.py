"""A sampling run with a report on its experts: who pulls how hard, who agrees with whom, and who contradicts whom."""
from __future__ import annotations

from typing import Any

import torch
from comfy_api.latest import io, ui

from ..mcdm.drawing.report_page import report_page
from ..mcdm.drawing.sheets import image
from ..mcdm.mixture import Mixture
from ..mcdm.parsing import parse_steps
from ..mcdm.reports.report_run import sampled_with_report
from .checks import require
from .common import CATEGORY, search_aliases
from .sampler_inputs import check_sampler, sampler_inputs

MAP_STEPS = "25%, 50%, 75%"


class MixtureReport(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MixtureReport", display_name="Mixture Report", category=CATEGORY, is_output_node=True,
            **search_aliases("plot", "contradiction", "debug"),
            description="Samples as MCDM Sampler does, and reports on the experts: how hard each one pulls over the "
                        "noise levels, whether they agree, where in the picture they disagree, and, in words, whether "
                        "two conditions contradict each other. Every null is evaluated for this.",
            inputs=[
                *sampler_inputs(),
                io.String.Input("map_steps", optional=True, default=MAP_STEPS,
                                tooltip="The steps at which to show where the experts disagree: shares of the steps, "
                                        "or their numbers, such as 1, 12, 24. Empty = none."),
                io.Sampler.Input("sampler", optional=True,
                                 tooltip="A sampler to use instead of sampler_name, such as MCDM Corrected, whose "
                                         "particles then appear in the report."),
            ],
            outputs=[
                io.Latent.Output(display_name="latent", tooltip="The result, as MCDM Sampler gives it."),
                io.Image.Output(display_name="report", tooltip="The figures as a picture."),
                io.String.Output(display_name="json",
                                 tooltip="The same figures as JSON; null where there is no value."),
            ],
            hidden=[io.Hidden.prompt, io.Hidden.extra_pnginfo, io.Hidden.unique_id],
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
        map_steps: str = MAP_STEPS,
        sampler: Any = None,
    ) -> io.NodeOutput:
        require(check_sampler(sampler_name, scheduler))
        shown = parse_steps(map_steps, steps, "map_steps")
        run = {"seed": seed, "steps": steps, "sampler_name": sampler_name, "scheduler": scheduler, "denoise": denoise,
               "latent_image": latent_image}
        latent, report = sampled_with_report(mixture, run, clip_denoised, shown, sampler)
        page = image(report_page(report))
        return io.NodeOutput(latent, page, report.json(), ui=_Shown(page, cls, report.verdict))


class _Shown(ui.PreviewImage):
    """The page in the node, and the verdict for readers of the history."""

    def __init__(self, page: torch.Tensor, node: type[io.ComfyNode], verdict: str) -> None:
        super().__init__(page, cls=node)
        self.verdict = verdict

    def as_dict(self) -> dict[str, Any]:
        return super().as_dict() | {"text": (self.verdict,)}
