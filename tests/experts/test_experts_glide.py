"""GLIDE against the recorded vectors.

Networks of other shapes are compared with a second implementation.
"""
import pytest
import torch

from support import vectors
from support.glide_experts import TEXT, prompt
from support.openai_experts import answer, check_recorded, draw, folder, invented, load, recorded, same_shapes, state
from support.reference_unet import Reference
from support.tensors import noise, relative

NETWORKS = [("glide_base", "glide"), ("glide_upsampler", "glide_upsampler")]
INPUTS = ("x", "t", "tokens", "mask", "low_res")
OTHERS = [  # (family, constructor arguments, sidecar)
    (
        "glide",
        {
            "kind": "glide",
            "model_channels": 64,
            "channel_mult": (1, 1, 2),
            "attention_resolutions": (1, 4),
            "num_head_channels": 32,
        },
        {"num_head_channels": 32},
    ),
    (
        "glide",
        {
            "kind": "glide",
            "xf_final_ln": False,
            "xf_padding": False,
            "xf_heads": 1,
            "use_scale_shift_norm": False,
            "num_res_blocks": 2,
        },
        {"xf_heads": 1},
    ),
    (
        "glide",
        {"kind": "glide", "num_head_channels": -1, "num_heads": 8, "xf_layers": 0, "out_channels": 3},
        {"num_head_channels": -1, "num_heads": 8},
    ),
    ("glide", {"kind": "glide_inpaint"}, {}),
    ("glide_upsampler", {"kind": "glide_superres", "resblock_updown": False, "attention_resolutions": ()}, {}),
]


@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
@pytest.mark.parametrize(("network", "family"), NETWORKS)
def test_recorded_vectors(comfy, network, family, suffix):
    check_recorded(recorded(comfy, network, family, suffix=suffix), network)


@pytest.mark.parametrize(("network", "family"), NETWORKS)
def test_the_text_encoder(comfy, network, family):
    model = recorded(comfy, network, family)
    for case in vectors.cases(network).values():
        with torch.no_grad():
            text, emb = model.model.diffusion_model.encode(case["tokens"], case["mask"], case["x"])
        torch.testing.assert_close(text, case["xf_out"], rtol=0, atol=2e-5)
        torch.testing.assert_close(emb, case["xf_proj"], rtol=0, atol=2e-5)


@pytest.mark.parametrize(("network", "family"), NETWORKS)
def test_the_second_implementation_against_the_recorded_vectors(network, family):
    meta = vectors.meta(network)
    reference = Reference(
        "glide_superres" if family == "glide_upsampler" else "glide", state=state(network), **meta["constructor_kwargs"]
    )
    for case in vectors.cases(network).values():
        want = reference(**{k: v for k, v in case.items() if k in INPUTS})
        torch.testing.assert_close(want.float(), case["out"], rtol=0, atol=meta["tolerance"]["recommended_atol"])


@pytest.mark.parametrize(("family", "arguments", "sidecar"), OTHERS)
def test_other_shapes_and_sizes(comfy, family, arguments, sidecar):
    inputs = {**draw(size=(16, 24)), **prompt()}
    if arguments["kind"] == "glide_superres":
        inputs["low_res"] = noise(6, 2, 3, 4, 6)
    if arguments["kind"] == "glide_inpaint":
        inputs |= {"inpaint_image": noise(7, 2, 3, 16, 24), "inpaint_mask": (noise(8, 2, 1, 16, 24) > 0).float()}
    model, want = invented(comfy, Reference(**TEXT | arguments), inputs, **{"xf_heads": 8, "family": family} | sidecar)
    assert relative(answer(model, **inputs), want) < 1e-5


@pytest.mark.parametrize(("dtype", "most"), [("float16", 4e-3), ("bfloat16", 3e-2), ("fp8_e4m3fn", 0.3)])
@pytest.mark.parametrize(("network", "family"), NETWORKS)
def test_smaller_number_types(comfy, network, family, dtype, most):
    model, case = recorded(comfy, network, family, dtype), vectors.cases(network)["long_prompt"]
    inputs = {k: v for k, v in case.items() if k in INPUTS}
    assert relative(answer(model, **inputs)[:, :3], case["out"][:, :3]) < most
    if dtype != "fp8_e4m3fn":
        half = inputs | {"x": inputs["x"].to(getattr(torch, dtype))}
        assert relative(answer(model, **half)[:, :3], case["out"][:, :3]) < 2 * most


@pytest.mark.parametrize(("network", "family"), NETWORKS)
def test_a_row_does_not_depend_on_its_neighbours(comfy, network, family):
    """Nor does a prompt on the one before it."""
    model = recorded(comfy, network, family)
    for case in vectors.cases(network).values():
        for i in (1, 0):
            alone = answer(model, **{k: v[i:i + 1] for k, v in case.items() if k in INPUTS})
            torch.testing.assert_close(alone, case["out"][i:i + 1], rtol=0, atol=2e-5)


@pytest.mark.parametrize("key", ["num_head_channels", "xf_heads", "noise_schedule"])
def test_a_choice_that_nobody_made_is_named(comfy, key):
    with pytest.raises(ValueError, match=key):
        recorded(comfy, "glide_base", "glide", **{key: None})
    for heads in (3, 0, -4):
        with pytest.raises(ValueError, match=f"xf_heads {heads}"):
            recorded(comfy, "glide_base", "glide", xf_heads=heads)


@pytest.mark.parametrize(
    ("kind", "depth", "mult", "attention", "schedule"),
    [
        ("glide", 3, (1, 2, 3, 4), (2, 4, 8), "squaredcos_cap_v2"),
        ("glide_inpaint", 3, (1, 2, 3, 4), (2, 4, 8), "squaredcos_cap_v2"),
        ("glide_superres", 2, (1, 1, 2, 2, 4, 4), (8, 16, 32), "linear"),
    ],
)
def test_released_checkpoints_are_known_by_their_shapes(comfy, kind, depth, mult, attention, schedule):
    """glide_text2im/model_creation.py, model_and_diffusion_defaults and model_and_diffusion_defaults_upsampler."""
    reference = Reference(
        kind,
        model_channels=192,
        num_res_blocks=depth,
        channel_mult=mult,
        attention_resolutions=attention,
        num_head_channels=64,
        text_ctx=128,
        xf_width=512,
        xf_layers=16,
        xf_heads=8,
        n_vocab=50257,
        device="meta",
    )
    size = 2 ** (len(mult) - 1)
    inputs = {
        "tokens": torch.empty(1, 128, dtype=torch.long, device="meta"),
        "mask": torch.empty(1, 128, dtype=torch.bool, device="meta"),
        "x": torch.empty(1, 3, size, size, device="meta"),
        "t": torch.empty(1, device="meta"),
    }
    inputs |= {"low_res": inputs["x"]} if kind == "glide_superres" else {}
    inputs |= {"inpaint_image": inputs["x"], "inpaint_mask": inputs["x"][:, :1]} if kind == "glide_inpaint" else {}
    reference(**inputs)
    glide, table = comfy.module("mcdm.experts.glide"), comfy.module("mcdm.experts.networks.openai_table").Table
    shape, text = table.read(reference.state), glide.TextTable.read(reference.state)
    assert glide.KNOWN[shape, text] == {
        "num_head_channels": 64,
        "xf_heads": 8,
        "noise_schedule": schedule,
        "diffusion_steps": 1000,
        "rescale_timesteps": False,
        "prediction": "eps",
    }
    assert same_shapes(comfy, glide.GlideUNet, shape, reference, text=text)


def test_the_inpainting_network_keeps_what_is_known(comfy):
    inputs = {
        **draw(),
        **prompt(),
        "inpaint_image": noise(7, 2, 3, 16, 16),
        "inpaint_mask": (noise(8, 2, 1, 16, 16) > 0).float(),
    }
    model, _ = invented(comfy, Reference("glide_inpaint", **TEXT), inputs, family="glide", xf_heads=8)
    key = comfy.module("mcdm.experts.modality").CONDITION
    image, paint = torch.rand(1, 16, 16, 3), torch.zeros(1, 16, 16)
    paint[:, :, 8:] = 1.0
    condition = comfy.call("MapCondition", model=model, modality="inpainting", image=image, mask=paint)[0]
    held = condition[0][1][key]
    torch.testing.assert_close(held["inpaint_image"], 2 * image.movedim(-1, 1) - 1)
    assert held["inpaint_mask"][0, 0, :, :8].all() and not held["inpaint_mask"][0, 0, :, 8:].any()
    null = model.model.null_conditioning(condition)[0][1][key]
    assert torch.equal(null["inpaint_mask"], held["inpaint_mask"]) and not null["mask"].any()
    with pytest.raises(ValueError, match="both an image and a mask"):
        comfy.call("MapCondition", model=model, modality="inpainting", image=image)


def test_weight_patches_by_the_reference_s_keys(comfy):
    import comfy.model_management as management
    model, case = recorded(comfy, "glide_base", "glide"), vectors.cases("glide_base")["case1"]
    changes = {
        "transformer.resblocks.1.attn.c_qkv.weight": (192, 64),
        "token_embedding.weight": (60, 64),
        "middle_block.1.encoder_kv.bias": (128,),
    }
    patched = model.clone()
    diffs = {key: noise(i, *shape) for i, (key, shape) in enumerate(changes.items())}
    assert len(patched.add_patches({f"diffusion_model.{k}": ("diff", (d,)) for k, d in diffs.items()}, 0.1)) == 3
    management.load_models_gpu([patched])
    got = answer(patched, **{k: case[k] for k in ("x", "t", "tokens", "mask")})
    patched.detach()
    weights = state("glide_base")
    want = Reference(
        "glide",
        state=weights | {k: weights[k] + 0.1 * d for k, d in diffs.items()},
        **vectors.meta("glide_base")["constructor_kwargs"],
    )
    assert relative(got, want(**{k: case[k] for k in ("x", "t", "tokens", "mask")})) < 1e-4
    assert relative(got, case["out"]) > 1e-3


def test_a_wrong_family_is_refused(comfy):
    with pytest.raises(ValueError, match="declared as the family adm"):
        load(comfy, vectors.place("glide_base", folder(comfy), family="adm"))
