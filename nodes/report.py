"""A sampling run with a report on its experts: who pulls how hard, who agrees with whom, and who contradicts whom."""
import json
import math

import latent_preview
from comfy_api.latest import io, ui

from ..mcdm import analysis
from ..mcdm.drawing import sheets
from ..mcdm.drawing.previews import previewer
from ..mcdm.host import guider
from .common import CATEGORY, search
from .sampling import check, sample, settings


class MixtureReport(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="MixtureReport", display_name="Mixture Report", category=CATEGORY, **search("plot", "contradiction", "debug"), is_output_node=True,
            description="Samples as MCDM Sampler does, and reports on the experts: how hard each one pulls over the noise levels, whether they agree, where "
                        "in the picture they disagree, and in words whether two conditions contradict each other. Every null is evaluated for this.",
            inputs=[
                *settings(),
                io.String.Input("map_steps", optional=True, default="25%, 50%, 75%",
                                tooltip="At which steps to show where the experts disagree: shares of the steps, or their numbers, such as 1, 12, 24. "
                                        "Empty = none."),
            ],
            outputs=[io.Latent.Output(display_name="latent", tooltip="The result, as MCDM Sampler gives it."),
                     io.Image.Output(display_name="report", tooltip="The figures as a picture."),
                     io.String.Output(display_name="json", tooltip="The same figures as JSON; null where there is no value.")],
            hidden=[io.Hidden.prompt, io.Hidden.extra_pnginfo, io.Hidden.unique_id],
        )

    @classmethod
    def validate_inputs(cls, sampler_name, scheduler):
        return check(sampler_name, scheduler)

    @classmethod
    def execute(cls, mixture, seed, steps, sampler_name, scheduler, denoise=1.0, latent_image=None, clip_denoised=False,
                map_steps="25%, 50%, 75%") -> io.NodeOutput:
        checked = cls.validate_inputs(sampler_name, scheduler)
        if checked is not True:
            raise ValueError(checked)
        chosen = _steps(map_steps, steps)
        fused = guider.MixtureGuider(mixture, clip_denoised)
        fused.all_nulls = True
        patcher = fused.model_patcher
        space = patcher.get_model_object("latent_format")
        recorder = analysis.Recorder(len(mixture.experts))
        progress, maps = latent_preview.prepare_callback(patcher, steps), []

        def after_step(step, x0, x, total):
            progress(step, x0, x, total)
            if step + 1 in chosen:
                maps.append((step + 1, recorder.sigmas[-1], *analysis.disagreement([g[:1] for g in recorder.asked]), _estimate(space, recorder.fused)))
        latent = sample(fused, seed, steps, sampler_name, scheduler, denoise, latent_image, observe=recorder, callback=after_step)[0]
        if not recorder.sigmas:
            raise ValueError(f"Nothing was sampled at denoise {denoise:g}, so there is nothing to report on; raise it.")
        figures = recorder.figures()
        names = sheets.labels([e.name for e in mixture.experts])
        page = sheets.image(_page(figures, names, maps))
        words = analysis.sentence(figures, [e.name for e in mixture.experts])
        return io.NodeOutput(latent, page, json.dumps(_plain(mixture, figures, maps, words), indent=1), ui=_Shown(page, cls, words))


class _Shown(ui.PreviewImage):
    """The page in the node, and the sentence for whoever reads the history."""

    def __init__(self, page, node, words):
        super().__init__(page, cls=node)
        self.words = words

    def as_dict(self):
        return super().as_dict() | {"text": (self.words,)}


def _steps(text, steps):
    """The numbers of the steps that a text like "25%, 50%" or "1, 12" names. Raises ValueError."""
    chosen = set()
    for word in text.replace(",", " ").split():
        share = word.endswith("%")
        try:
            number = float(word.rstrip("%")) if share else int(word)
        except ValueError:
            number = math.nan
        if not (0 <= number <= 100 if share else 1 <= number <= steps):
            raise ValueError(f"map_steps '{text}': '{word}' is no step of {steps}; give shares such as 25%, 50%, 75%, or numbers from 1 to {steps}.")
        chosen.add(max(1, math.ceil(number * steps / 100 - 1e-9)) if share else number)
    return chosen


def _estimate(space, fused):
    """The first picture of a fused estimate, small and by the host's linear map to colours; None where the latent space has none."""
    colours = previewer(space)
    return colours.decode_latent_to_preview(fused) if colours else None


def _flat(field):
    """[1, (T,) H, W] as [H, W]: of a video the first frame."""
    return field.reshape(-1, *field.shape[-2:])[0].float().cpu()


def _share(lost, strength):
    """How much of what the conditions ask for cancels, 0 to 1."""
    return float(lost.sum() / strength.sum()) if float(strength.sum()) > 0 else 0.0


def _page(figures, names, maps):
    from ..mcdm.drawing.charts import heat
    from ..mcdm.drawing.charts import report as plot
    pairs = sorted(figures["pairs"].items(), key=lambda p: -1.0 if math.isnan(p[1]["opposition"]) else p[1]["opposition"], reverse=True)
    found = analysis.contradictions(figures)
    band = (found[0][3], figures["decides"][0]) if found else None
    pictures = []
    for step, sigma, lost, strength, estimate in maps:
        title = f"step {step}, sigma {sigma:.3g}: {_share(lost, strength):.0%} cancels"
        pictures.append((title, [p for p in (estimate, heat(_flat(lost), float(_flat(strength).max()))) if p]))
    return plot(analysis.sentence(figures, names), bool(found), figures["sigmas"], list(zip(names, figures["pulls"], strict=True)),
                [(f"{names[i]} / {names[j]}", p["condition_cosine"]) for (i, j), p in pairs], band, pictures)


def _plain(mixture, figures, maps, words):
    """What goes into the JSON: numbers, lists, and None for what is not finite."""
    def clean(value):
        if isinstance(value, float):
            return value if math.isfinite(value) else None
        if isinstance(value, dict):
            return {k: clean(v) for k, v in value.items()}
        return [clean(v) for v in value] if isinstance(value, (list, tuple)) else value
    found = {(i, j): sigma for i, j, _, sigma in analysis.contradictions(figures)}
    return clean({
        "verdict": words,
        "sigma": figures["sigmas"],
        "experts": [{"name": e.name, "weight": e.weight, "reliability": a, "pull": p}
                    for e, a, p in zip(mixture.experts, mixture.reliabilities, figures["pulls"], strict=True)],
        "pairs": [{"experts": [i + 1, j + 1], "names": [mixture.experts[i].name, mixture.experts[j].name], "cosine": p["cosine"],
                   "condition_cosine": p["condition_cosine"], "opposition_at": p["opposition_at"], "opposition": p["opposition"],
                   "contradiction": (i, j) in found, "from_sigma": found.get((i, j))} for (i, j), p in figures["pairs"].items()],
        "content_is_decided": figures["decides"],
        "maps": [{"step": step, "sigma": sigma, "cancelled": _share(lost, strength),
                  "disagreement": _flat(lost).tolist()} for step, sigma, lost, strength, _ in maps],
    })
