"""The face and sketch networks of Unite and Conquer against the recorded vectors; their maps and embeddings."""
import json

import numpy
import pytest
import torch
from safetensors.torch import save_file

from support import vectors
from support.mixtures import custom_sampled, mix
from support.openai_experts import answer, check_recorded, draw, folder, invented, recorded, same_shapes, state
from support.reference_unet import Reference
from support.tensors import noise, relative

NETWORKS = ["unc_face", "unc_sketch"]
INPUTS = ("x", "t", "face_map", "hair_map", "image_embed", "sketch")


def inputs_of(case):
    return {k: v for k, v in case.items() if k in INPUTS}


def held(comfy, condition):
    return condition[0][1][comfy.module("mcdm.experts.modality").CONDITION]


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


def ask(comfy, experts, x, sigma, reliabilities=""):
    """The fused estimate at x, through the host's euler in one step down to 0."""
    return custom_sampled(comfy, mix(comfy, experts, reliabilities), "euler", [sigma, 0.0], x / sigma)


def embedding(comfy, model, vector, **more):
    name = f"{abs(hash(vector.numpy().tobytes()))}.npy"
    numpy.save(comfy.base / "input" / name, vector.numpy())
    return comfy.call("EmbeddingCondition", model=model, file=name, **more)[0]


@pytest.mark.parametrize("batch", [1, 2])
def test_text_and_its_null_are_both_normalised_twice_and_a_map_and_its_null_once(comfy, batch):
    """The recorded batch of a text row and a null row, from two separate CONDITIONINGs.

    Beside it stands a map that knows nothing of it.
    """
    model, both = recorded(comfy, "unc_face", "unc_face"), vectors.cases("unc_face")["text_and_null_batched"]
    sampling = model.model.model_sampling
    sigma = sampling.sigma(both["t"][:1].float())
    level = float(sigma)
    z = (both["x"][:1] * (1 + sigma ** 2).sqrt()).expand(batch, -1, -1, -1)
    assert torch.equal(both["x"][0], both["x"][1])
    maps = held(comfy, embedding(comfy, model, both["image_embed"][0]))
    torch.testing.assert_close(maps["image_embed"], both["image_embed"][:1])
    module = comfy.module("mcdm.experts.modality")
    text = embedding(
        comfy,
        model,
        both["image_embed"][0],
        condition=module.conditioning({k: both[k][:1] for k in ("face_map", "hair_map")}),
    )
    null = module.conditioning({k: both[k][1:] for k in ("face_map", "hair_map")})
    expert = comfy.call("ConditionExpert", model=model, condition=text, null_condition=null, weight=2.0)[0]
    d, e = (z - level * both["out"][i:i + 1, :3] for i in range(2))
    assert relative(ask(comfy, [expert], z, level), e + 2.0 * (d - e)) < 1e-4

    face = comfy.call("MapCondition", model=model, modality="face", image=torch.rand(1, 16, 16, 3))[0]
    mapped = comfy.call("ConditionExpert", model=model, condition=face, weight=1.5)[0]
    alone = ask(comfy, [mapped], z, level)
    with torch.no_grad():
        d, e = (
            model.model.apply_model(
                z, sigma.expand(batch), face_map=m, hair_map=0 * m, image_embed=torch.zeros(batch, 512)
            )
            for m in (held(comfy, face)["face_map"].expand(batch, -1, -1, -1), torch.zeros_like(z))
        )
    assert relative(alone, e + 1.5 * (d - e)) < 1e-5
    beside = ask(
        comfy,
        [mapped, comfy.call("ConditionExpert", model=model, condition=text, null_condition=null, weight=0.5)[0]],
        z,
        level,
        "1, 0",
    )
    d2 = z - level * both["out"][:1, :3]
    assert relative(beside, e + 1.5 * (d - e) + 0.5 * (d2 - e)) < 1e-4


def test_experts_of_one_face_network_share_the_nulls_of_their_kind(comfy):
    model = recorded(comfy, "unc_face", "unc_face")
    face = comfy.call("MapCondition", model=model, modality="face", image=torch.rand(1, 16, 16, 3))[0]
    hair = comfy.call("MapCondition", model=model, modality="hair", image=torch.rand(1, 16, 16, 3))[0]
    text = [embedding(comfy, model, noise(i, 512)) for i in (1, 2)]
    nulls = [comfy.call("ConditionExpert", model=model, condition=c)[0].null for c in (face, hair, *text)]
    assert nulls[0] is nulls[1] and nulls[2] is nulls[3] and nulls[0] is not nulls[2]
    assert not any(v.any() for v in held(comfy, nulls[0]).values()) and held(comfy, nulls[2])["twice"].all()


def test_maps_are_pictures_brought_to_the_size_that_is_drawn(comfy):
    """As they are where the size fits; any other picture is shrunk as PIL's bicubic does it, which the authors use."""
    from PIL import Image
    model, case = recorded(comfy, "unc_sketch", "unc_sketch"), vectors.cases("unc_sketch")["case1"]
    picture = torch.rand(1, 16, 16, 3)
    condition = comfy.call("MapCondition", model=model, modality="auto", image=picture)[0]
    torch.testing.assert_close(held(comfy, condition)["sketch"], 2 * picture.movedim(-1, 1) - 1)
    mask = comfy.call("MapCondition", model=model, modality="sketch", mask=picture[..., 0])[0]
    torch.testing.assert_close(held(comfy, mask)["sketch"], (2 * picture[..., 0] - 1)[:, None].expand(-1, 3, -1, -1))

    large = torch.rand(50, 70, 3)
    condition = comfy.call("MapCondition", model=model, modality="auto", image=large[None])[0]
    conds = model.model.extra_conds(noise=case["x"], device="cpu", **condition[0][1])
    channels = [
        Image.fromarray(large[..., c].numpy(), mode="F").resize((16, 16), Image.Resampling.BICUBIC) for c in range(3)
    ]
    want = (2 * torch.stack([torch.from_numpy(numpy.array(c)) for c in channels]) - 1).clamp(-1, 1)
    torch.testing.assert_close(conds["sketch"].cond[0], want, rtol=0, atol=1e-4)


def test_the_sketch_network_s_null_is_a_map_of_zeros(comfy, caplog):
    import logging
    model, x = recorded(comfy, "unc_sketch", "unc_sketch"), 3.0 * noise(4, 1, 3, 16, 24)
    picture = torch.rand(1, 16, 24, 3)
    condition = comfy.call("MapCondition", model=model, modality="sketch", image=picture)[0]
    with caplog.at_level(logging.INFO):
        expert = comfy.call("ConditionExpert", model=model, condition=condition, weight=2.0)[0]
        comfy.call("ConditionExpert", model=model, condition=condition, weight=1.0)
    said = [r.message for r in caplog.records if "without a null condition" in r.message]
    assert len(said) == 1 and "a sketch of zeros" in said[0]
    sketch = 2 * picture.movedim(-1, 1) - 1
    with torch.no_grad():
        d, e = (model.model.apply_model(x, torch.tensor([3.0]), sketch=s) for s in (sketch, 0 * sketch))
    assert relative(ask(comfy, [expert], x, 3.0), e + 2.0 * (d - e)) < 1e-5


def test_an_embedding_from_clip_text_or_file(comfy):
    from comfy.clip_vision import Output
    model, vector = recorded(comfy, "unc_face", "unc_face"), noise(7, 1, 512)
    unit = vector / vector.norm()
    vision = Output()
    vision.image_embeds = vector
    text = [[torch.zeros(1, 77, 512), {"pooled_output": vector}]]
    folder_ = comfy.base / "input"
    save_file({"embed": vector[0]}, folder_ / "embedding.safetensors")
    torch.save({"a": vector}, folder_ / "embedding.pt")
    numpy.save(folder_ / "embedding.npy", vector.numpy())
    for source in (
        {"clip_vision_output": vision},
        {"clip_text": text},
        *({"file": f"embedding{s}"} for s in (".safetensors", ".pt", ".npy")),
    ):
        condition = comfy.call("EmbeddingCondition", model=model, **source)[0]
        torch.testing.assert_close(held(comfy, condition)["image_embed"], unit)
    face = comfy.call("MapCondition", model=model, modality="face", image=torch.rand(1, 16, 16, 3))[0]
    assert held(comfy, comfy.call("EmbeddingCondition", model=model, clip_text=text, condition=face)[0]).keys() == {
        "face_map",
        "image_embed",
    }


def test_a_wrong_embedding_is_refused_in_words(comfy):
    model, sketch = recorded(comfy, "unc_face", "unc_face"), recorded(comfy, "unc_sketch", "unc_sketch")
    wide, folder_ = [[torch.zeros(1, 77, 768), {"pooled_output": torch.randn(1, 768)}]], comfy.base / "input"
    numpy.save(folder_ / "object.npy", numpy.array([{}], dtype=object), allow_pickle=True)
    numpy.save(folder_ / "nan.npy", numpy.full(512, numpy.nan, dtype=numpy.float32))
    save_file({"a": torch.ones(512), "b": torch.ones(512)}, folder_ / "two.safetensors")
    (folder_ / "text.pt").write_bytes(b"not a file of torch")
    with open(folder_ / "huge.npy", "wb") as file:          # claims four terabytes
        numpy.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": (1 << 40,)})
        file.write(bytes(2048))
    broken = "cannot be read"
    for source, words in (
        ({"clip_text": wide}, "has 512 numbers, but .* gives 768"),
        ({"clip_text": [[torch.zeros(1), {}]]}, "pooled output is missing"),
        ({}, "not none"),
        ({"clip_text": wide, "file": "two.safetensors"}, "not 2"),
        ({"file": "object.npy"}, broken),
        ({"file": "huge.npy"}, broken),
        ({"file": "nan.npy"}, "NaN"),
        ({"file": "two.safetensors"}, "2 tensors"),
        ({"file": "text.pt"}, broken),
        ({"file": "../models/experts/x.pt"}, "not one of"),
    ):
        with pytest.raises(ValueError, match=words):
            comfy.call("EmbeddingCondition", model=model, **source)
    with pytest.raises(ValueError, match="takes sketch"):
        comfy.call("EmbeddingCondition", model=sketch, file="nan.npy")


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
