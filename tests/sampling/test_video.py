"""Latents of video: against the stock sampler, and masks that are frames."""
import pytest
import torch

from support.mixtures import ask, eq10, estimates, expert, latent, mix, sampled, settings, stock_sampled
from support.tensors import noise, relative

pytestmark = pytest.mark.usefixtures("as_the_host_runs_its_nodes")


class Frames(torch.nn.Module):
    """A network of video latents: one convolution over the frames, the sum of the text, the time."""
    dtype = torch.float32

    def __init__(self, seed, channels=16):
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.mix = torch.nn.Conv3d(channels, channels, 3, padding=1)
        self.text = torch.nn.Linear(768, channels)
        for parameter in self.parameters():
            parameter.data = torch.randn(parameter.shape, generator=generator) / parameter[0].numel() ** 0.5
        self.requires_grad_(False)

    def forward(self, x, timesteps, context=None, control=None, transformer_options={}, **kwargs):  # noqa: B006
        told = torch.tanh(self.text(context.mean(1)) + (timesteps / 500 - 1)[:, None])
        return torch.tanh(self.mix(x)) + told[:, :, None, None, None]


def video(seed, space):
    """A MODEL of Frames, a flow, in one of the host's latent spaces."""
    import comfy.latent_formats
    import comfy.model_base
    import comfy.model_patcher
    import comfy.supported_models_base
    config = comfy.supported_models_base.BASE({"disable_unet_model_creation": True})
    config.latent_format = getattr(comfy.latent_formats, space)()
    config.memory_usage_factor = 1.0
    config.sampling_settings = {"shift": 5.0}
    model = comfy.model_base.BaseModel(config, comfy.model_base.ModelType.FLOW)
    model.diffusion_model = Frames(seed)
    cpu = torch.device("cpu")
    return comfy.model_patcher.ModelPatcher(model, load_device=cpu, offload_device=cpu)


def clip(batch=1, frames=3, seed=None):
    """A LATENT of video: zeros, or noise of a seed."""
    shape = batch, 16, frames, 8, 8
    return {"samples": torch.zeros(shape) if seed is None else noise(seed, *shape)}


@pytest.mark.parametrize("space", ["HunyuanVideo", "Wan21"])
@pytest.mark.parametrize("denoise, masked, batch", [(1.0, False, 1), (0.5, False, 2), (0.6, True, 1)])
def test_one_video_expert_is_the_stock_ksampler(comfy, space, denoise, masked, batch):
    model, image = video(0, space), clip(batch, seed=None if denoise == 1.0 else 3)
    if masked:
        image["noise_mask"] = torch.zeros(3, 64, 64)
        image["noise_mask"][1, 16:, 8:] = 1.0
    run = settings(scheduler="simple", denoise=denoise, latent_image=image)
    ours = sampled(comfy, mix(comfy, [expert(comfy, model, 1, 3.0)]), **run)
    assert ours.shape == image["samples"].shape
    assert relative(ours, stock_sampled(comfy, model, 3.0, **run)) <= 2e-5


@pytest.mark.parametrize("frames", [1, 3, 6])
def test_masks_of_two_video_experts_are_frames(comfy, frames):
    """One mask for all, one for each latent frame, or one for each of more frames, averaged."""
    models = [video(i, "HunyuanVideo") for i in range(2)]
    weights = (2.0, 3.0)
    reliabilities = (0.25, 0.75)
    masks = [torch.rand(frames, 64, 64, generator=torch.Generator().manual_seed(i)) for i in range(2)]
    experts = [expert(comfy, models[i], i, weights[i], mask=masks[i]) for i in range(2)]
    x, t = clip(2, seed=3)["samples"], 0.6
    cells = [torch.nn.functional.avg_pool3d(m.double()[None, None], (max(1, frames // 3), 8, 8)) for m in masks]
    cells = [c.expand(1, 1, 3, 8, 8) for c in cells]
    total = 0.25 * cells[0] + 0.75 * cells[1]
    w = [weight * cell for weight, cell in zip(weights, cells, strict=True)]
    a = [reliability * cell / total for reliability, cell in zip(reliabilities, cells, strict=True)]
    wanted = eq10(*estimates(models, x, t), w, a)
    assert relative(ask(comfy, mix(comfy, experts, "1 3"), x, t), wanted) <= 2e-5


def test_an_empty_picture_becomes_a_video_of_one_frame_as_in_the_stock_sampler(comfy):
    model = video(0, "Wan21")
    run = settings(steps=2, scheduler="simple", denoise=1.0, latent_image=latent())
    ours = sampled(comfy, mix(comfy, [expert(comfy, model, 1, 3.0)]), **run)
    assert ours.shape == (1, 16, 1, 8, 8)
    assert relative(ours, stock_sampled(comfy, model, 3.0, **run)) <= 2e-5


def test_video_and_picture_spaces_do_not_mix(comfy, two_unets):
    with pytest.raises(ValueError, match="'movie'.*HunyuanVideo.*'still'.*SD15"):
        movie = expert(comfy, video(0, "HunyuanVideo"), 1, name="movie")
        mix(comfy, [expert(comfy, two_unets[0], 0, name="still"), movie])
