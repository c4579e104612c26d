"""Ablated diffusion models and their upsamplers against the recorded vectors.

Networks of other shapes are compared with a second implementation.
"""
import logging

import pytest
import torch

from support import vectors
from support.mixtures import custom_sampled, mix
from support.openai_experts import (
    answer,
    check_recorded,
    denoised,
    draw,
    folder,
    invented,
    load,
    recorded,
    same_shapes,
    state,
)
from support.reference_unet import Reference
from support.tensors import noise, relative

NETWORKS = [
    ("adm_classcond", "adm"),
    ("adm_oldorder_classcond", "adm"),
    ("adm_oldorder_uncond", "adm"),
    ("adm_superres", "adm_superres"),
]
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
OTHERS = [  # (constructor arguments, sidecar, size of the picture)
    (
        {
            "model_channels": 64,
            "num_classes": None,
            "out_channels": 3,
            "num_heads": 2,
            "resblock_updown": False,
            "use_scale_shift_norm": False,
        },
        {"num_head_channels": -1, "num_heads": 2, "use_new_attention_order": False},
        (16, 24),
    ),
    (
        {
            "model_channels": 64,
            "channel_mult": (0.5, 1, 2),
            "num_res_blocks": 2,
            "attention_resolutions": (1, 4),
            "num_classes": 7,
            "num_head_channels": 8,
            "use_new_attention_order": True,
        },
        {"num_head_channels": 8, "use_new_attention_order": True, "noise_schedule": "cosine"},
        (8, 20),
    ),
    (
        {
            "channel_mult": (2, 1, 3),
            "num_res_blocks": 1,
            "attention_resolutions": (),
            "num_heads": 4,
            "resblock_updown": False,
            "conv_resample": False,
        },
        {"num_head_channels": -1, "num_heads": 4, "use_new_attention_order": False},
        (12, 8),
    ),
    (
        {
            "channel_mult": (2,),
            "num_res_blocks": 3,
            "attention_resolutions": (1,),
            "num_heads": 2,
            "use_new_attention_order": True,
            "num_classes": 3,
        },
        {"num_head_channels": -1, "num_heads": 2, "use_new_attention_order": True},
        (7, 5),
    ),
    (
        {"num_res_blocks": 0, "num_head_channels": 32, "num_classes": 2},
        {"num_head_channels": 32, "use_new_attention_order": False},
        (8, 8),
    ),
]


@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
@pytest.mark.parametrize(("network", "family"), NETWORKS)
def test_recorded_vectors(comfy, network, family, suffix):
    check_recorded(recorded(comfy, network, family, suffix=suffix), network)


@pytest.mark.parametrize(("network", "family"), NETWORKS)
def test_the_second_implementation_against_the_recorded_vectors(network, family):
    """So that it may judge the networks below."""
    told, meta = vectors.cases(network), vectors.meta(network)
    reference = Reference(
        "superres" if family == "adm_superres" else "adm", state=state(network), **meta["constructor_kwargs"]
    )
    for case in told.values():
        conditions = {k: case[k] for k in ("y", "low_res") if k in case}
        torch.testing.assert_close(
            reference(case["x"], case["t"], **conditions).float(),
            case["out"],
            rtol=0,
            atol=meta["tolerance"]["recommended_atol"],
        )


@pytest.mark.parametrize(("arguments", "sidecar", "size"), OTHERS)
def test_other_shapes_and_sizes(comfy, arguments, sidecar, size):
    inputs = draw(size=size)
    if arguments.get("num_classes"):
        inputs["y"] = torch.tensor([1, 0])
    model, want = invented(comfy, Reference(**arguments), inputs, **sidecar)
    assert relative(answer(model, **inputs), want) < 1e-5


@pytest.mark.parametrize(
    ("classes", "size", "small"), [(5, (16, 16), (4, 4)), (None, (16, 24), (4, 6)), (None, (16, 16), (5, 16))]
)
def test_upsamplers_of_other_shapes_with_and_without_classes(comfy, classes, size, small):
    inputs = {**draw(size=size), "low_res": noise(9, 2, 3, *small)} | ({"y": torch.tensor([4, 2])} if classes else {})
    reference = Reference("superres", num_classes=classes, num_head_channels=16)
    model, want = invented(comfy, reference, inputs, family="adm_superres", use_new_attention_order=False)
    assert relative(answer(model, **inputs), want) < 1e-5


@pytest.mark.parametrize(("dtype", "most"), [("float16", 4e-3), ("bfloat16", 3e-2), ("fp8_e4m3fn", 0.3)])
@pytest.mark.parametrize(("network", "family"), NETWORKS)
def test_smaller_number_types(comfy, network, family, dtype, most):
    """Weights in the type; computed in the host's choice, and in half precision itself."""
    model, case = recorded(comfy, network, family, dtype), vectors.cases(network)["case1"]
    conditions = {k: case[k] for k in ("y", "low_res") if k in case}
    want = case["out"][:, :3]
    assert relative(answer(model, case["x"], case["t"], **conditions)[:, :3], want) < most
    if dtype != "fp8_e4m3fn":
        half = case["x"].to(getattr(torch, dtype))
        assert relative(answer(model, half, case["t"], **conditions)[:, :3], want) < 2 * most


@pytest.mark.parametrize(("network", "family"), NETWORKS)
def test_a_row_does_not_depend_on_its_neighbours(comfy, network, family):
    model, case = recorded(comfy, network, family), vectors.cases(network)["mixed_t"]
    inputs = {k: v for k, v in case.items() if k in ("x", "t", "y", "low_res")}
    both = answer(model, **inputs)
    for i in range(2):
        torch.testing.assert_close(
            answer(model, **{k: v[i : i + 1] for k, v in inputs.items()}), both[i : i + 1], rtol=0, atol=1e-5
        )


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


def test_a_size_that_cannot_be_halved_is_refused_in_words(comfy):
    with pytest.raises(ValueError, match="multiples of 4, not 18 x 16"):
        answer(recorded(comfy, "adm_oldorder_uncond", "adm"), **draw(size=(16, 18)))


def test_rescaled_time_and_another_number_of_steps(comfy):
    """250 steps, rescaled: the network is given t * 4; the schedule's betas are four times as large."""
    inputs = draw(t=(40.0, 1000 - 4.0))
    reference = Reference(num_head_channels=16)
    model, want = invented(
        comfy, reference, inputs, diffusion_steps=250, rescale_timesteps=True, use_new_attention_order=False
    )
    acp = (1 - torch.linspace(4e-4, 0.08, 250, dtype=torch.float64)).cumprod(0)[[10, 249]]
    sigma = ((1 - acp) / acp).sqrt()[:, None, None, None]
    got = denoised(model, inputs["x"], torch.tensor([10.0, 249.0]))
    assert relative(got, inputs["x"].double() * (1 + sigma ** 2).sqrt() - sigma * want[:, :3]) < 1e-4


def test_class_condition_gives_the_index(comfy):
    model = recorded(comfy, "adm_classcond", "adm")
    conditions = comfy.module("mcdm.experts.modality").CONDITION
    for label in ("7", " 7 ", 7):
        y = comfy.call("ClassCondition", model=model, label=label)[0][0][1][conditions]["y"]
        assert y.dtype == torch.int64 and y.tolist() == [7]
    for label in ("20", "-1", "tench", "1.5", "9" * 30, ""):
        with pytest.raises(ValueError, match="from 0 to 19"):
            comfy.call("ClassCondition", model=model, label=label)


def test_imagenet_classes_by_name(comfy):
    arguments = {"num_classes": 1000, "num_head_channels": 16}
    model, _ = invented(
        comfy, Reference(**arguments), {**draw(), "y": torch.tensor([1, 2])}, use_new_attention_order=False
    )
    conditions = comfy.module("mcdm.experts.modality").CONDITION
    assert comfy.call("ClassCondition", model=model, label="Golden Retriever")[0][0][1][conditions]["y"].tolist() == [
        207
    ]
    with pytest.raises(ValueError, match="from 0 to 999 or a name such as tench"):
        comfy.call("ClassCondition", model=model, label="unicorn")


def condition(comfy, model, label="3"):
    return comfy.call("ClassCondition", model=model, label=label)[0]


def test_no_trained_null_is_class_0_and_said_once(comfy, caplog):
    model, x = recorded(comfy, "adm_classcond", "adm"), noise(1, 2, 3, 16, 16)
    with caplog.at_level(logging.INFO):
        experts = [
            comfy.call("ConditionExpert", model=model, condition=condition(comfy, model), weight=3.0)[0]
            for _ in range(2)
        ]
        got = custom_sampled(comfy, mix(comfy, experts[:1]), "euler", [2.0, 0.0], x)
    said = [r.message for r in caplog.records if "without a null condition" in r.message]
    assert len(said) == 1 and "class 0" in said[0]
    sigma, y = torch.full((2,), 2.0), torch.tensor([3, 3])
    with torch.no_grad():
        wish, null = (model.model.apply_model(2.0 * x, sigma, y=labels) for labels in (y, 0 * y))
    assert relative(got, null + 3.0 * (wish - null)) < 1e-5


def test_an_unconditional_expert_needs_no_condition_and_serves_as_the_null(comfy):
    model = recorded(comfy, "adm_oldorder_classcond", "adm")
    plain = recorded(comfy, "adm_oldorder_uncond", "adm")
    x = noise(2, 1, 3, 16, 16)
    wish = comfy.call("ConditionExpert", model=model, condition=condition(comfy, model, "5"), weight=4.0)[0]
    null = comfy.call("ConditionExpert", model=plain, weight=0.0)[0]
    got = custom_sampled(comfy, mix(comfy, [wish, null], "0, 1"), "euler", [2.0, 0.0], x)
    sigma = torch.full((1,), 2.0)
    with torch.no_grad():
        d, e = model.model.apply_model(2.0 * x, sigma, y=torch.tensor([5])), plain.model.apply_model(2.0 * x, sigma)
    assert relative(got, e + 4.0 * (d - e)) < 1e-5
    with pytest.raises(ValueError, match="no condition"):
        comfy.call("ConditionExpert", model=model)


def test_the_null_of_an_upsampler_keeps_the_picture(comfy):
    model = recorded(comfy, "adm_superres", "adm_superres")
    x = noise(3, 2, 3, 16, 16)
    low_res = torch.rand(1, 4, 4, 3)
    alone = comfy.call("ClassCondition", model=model, label="6")[0]
    with pytest.raises(ValueError, match="low resolution"):
        comfy.call("ConditionExpert", model=model, condition=alone)
    both = comfy.call("MapCondition", model=model, modality="low resolution", image=low_res, condition=alone)[0]
    expert = comfy.call("ConditionExpert", model=model, condition=both, weight=2.5)[0]
    got = custom_sampled(comfy, mix(comfy, [expert]), "euler", [1.5, 0.0], x)
    small = (2 * low_res.movedim(-1, 1) - 1).expand(2, -1, -1, -1)
    sigma, y = torch.full((2,), 1.5), torch.tensor([6, 6])
    with torch.no_grad():
        wish, null = (model.model.apply_model(1.5 * x, sigma, y=labels, low_res=small) for labels in (y, 0 * y))
    assert relative(got, null + 2.5 * (wish - null)) < 1e-5


def test_learned_variance_is_kept_for_who_asks(comfy):
    model, case = recorded(comfy, "adm_classcond", "adm"), vectors.cases("adm_classcond")["case1"]
    kept: list = []
    sigma = model.model.model_sampling.sigma(case["t"].float())
    with torch.no_grad():
        model.model.apply_model(case["x"] * (1 + sigma[:, None, None, None] ** 2).sqrt(), sigma, y=case["y"],
                                transformer_options={"mcdm_learned_variance": kept, "cond_or_uncond": [0, 0]})
    (marks, variance), = kept
    assert marks == [0, 0]
    torch.testing.assert_close(variance, case["out"][:, 3:], rtol=0, atol=1e-4)


def test_weight_patches_by_the_reference_s_keys(comfy):
    model, case = recorded(comfy, "adm_classcond", "adm"), vectors.cases("adm_classcond")["case1"]
    key = "middle_block.1.qkv.weight"
    down = noise(4, 2, 64)
    up = noise(5, 192, 2)
    patched = model.clone()
    assert patched.add_patches({f"diffusion_model.{key}": ("diff", ((up @ down)[:, :, None],))}, 0.05)
    import comfy.model_management as management
    management.load_models_gpu([patched])
    got = answer(patched, case["x"], case["t"], y=case["y"])
    patched.detach()
    weights = state("adm_classcond")
    weights[key] = weights[key] + 0.05 * (up @ down)[:, :, None]
    want = Reference(state=weights, **vectors.meta("adm_classcond")["constructor_kwargs"])(
        case["x"], case["t"], y=case["y"]
    )
    assert relative(got, want) < 1e-4
    assert relative(got, case["out"]) > 1e-3


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
