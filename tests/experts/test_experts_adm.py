"""Ablated diffusion models and their upsamplers against the recorded vectors.

Networks of other shapes are compared with a second implementation.
"""
import pytest
import torch

from support import vectors
from support.openai_experts import answer, check_recorded, denoised, draw, invented, recorded, state
from support.reference_unet import Reference
from support.tensors import noise, relative

NETWORKS = [
    ("adm_classcond", "adm"),
    ("adm_oldorder_classcond", "adm"),
    ("adm_oldorder_uncond", "adm"),
    ("adm_superres", "adm_superres"),
]
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
