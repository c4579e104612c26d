"""`dev.py train autoencoder` and `dev.py train latent_text`: a latent space, and an expert in it."""
import dataclasses
import functools
import signal

import pytest
import torch

from support.mixtures import sampled, settings
from unite_and_conquer.mcdm.experts.networks.autoencoder import read_autoencoder
from unite_and_conquer.mcdm.experts.networks.embedded import SIGMA_DATA
from unite_and_conquer.training import autoencoder, cli, preview_sheets
from unite_and_conquer.training.datasets import drawn
from unite_and_conquer.training.datasets.dataset import normalize


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A folder with a few drawings, and an autoencoder trained on them for a second."""
    folder, threads = tmp_path_factory.mktemp("latents"), torch.get_num_threads()
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    cli.main(["autoencoder", "--minutes", "0.02", "--count", "12", "--work", str(folder),
              "--out", str(folder / "drawings.safetensors")])
    yield folder
    signal.signal(signal.SIGINT, handler)
    torch.set_num_threads(threads)


def test_the_latent_has_the_size_that_experts_expect(work):
    pictures, _ = drawn.fine_faces(12, work)
    net = read_autoencoder(work / "drawings.safetensors")
    latents = net.encode(normalize(pictures))
    assert latents.shape == (12, 4, 32, 32)
    torch.testing.assert_close(latents.mean((0, 2, 3)), torch.zeros(4), atol=0.01, rtol=0)
    torch.testing.assert_close(latents.std((0, 2, 3)), torch.full((4,), SIGMA_DATA), atol=0.01, rtol=0)


def test_the_new_scale_changes_no_picture():
    torch.manual_seed(0)
    net = autoencoder.Autoencoder()
    pictures = torch.randint(0, 256, (4, 3, 64, 64), dtype=torch.uint8)
    before = net.decode(net.encode(normalize(pictures)))
    autoencoder.standardize(net, pictures)
    after = net.decode(net.encode(normalize(pictures)))
    rim = 4 * (1 + 2 * 4 + 2)       # as far as the padding of the first convolution reaches
    assert rim < 64 and torch.allclose(after[..., rim:-rim, rim:-rim], before[..., rim:-rim, rim:-rim], atol=1e-5)


def test_an_expert_in_latents_from_the_command_to_the_node(comfy, work, monkeypatch):
    monkeypatch.setattr(preview_sheets, "euler", lambda net, noise, **condition: noise)
    latents = functools.partial(drawn.face_latents, work / "drawings.safetensors")
    recipe = dataclasses.replace(cli.RECIPES["latent_text"], datasets=(latents,))
    monkeypatch.setitem(cli.RECIPES, "latent_text", recipe)
    out = comfy.base / "models" / "experts" / "latent.safetensors"
    cli.main(["latent_text", "--steps", "2", "--count", "12", "--work", str(work), "--out", str(out)])
    model, = comfy.call("LoadExpert", expert=out.name)
    out.unlink()
    assert type(model.get_model_object("latent_format")).__name__ == "Drawings"
    words, = comfy.call("TextCondition", model=model, text="red hair, glasses")
    expert, = comfy.call("ConditionExpert", model=model, condition=words, weight=2.0)
    mixture, = comfy.call("ReliabilityMixer", expert_1=expert)
    latent, = comfy.call("EmptyExpertLatent", mixture=mixture, width=drawn.FINE, height=drawn.FINE)
    with torch.inference_mode():
        drawing = sampled(comfy, mixture, **settings(0, 2, scheduler="karras", latent_image=latent))
    assert drawing.shape == (1, 4, 32, 32) and torch.isfinite(drawing).all()
