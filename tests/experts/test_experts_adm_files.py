"""Ablated diffusion models as files: released shapes are known, and what a file does not tell is asked for."""
import pytest
import torch

from support import vectors
from support.openai_experts import answer, folder, load, recorded, same_shapes, state
from support.reference_unet import Reference

# The flags of guided-diffusion's README as constructor arguments, and what must be known of each released file.
README = {
    "64x64_diffusion": (
        {
            "model_channels": 192,
            "num_res_blocks": 3,
            "channel_mult": (1, 2, 3, 4),
            "attention_resolutions": (2, 4, 8),
            "num_classes": 1000,
        },
        {"num_head_channels": 64, "use_new_attention_order": True, "noise_schedule": "cosine"},
    ),
    "128x128_diffusion": (
        {
            "model_channels": 256,
            "num_res_blocks": 2,
            "channel_mult": (1, 1, 2, 3, 4),
            "attention_resolutions": (4, 8, 16),
            "num_classes": 1000,
        },
        {"num_heads": 4},
    ),
    "256x256_diffusion": (
        {
            "model_channels": 256,
            "num_res_blocks": 2,
            "channel_mult": (1, 1, 2, 2, 4, 4),
            "attention_resolutions": (8, 16, 32),
            "num_classes": 1000,
        },
        {"num_head_channels": 64},
    ),
    "256x256_diffusion_uncond": (
        {
            "model_channels": 256,
            "num_res_blocks": 2,
            "channel_mult": (1, 1, 2, 2, 4, 4),
            "attention_resolutions": (8, 16, 32),
        },
        {"num_head_channels": 64},
    ),
    "512x512_diffusion": (
        {
            "model_channels": 256,
            "num_res_blocks": 2,
            "channel_mult": (0.5, 1, 1, 2, 2, 4, 4),
            "attention_resolutions": (16, 32, 64),
            "num_classes": 1000,
        },
        {"num_head_channels": 64},
    ),
    "64_256_upsampler": (
        {
            "kind": "superres",
            "model_channels": 192,
            "num_res_blocks": 2,
            "channel_mult": (1, 1, 2, 2, 4, 4),
            "attention_resolutions": (8, 16, 32),
            "num_classes": 1000,
        },
        {"num_heads": 4},
    ),
    "128_512_upsampler": (
        {
            "kind": "superres",
            "model_channels": 192,
            "num_res_blocks": 2,
            "channel_mult": (1, 1, 2, 2, 4, 4),
            "attention_resolutions": (16, 32),
            "num_classes": 1000,
        },
        {"num_head_channels": 64},
    ),
}


@pytest.mark.parametrize("name", README)
def test_released_checkpoints_are_known_by_their_shapes(comfy, name):
    arguments, told = README[name]
    reference = Reference(**arguments, device="meta")
    size = 2 ** (len(arguments["channel_mult"]) - 1)
    inputs = {"x": torch.empty(1, 3, size, size, device="meta"), "t": torch.empty(1, device="meta")}
    if "num_classes" in arguments:
        inputs["y"] = torch.empty(1, dtype=torch.long, device="meta")
    if "kind" in arguments:
        inputs["low_res"] = torch.empty(1, 3, 1, 1, device="meta")
    reference(**inputs)
    adm, table = comfy.module("mcdm.experts.adm"), comfy.module("mcdm.experts.networks.openai_table").Table
    expected = {
        "noise_schedule": "linear",
        "diffusion_steps": 1000,
        "rescale_timesteps": False,
        "prediction": "eps",
        "use_new_attention_order": False,
    } | told
    shape = table.read(reference.state)
    assert adm.KNOWN[shape] == expected
    assert len(adm.KNOWN) == len(README)
    assert same_shapes(comfy, adm.ADM, shape, reference)


def test_heads_by_number_beside_the_file_overrule_a_known_shape(comfy):
    """A network of a released shape, trained anew with other heads."""
    pixel, config, table = (
        comfy.module(f"mcdm.experts.{name}") for name in ("pixel", "config", "networks.openai_table")
    )
    shape = table.Table(3, 6, 64, (64,), 1, (True,), "resblock", True)
    for told, heads in (
        ({}, 2),
        ({"num_heads": 4}, 4),
        ({"num_head_channels": 8}, 8),
        ({"num_heads": 4, "num_head_channels": 8}, 8),
    ):
        assert pixel.with_heads(shape, config.Config({}, told), {"num_head_channels": 32}).heads(64) == heads
    assert pixel.with_heads(shape, config.Config({}, {"num_head_channels": 16}), {"num_heads": 2}).heads(64) == 4


@pytest.mark.parametrize(
    "key", ["num_head_channels", "use_new_attention_order", "noise_schedule", "diffusion_steps", "prediction"]
)
def test_a_choice_that_nobody_made_is_named(comfy, key):
    with pytest.raises(ValueError, match=key):
        recorded(comfy, "adm_classcond", "adm", num_heads=None, **{key: None})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"num_head_channels": 48}, "num_head_channels 48"),
        ({"num_head_channels": -1, "num_heads": 5}, "num_heads 5"),
        ({"learn_sigma": False}, "learn_sigma"),
        ({"noise_schedule": "sigmoid"}, "noise_schedule"),
        ({"num_head_channels": 0}, "num_head_channels 0"),
    ],
)
def test_an_impossible_choice_is_named(comfy, changes, words):
    with pytest.raises(ValueError, match=words):
        recorded(comfy, "adm_classcond", "adm", **changes)


def test_six_channels_without_classes_need_a_family(comfy):
    with pytest.raises(ValueError, match="unc_sketch or adm_superres"):
        recorded(comfy, "unc_sketch", None)
    case = vectors.cases("unc_sketch")["case1"]
    sketch, upsampler = (
        recorded(comfy, "unc_sketch", family, use_new_attention_order=False)
        for family in ("unc_sketch", "adm_superres")
    )
    torch.testing.assert_close(
        answer(sketch, case["x"], case["t"], sketch=case["sketch"]),
        answer(upsampler, case["x"], case["t"], low_res=case["sketch"]),
    )


def test_a_damaged_network_is_refused_with_its_first_keys(comfy):
    from safetensors.torch import save_file
    for change in ("missing", "left over"):
        path = vectors.place("adm_classcond", folder(comfy), family="adm")
        weights = state("adm_classcond")
        if change == "missing":
            del weights["input_blocks.1.0.in_layers.2.bias"]
        else:
            weights["input_blocks.9.0.in_layers.2.bias"] = torch.zeros(3)
        save_file(weights, path)
        with pytest.raises(ValueError, match=rf"{change}.*: input_blocks.[19].0.in_layers.2.bias"):
            load(comfy, path)
