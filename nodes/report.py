"""A sampling run with a report on its experts: who pulls how hard, who agrees with whom, and who contradicts whom."""
from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import latent_preview
import torch
from comfy_api.latest import io, ui
from PIL import Image

from ..mcdm.analysis import Figures, Recorder, disagreement
from ..mcdm.bands import EVERY
from ..mcdm.drawing import sheets
from ..mcdm.drawing.lettering import labels
from ..mcdm.drawing.previews import previewer
from ..mcdm.drawing.report import Map, first_frame, report_page
from ..mcdm.host.experts.devices import where
from ..mcdm.host.experts.lanes import Clock
from ..mcdm.host.sampling.guider import MixtureGuider
from ..mcdm.host.sampling.ksampler import sample
from ..mcdm.host.sampling.watch import Watch
from ..mcdm.mixture import Expert, Mixture
from ..mcdm.verdict import contradictions, sentence
from .common import CATEGORY, require, search
from .sampler_inputs import check_settings, settings

MAP_STEPS = "25%, 50%, 75%"


class MixtureReport(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MixtureReport", display_name="Mixture Report", category=CATEGORY, is_output_node=True,
            **search("plot", "contradiction", "debug"),
            description="Samples as MCDM Sampler does, and reports on the experts: how hard each one pulls over the "
                        "noise levels, whether they agree, where in the picture they disagree, and, in words, whether "
                        "two conditions contradict each other. Every null is evaluated for this.",
            inputs=[
                *settings(),
                io.String.Input("map_steps", optional=True, default=MAP_STEPS,
                                tooltip="The steps at which to show where the experts disagree: shares of the steps, "
                                        "or their numbers, such as 1, 12, 24. Empty = none."),
                io.Sampler.Input("sampler", optional=True,
                                 tooltip="A sampler to take instead of sampler_name, such as MCDM Corrected, whose "
                                         "particles are then in the report."),
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
        require(check_settings(sampler_name, scheduler))
        chosen = _steps(map_steps, steps)
        recorder, clock = Recorder(len(mixture.experts)), Clock()
        guider = MixtureGuider(mixture, clip_denoised, Watch(recorder, all_nulls=True, clock=clock))
        space = guider.model_patcher.get_model_object("latent_format")
        progress = latent_preview.prepare_callback(guider.model_patcher, steps)
        maps = []

        def after_step(step: int, x0: torch.Tensor, x: torch.Tensor, total: int) -> None:
            progress(step, x0, x, total)
            if step + 1 in chosen:
                first = [g[:1] for g in recorder.asked]
                picture = _estimate(space, recorder.fused)
                masks = [m[:1] for m in recorder.masks if isinstance(m, torch.Tensor)] if mixture.automatic else []
                maps.append(Map(step + 1, recorder.sigmas[-1], disagreement(first), picture, masks))
        latent, _ = sample(
            guider, seed, steps, sampler_name, scheduler, denoise, latent_image, after_step, sampler)
        if not recorder.sigmas:
            raise ValueError(f"Nothing was sampled at denoise {denoise:g}, so there is nothing to report on; raise it.")
        figures = recorder.figures()
        names = [e.name for e in mixture.experts]
        verdict = sentence(figures, names)
        words = _weights_in_words(mixture, clock)
        plain = _plain(mixture, clock, figures, maps, verdict)
        course = None
        if account := guider.watch.account:
            account = account._replace(names=labels(names))
            words, plain["particles"], course = f"{words};  {account.in_words()}", account.plain(), account.course()
        page = sheets.image(report_page(figures, labels(names), mixture.slots, maps, words, course))
        text = json.dumps(_finite(plain), indent=1)
        return io.NodeOutput(latent, page, text, ui=_Shown(page, cls, verdict))


class _Shown(ui.PreviewImage):
    """The page in the node, and the verdict for whoever reads the history."""

    def __init__(self, page: torch.Tensor, node: type[io.ComfyNode], verdict: str) -> None:
        super().__init__(page, cls=node)
        self.verdict = verdict

    def as_dict(self) -> dict[str, Any]:
        return super().as_dict() | {"text": (self.verdict,)}


def _steps(text: str, steps: int) -> set[int]:
    """The numbers of the steps that a text like "25%, 50%" or "1, 12" names. Raises ValueError."""
    chosen = set()
    for word in text.replace(",", " ").split():
        step = _step(word, steps)
        if step is None:
            raise ValueError(f"map_steps '{text}': '{word}' is not one of the {steps} steps; "
                             f"give shares such as 25%, 50%, 75%, or numbers from 1 to {steps}.")
        chosen.add(step)
    return chosen


def _step(word: str, steps: int) -> int | None:
    """The number of a step, given as such or as a share such as 25%; None where it is neither."""
    try:
        if not word.endswith("%"):
            step = int(word)
            return step if 1 <= step <= steps else None
        share = float(word.rstrip("%"))
    except ValueError:
        return None
    return max(1, math.ceil(share * steps / 100 - 1e-9)) if 0 <= share <= 100 else None


def _estimate(space: Any, fused: torch.Tensor) -> Image.Image | None:
    """The first picture of a fused estimate, small and in the host's linear map to colours.

    None where the latent space has no such map.
    """
    colours = previewer(space)
    return colours.decode_latent_to_preview(fused) if colours else None


def _plain(
    mixture: Mixture, clock: Clock, figures: Figures, maps: Sequence[Map], verdict: str,
) -> dict[str, Any]:
    """The report in numbers, lists and words, for the JSON."""
    names = [e.name for e in mixture.experts]
    begins = {(c.first, c.second): c.sigma for c in contradictions(figures)}
    experts = [
        {"name": expert.name, "weight": expert.weight, "reliability": a, "pull": pull, "share": share,
         "place": where(expert), "seconds_a_step": clock.seconds(i)}
        for i, (expert, pull, a, share) in enumerate(
            zip(mixture.experts, figures.contributions, *mixture.balance(), strict=True))
    ]
    pairs = [
        {
            "experts": [pair.first + 1, pair.second + 1],
            "names": [names[pair.first], names[pair.second]],
            "cosine": pair.cosine,
            "condition_cosine": pair.condition_cosine,
            "opposition_at": pair.opposition_at,
            "opposition": pair.opposition,
            "contradiction": (pair.first, pair.second) in begins,
            "from_sigma": begins.get((pair.first, pair.second)),
        }
        for pair in figures.pairs
    ]
    shown = [
        {
            "step": m.step,
            "sigma": m.sigma,
            "cancelled": m.disagreement.cancelled,
            "disagreement": first_frame(m.disagreement.lost).tolist(),
            "masks": [first_frame(mask).tolist() for mask in m.masks],
        }
        for m in maps
    ]
    return {
        "verdict": verdict, "sigma": figures.sigmas, "experts": experts, "meaning": mixture.meaning, "pairs": pairs,
        "content_is_decided": figures.decides, "maps": shown,
    }


def _weights_in_words(mixture: Mixture, clock: Clock) -> str:
    """Each expert's weight, reliability, share, place and time, for the page."""
    names = labels([e.name for e in mixture.experts])
    experts = zip(names, mixture.experts, *mixture.balance(), strict=True)
    told = [f"{name}: weight {e.weight:g}{_banded(e)}, reliability {a:.3g}, share {share:.3g}, {where(e)}, "
            f"{clock.seconds(i):.2g} s a step" for i, (name, e, a, share) in enumerate(experts)]
    return ";  ".join(told)


def _banded(expert: Expert) -> str:
    """An expert's frequency bands in words, "" where it acts in all."""
    return "" if expert.bands == EVERY else f" in bands {' '.join(f'{f:g}' for f in expert.bands)}"


def _finite(value: Any) -> Any:
    """The same with None for every number that is not finite: JSON has no words for these."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(v) for key, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(v) for v in value]
    return value
