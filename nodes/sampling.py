"""The fused prediction, as a GUIDER for any sampler, or sampled at once."""
import comfy.model_management
import comfy.sample
import comfy.samplers
import comfy.utils
import latent_preview
from comfy_api.latest import io

from ..mcdm.drawing.previews import observer
from ..mcdm.host import guider
from .common import CATEGORY, Mixture, choice, search

_MIXTURE = Mixture.Input("mixture", tooltip="The experts, from a Reliability Mixer.")
_CLIP = io.Boolean.Input("clip_denoised", optional=True, default=False,
                         tooltip="Clamp the fused estimate to the range of pictures in every step, as the authors do. Pixel experts only.")


def sample(fused, seed, steps, sampler_name, scheduler, denoise, latent_image, observe=None, callback=None):
    """One run of `fused`, a MixtureGuider, as the host's KSampler runs a model; `observe` gets an Observation of every evaluation.

    callback(step, x0, x, steps): after every step, instead of the host's progress bar and preview.
    latent_image: {"samples": [B, C, H, W] or [B, C, T, H, W], maybe "noise_mask", "batch_index"}.
    Returns (latent, denoised) of the same form: the result and the last denoised estimate. What the experts or the sampler raise goes through.
    """
    patcher = fused.model_patcher
    latent = latent_image.copy()
    samples = latent["samples"] = comfy.sample.fix_empty_latent_channels(patcher, latent_image["samples"])
    noise = comfy.sample.prepare_noise(samples, seed, latent.get("batch_index"))
    sigmas = comfy.samplers.KSampler(patcher, steps, patcher.load_device, sampler_name, scheduler, denoise, patcher.model_options).sigmas
    estimate: dict = {}
    show = callback or latent_preview.prepare_callback(patcher, steps)

    def after_step(step, x0, x, total):
        estimate["x0"] = x0
        show(step, x0, x, total)
    fused.observer = observe
    samples = fused.sample(noise, samples, comfy.samplers.sampler_object(sampler_name), sigmas, denoise_mask=latent.get("noise_mask"),
                           callback=after_step, disable_pbar=not comfy.utils.PROGRESS_BAR_ENABLED, seed=seed)
    samples = samples.to(comfy.model_management.intermediate_device())
    denoised = patcher.model.process_latent_out(estimate["x0"].cpu()) if "x0" in estimate else samples
    return {**latent, "samples": samples}, {**latent, "samples": denoised}


def check(sampler_name, scheduler):
    """True, or a sentence for the user."""
    checks = choice(sampler_name, comfy.samplers.SAMPLER_NAMES, "sampler_name"), choice(scheduler, comfy.samplers.SCHEDULER_NAMES, "scheduler")
    return next((c for c in checks if c is not True), True)


class MCDMGuider(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="MCDMGuider", display_name="MCDM Guider", category=CATEGORY,
            **search("guidance", "fuse", "merge", "CFG guider"),
            description="The guidance of all experts, fused, as a GUIDER for Sampler Custom Advanced with any sampler and any sigmas.",
            inputs=[_MIXTURE, _CLIP], outputs=[io.Guider.Output(display_name="guider", tooltip="For Sampler Custom Advanced.")],
        )

    @classmethod
    def execute(cls, mixture, clip_denoised=False) -> io.NodeOutput:
        return io.NodeOutput(guider.MixtureGuider(mixture, clip_denoised))


class MCDMSampler(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="MCDMSampler", display_name="MCDM Sampler", category=CATEGORY,
            **search("unite and conquer", "multi-modal", "multimodal", "compositional", "fuse models", "KSampler"),
            description="Denoises a latent with all experts of a mixture united in every step: multi-modal synthesis after Unite and Conquer.",
            inputs=[
                _MIXTURE,
                io.Int.Input("seed", default=0, min=0, max=0xffffffffffffffff, control_after_generate=True, tooltip="Seed of the noise."),
                io.Int.Input("steps", default=24, min=1, max=10000, tooltip="Number of denoising steps."),
                io.Combo.Input("sampler_name", options=comfy.samplers.SAMPLER_NAMES, default="euler", tooltip="ComfyUI's samplers, all of them."),
                io.Combo.Input("scheduler", options=comfy.samplers.SCHEDULER_NAMES, default="karras",
                               tooltip="How the noise levels are spaced, on the first expert's range."),
                io.Float.Input("denoise", optional=True, default=1.0, min=0.0, max=1.0, step=0.01,
                               tooltip="Below 1: image to image; the share of the schedule that is run."),
                io.Latent.Input("latent_image", tooltip="An empty latent, or a picture's latent for image to image. A noise mask in it means inpainting."),
                _CLIP,
                io.Boolean.Input("expert_previews", optional=True, default=True,
                                 tooltip="While sampling, show under this node what each expert alone thinks the picture is, and how much each one pulls. "
                                         "Takes at most 3 % of the time, and none without a page that looks."),
            ],
            outputs=[io.Latent.Output(display_name="latent", tooltip="The result."),
                     io.Latent.Output(display_name="denoised", tooltip="The last denoised estimate.")],
        )

    @classmethod
    def validate_inputs(cls, sampler_name, scheduler):
        return check(sampler_name, scheduler)

    @classmethod
    def execute(cls, mixture, seed, steps, sampler_name, scheduler, denoise=1.0, latent_image=None, clip_denoised=False,
                expert_previews=True) -> io.NodeOutput:
        checked = cls.validate_inputs(sampler_name, scheduler)
        if checked is not True:
            raise ValueError(checked)
        fused = guider.MixtureGuider(mixture, clip_denoised)
        observe = observer(fused) if expert_previews else None
        latent, denoised = sample(fused, seed, steps, sampler_name, scheduler, denoise, latent_image, observe)
        if observe:
            observe.show()          # how it ended, whenever the last preview was
        return io.NodeOutput(latent, denoised)


def settings():
    """The inputs that every node has which samples as MCDMSampler does."""
    return [i for i in MCDMSampler.define_schema().inputs if i.id != "expert_previews"]
