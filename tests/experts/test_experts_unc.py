"""The face and sketch networks of Unite and Conquer against the recorded vectors."""
import json

import pytest
import torch

from support import vectors
from support.openai_experts import answer, check_recorded, draw, folder, invented, recorded, same_shapes, state
from support.reference_unet import Reference
from support.tensors import noise, relative

NETWORKS = ["unc_face", "unc_sketch"]
INPUTS = ("x", "t", "face_map", "hair_map", "image_embed", "sketch")


def inputs_of(case):
    return {k: v for k, v in case.items() if k in INPUTS}


@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
@pytest.mark.parametrize("network", NETWORKS)
def test_recorded_vectors(comfy, network, suffix):
    """Without a flag the face network keeps the authors' rule for the whole batch, as the recorded cases show."""
    check_recorded(recorded(comfy, network, network, suffix=suffix), network)


@pytest.mark.parametrize("network", NETWORKS)
def test_the_second_implementation_against_the_recorded_vectors(network):
    meta = vectors.meta(network)
    arguments = meta["constructor_kwargs"] | {"num_classes": None}         # the networks ignore it
    reference = Reference(network.removeprefix("unc_"), state=state(network), **arguments)
    for case in vectors.cases(network).values():
        torch.testing.assert_close(
            reference(**inputs_of(case)).float(), case["out"], rtol=0, atol=meta["tolerance"]["recommended_atol"]
        )


@pytest.mark.parametrize("network", NETWORKS)
def test_a_weight_patch_equals_a_file_with_the_patched_weight(comfy, network):
    import comfy.model_management as management
    model, inputs = recorded(comfy, network, network), inputs_of(vectors.cases(network)["case1"])
    key = "input_blocks.0.0.weight"
    change = 0.05 * noise(6, *model.model.diffusion_model.state_dict()[key].shape)
    patched = model.clone()
    assert patched.add_patches({f"diffusion_model.{key}": ("diff", (change,))})
    management.load_models_gpu([patched])
    got = answer(patched, **inputs)
    patched.detach()
    weights = state(network)
    weights[key] = weights[key] + change
    want = Reference(
        network.removeprefix("unc_"),
        state=weights,
        **vectors.meta(network)["constructor_kwargs"] | {"num_classes": None},
    )(**inputs)
    assert relative(got, want) < 1e-4
    assert relative(answer(model, **inputs), want) > 1e-3


@pytest.mark.parametrize("embedded", [True, False])
@pytest.mark.parametrize(
    ("arguments", "sidecar"),
    [
        ({"model_channels": 64, "channel_mult": (1, 2, 2), "num_head_channels": 32}, {"num_head_channels": 32}),
        (
            {"use_scale_shift_norm": False, "resblock_updown": False, "num_res_blocks": 2},
            {"num_head_channels": -1, "num_heads": 1},
        ),
        (
            {"use_new_attention_order": True, "num_heads": 4},
            {"num_head_channels": -1, "num_heads": 4, "use_new_attention_order": True},
        ),
    ],
)
def test_face_networks_of_other_shapes_and_sizes(comfy, arguments, sidecar, embedded):
    inputs = {
        **draw(size=(16, 24)),
        "face_map": noise(1, 2, 3, 16, 24),
        "hair_map": noise(2, 2, 3, 16, 24),
        "image_embed": embedded * noise(3, 2, 512),
    }
    model, want = invented(comfy, Reference("face", **arguments), inputs, family="unc_face", **sidecar)
    assert relative(answer(model, **inputs), want) < 1e-5


def test_a_flag_makes_rows_independent(comfy):
    """With it a row alone equals the same row in any batch.

    Text and null together are the recorded batch; without the flag, the recorded single rows.
    """
    model, told = recorded(comfy, "unc_face", "unc_face"), vectors.cases("unc_face")
    both = told["text_and_null_batched"]
    for i in range(2):
        row = {k: v[i:i + 1] for k, v in inputs_of(both).items()}
        torch.testing.assert_close(
            answer(model, **row, twice=torch.ones(1, 1)), both["out"][i : i + 1], rtol=0, atol=2e-5
        )
    null = told["null_row_alone"]
    mixed = {k: torch.cat([v, inputs_of(both)[k]]) for k, v in inputs_of(null).items()}
    out = answer(model, **mixed, twice=torch.tensor([[0.0], [1.0], [1.0]]))
    torch.testing.assert_close(out, torch.cat([null["out"], both["out"]]), rtol=0, atol=2e-5)


@pytest.mark.parametrize(("dtype", "most"), [("float16", 4e-3), ("bfloat16", 3e-2), ("fp8_e4m3fn", 0.3)])
@pytest.mark.parametrize("network", NETWORKS)
def test_smaller_number_types(comfy, network, dtype, most):
    model, case = recorded(comfy, network, network, dtype), vectors.cases(network)["case1"]
    assert relative(answer(model, **inputs_of(case))[:, :3], case["out"][:, :3]) < most
    if dtype != "fp8_e4m3fn":
        half = inputs_of(case) | {"x": case["x"].to(getattr(torch, dtype))}
        assert relative(answer(model, **half)[:, :3], case["out"][:, :3]) < 2 * most


@pytest.mark.parametrize("kind", ["face", "sketch"])
def test_released_checkpoints_are_known_by_their_shapes(comfy, kind):
    """face_utils/script_util.py: sr_create_model with its defaults, and create_sketch_model."""
    reference = Reference(
        kind,
        model_channels=192,
        num_res_blocks=2,
        channel_mult=(1, 1, 2, 2, 4, 4),
        attention_resolutions=(8, 16, 32),
        num_head_channels=64,
        device="meta",
    )
    x = torch.empty(1, 3, 32, 32, device="meta")
    inputs = (
        {"sketch": x}
        if kind == "sketch"
        else {"face_map": x, "hair_map": x, "image_embed": torch.empty(1, 512, device="meta")}
    )
    reference(x, torch.empty(1, device="meta"), **inputs)
    unc, table = comfy.module("mcdm.experts.unc"), comfy.module("mcdm.experts.networks.openai_table").Table
    expected = {
        "num_head_channels": 64,
        "use_new_attention_order": False,
        "noise_schedule": "linear",
        "diffusion_steps": 1000,
        "rescale_timesteps": True,
        "prediction": "eps",
    } | ({"family": "unc_sketch"} if kind == "sketch" else {})
    shape = table.read(reference.state)
    assert unc.KNOWN[shape] == expected
    assert same_shapes(comfy, unc.FaceUNet if kind == "face" else unc.SketchUNet, shape, reference)


def test_a_recorded_sidecar_is_enough(comfy, caplog):
    """What the recorded meta lists, and nothing more: the words that explain it are named as unknown keys."""
    path = vectors.place("unc_face", folder(comfy), family="unc_face")
    assert "head_rule" in json.loads(path.with_suffix(".json").read_text())
    recorded(comfy, "unc_face", "unc_face")
    assert "head_rule" in caplog.text and "image_size" not in caplog.text.split("mean nothing")[-1]
