"""The embedded upsampler's family, with random weights: against float64, and as an ordinary thing of the host."""
import math

import pytest
import torch
from torch.nn import functional as F

from support.mixtures import custom_sampled, mix, sampled, settings
from support.openai_experts import folder, load, recorded
from support.tensors import noise, relative
from unite_and_conquer.mcdm.experts.networks.upsampler import Upsampler
from unite_and_conquer.mcdm.experts.quantize import quantize
from unite_and_conquer.training.expert_file import write_expert
from unite_and_conquer.training.upsampler import metadata

pytestmark = pytest.mark.usefixtures("as_the_host_runs_its_nodes")
SIGMA_DATA = 0.6


def invented(comfy, seed, width=32, blocks=2):
    """The MODEL of a tiny upsampler of random weights, stored in 8 bits, and its weights as they are stored."""
    net = Upsampler(width, blocks)
    weights = {}
    for i, (name, weight) in enumerate(net.state_dict().items()):
        weights[name] = 0.1 * noise(1000 * seed + i, *weight.shape)
    path = folder(comfy) / "upsampler.safetensors"
    write_expert(path, weights, metadata(1, "no command"))
    stored = quantize(weights)
    kept = {}
    for name in weights:
        kept[name] = stored[name].double()
        if f"{name}.scale" in stored:
            kept[name] = (kept[name].float() * stored[f"{name}.scale"].view(-1, 1, 1, 1)).half().double()
    return load(comfy, path), kept


def by_hand(weights, x, sigma, low, augmentation):
    """D of one noise level in float64, with loops instead of shuffles. x: [1, 3, H, W], low: [1, 3, H / 4, W / 4]."""
    x, low = x.double(), low.double()

    def conv(name, h):
        return F.conv2d(h, weights[f"{name}.weight"], weights[f"{name}.bias"], padding=1)

    def linear(name, h):
        return weights[f"{name}.weight"] @ h + weights[f"{name}.bias"]

    levels = []
    for number in (math.log(sigma) / 4, augmentation / 0.25):
        angles = [math.pi * number * 2 ** (-2 + 4 * k / 7) for k in range(8)]
        levels += [math.cos(angle) for angle in angles] + [math.sin(angle) for angle in angles]
    emb = F.silu(linear("level_mlp.2", F.silu(linear("level_mlp.0", torch.tensor(levels, dtype=torch.float64)))))
    scaled = x / math.sqrt(sigma ** 2 + SIGMA_DATA ** 2)
    cells = [scaled[:, c, i::4, j::4] for c in range(3) for i in range(4) for j in range(4)]
    h = conv("stem", torch.cat([torch.stack(cells, 1), low], 1))
    blocks = sum(name.endswith("conv1.weight") for name in weights)
    for k in range(blocks):
        scale, shift = linear(f"blocks.{k}.film", emb)[None, :, None, None].chunk(2, 1)
        inner = conv(f"blocks.{k}.conv1", F.silu(h)) * (1 + scale) + shift
        h = h + conv(f"blocks.{k}.conv2", F.silu(inner))
    head = conv("head", F.silu(h))
    out = F.interpolate(low, scale_factor=4, mode="bicubic", align_corners=False)
    for c in range(3):
        for i in range(4):
            for j in range(4):
                out[:, c, i::4, j::4] += head[:, 16 * c + 4 * i + j]
    return out


def condition(comfy, model, low, augmentation=0.0):
    """The CONDITIONING of a small picture [1, 3, h, w] in [-1, 1]."""
    return comfy.call("MapCondition", model=model, image=low.movedim(1, -1) / 2 + 0.5,
                      noise_augmentation=augmentation)[0]


def small(seed, height=6, width=8):
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def told(comfy, wires):
    """What a CONDITIONING holds for the network."""
    return wires[0][1][comfy.module("mcdm.experts.modality").CONDITION]


def test_it_is_what_float64_gives_from_the_8_bits_of_its_file(comfy):
    model, weights = invented(comfy, 1)
    x, low = noise(3, 1, 3, 24, 32), small(4)
    for sigma, augmentation in ((1.9, 0.0), (0.05, 0.2)):
        wires = condition(comfy, model, low, augmentation)
        seen = told(comfy, wires)
        d = custom_sampled(comfy, mix(comfy, [comfy.call("ConditionExpert", model=model, condition=wires)[0]]), "euler",
                           [sigma, 0.0], x)
        assert relative(d, by_hand(weights, sigma * x, sigma, seen["low_res"], augmentation)) < 1e-5


def test_noise_is_added_to_the_small_picture_and_told(comfy):
    model, _ = invented(comfy, 1)
    low = small(4, 64, 64)
    kept, changed = (told(comfy, condition(comfy, model, low, level)) for level in (0.0, 0.2))
    assert torch.allclose(kept["low_res"], low, atol=1e-6) and "augmentation" not in kept
    assert abs(float((changed["low_res"] - low).std()) - 0.2) < 0.01
    assert float(changed["augmentation"]) == pytest.approx(0.2)
    again = told(comfy, condition(comfy, model, low, 0.2))
    assert torch.equal(changed["low_res"], again["low_res"])
    released = recorded(comfy, "adm_superres", "adm_superres")
    with pytest.raises(ValueError, match="noise_augmentation of 0.2, but only the embedded upsampler .* set it to 0"):
        condition(comfy, released, low, 0.2)


def test_any_multiple_of_four_and_no_other_size(comfy):
    model, _ = invented(comfy, 1)
    low = small(5)
    for height, width in ((24, 32), (32, 12), (4, 4)):
        latent = {"samples": torch.zeros(1, 3, height, width)}
        wires = condition(comfy, model, low)
        drawn, = comfy.call("KSampler", model=model, positive=wires, negative=wires, cfg=1.0, denoise=1.0,
                            latent_image=latent, **settings(1, 2))
        assert drawn["samples"].shape == (1, 3, height, width) and torch.isfinite(drawn["samples"]).all()
    with pytest.raises(ValueError, match="multiples of 4 pixels, not 30 x 24"):
        comfy.call("KSampler", model=model, positive=wires, negative=wires, cfg=1.0, denoise=1.0,
                   latent_image={"samples": torch.zeros(1, 3, 24, 30)}, **settings(1, 2))


def test_a_tile_is_the_whole_picture_inside(comfy):
    model, _ = invented(comfy, 2)
    x, low = noise(6, 1, 3, 96, 96), small(7, 24, 24)
    sigma = torch.ones(1)
    whole = model.model.apply_model(x, sigma, low_res=low)
    tile = model.model.apply_model(x[..., 16:80, 16:80], sigma, low_res=low[..., 4:20, 4:20])
    rim = 4 * (1 + 2 * 2 + 1)                                   # a cell for each convolution in a row
    assert relative(tile[..., rim:-rim, rim:-rim], whole[..., 16 + rim:80 - rim, 16 + rim:80 - rim]) < 1e-5
    assert relative(tile, whole[..., 16:80, 16:80]) > 1e-3      # at its border it lacks what lies around


def test_alone_it_is_the_stock_ksampler_bit_for_bit(comfy):
    model, _ = invented(comfy, 1)
    wires = condition(comfy, model, small(8))
    run = settings(5, 3, latent_image={"samples": noise(9, 1, 3, 24, 32)})
    stock, = comfy.call("KSampler", model=model, positive=wires, negative=wires, cfg=1.0, denoise=1.0, **run)
    one = mix(comfy, [comfy.call("ConditionExpert", model=model, condition=wires)[0]])
    assert torch.equal(sampled(comfy, one, **run), stock["samples"])


def test_it_unites_with_another_upsampler_and_with_a_pixel_expert_under_a_mask(comfy):
    (first, ours), (second, theirs) = invented(comfy, 1), invented(comfy, 2)
    x, low, sigma = noise(10, 1, 3, 24, 32), small(11), 1.5
    a = comfy.call("ConditionExpert", model=first, condition=condition(comfy, first, low), weight=1.0)[0]
    b = comfy.call("ConditionExpert", model=second, condition=condition(comfy, second, low), weight=2.0)[0]
    fused = custom_sampled(comfy, mix(comfy, [a, b], "1 3"), "euler", [sigma, 0.0], x)
    d, e = (by_hand(weights, sigma * x, sigma, low, 0.0) for weights in (ours, theirs))
    assert relative(fused, d + 2 * e - 2 * (0.25 * d + 0.75 * e)) < 1e-5         # eq. 10; a null keeps the picture

    plain = recorded(comfy, "adm_oldorder_uncond", "adm")
    left = torch.zeros(1, 24, 32)
    left[..., :16] = 1.0
    ours_left = comfy.call("ConditionExpert", model=first, condition=condition(comfy, first, low), mask=left)[0]
    other_right = comfy.call("ConditionExpert", model=plain, mask=1 - left)[0]
    halves = custom_sampled(comfy, mix(comfy, [ours_left, other_right]), "euler", [sigma, 0.0], x)
    other = plain.model.apply_model(sigma * x, torch.full((1,), sigma))
    assert relative(halves, torch.where(left[:, None] > 0, d.float(), other)) < 1e-5


def test_the_stored_weights_are_within_half_a_step_of_8_bits():
    weight = noise(12, 96, 96, 3, 3)
    stored = quantize({"w": weight})
    steps = stored["w.scale"].view(-1, 1, 1, 1)
    assert torch.allclose(weight.flatten(1).abs().amax(1) / 127, stored["w.scale"])
    assert ((stored["w"] * steps - weight).abs() <= 0.5001 * steps).all()
