"""`dev.py train upsampler`: what it is trained on, and its file in the host."""
import numpy as np
import pytest
import torch
from torch.nn import functional as F

from support.mixtures import settings
from unite_and_conquer.training import cli, enlarging, upsampler
from unite_and_conquer.training.datasets import faces, scenes
from unite_and_conquer.training.spoiling import spoilt

pytestmark = pytest.mark.usefixtures("quick")


def test_a_large_drawing_is_the_small_one_enlarged():
    for draw, kind in ((faces.drawings, "halo"), (scenes.drawings, "together")):
        large, small = (torch.from_numpy(draw(kind, 3, 5, size)[0]).float().movedim(-1, 1) for size in (256, 64))
        assert (F.avg_pool2d(large, 4) - small).abs().mean() < 1.5              # of 255; edges are smoothed otherwise


def test_experts_pictures_take_the_tones_of_the_drawings_and_keep_their_specks():
    large = torch.full((1, 3, 256, 256), 100, dtype=torch.uint8)
    small = torch.full((1, 3, 64, 64), 140, dtype=torch.uint8)
    small[0, :, 30, 30] = 240
    got = enlarging.own_colours(large, small)[0].float()
    assert got[:, 0, 0].tolist() == [100, 100, 100]             # the other tone is gone
    assert got[0, 30, 30].item() == pytest.approx(100 + 100 - 100 / 49, abs=1)


def test_what_is_told_is_the_noise_that_was_added():
    low = torch.zeros(200, 3, 24, 24)
    pictures, told = spoilt(low, np.random.default_rng(0))
    spared = pictures.flatten(1).abs().amax(1) == 0
    assert 0.25 < spared.float().mean() < 0.5 and (told[spared] == 0).all()
    loud = told > 0.1                                           # more than all else that is done to a grey picture
    deviation = pictures.flatten(1).std(1)
    assert loud.sum() > 30 and torch.allclose(deviation[loud], told[loud], atol=0.05)
    again = spoilt(low, np.random.default_rng(0))
    assert torch.equal(pictures, again[0]) and torch.equal(told, again[1])


def test_a_batch_belongs_together():
    rng = np.random.default_rng(1)
    large = torch.from_numpy(rng.integers(0, 256, (3, 3, 256, 256), dtype=np.uint8))
    pairs = enlarging.Pairs(large, F.avg_pool2d(large.float(), 4).round().to(torch.uint8))
    x, low = upsampler.crops(pairs, rng)
    assert x.shape == (upsampler.BATCH, 3, upsampler.CROP, upsampler.CROP)
    assert torch.allclose(F.avg_pool2d(x, 4), low, atol=1.1 / 127.5)
    given = upsampler.batch(pairs, rng)
    later = given.sigma < upsampler.SIGMA_MAX
    off = (given.z - given.x).flatten(1).std(1)
    assert later.any() and torch.allclose(off[later], given.sigma[later], rtol=0.05)


def test_from_the_command_to_the_picture(comfy, tmp_path, monkeypatch):
    monkeypatch.setattr(upsampler, "look", lambda net, path: "not looked at")
    out = comfy.base / "models" / "experts" / "upsampler.safetensors"
    cli.main(["upsampler", "--minutes", "0.01", "--count", "12", "--work", str(tmp_path), "--out", str(out)])
    model, = comfy.call("LoadExpert", expert=out.name)
    out.unlink()
    assert sum(weight.numel() for weight in model.model.diffusion_model.state_dict().values()) < 3e6
    wires, = comfy.call("MapCondition", model=model, image=torch.rand(1, 8, 16, 3))
    with torch.inference_mode():
        drawn, = comfy.call("KSampler", model=model, positive=wires, negative=wires, cfg=1.0, denoise=1.0,
                            latent_image={"samples": torch.zeros(1, 3, 32, 64)}, **settings(1, 1))
    assert torch.isfinite(drawn["samples"]).all()
    state = torch.load(tmp_path / "upsampler" / "state.pt", weights_only=True)
    assert state["step"] >= 1 and state["design"] == "upsampler"
