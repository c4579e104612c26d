"""The conditions of the face and sketch networks of Unite and Conquer: maps, embeddings and their nulls."""
import numpy
import pytest
import torch
from safetensors.torch import save_file

from support import vectors
from support.mixtures import custom_sampled, mix
from support.openai_experts import recorded
from support.tensors import noise, relative


def held(comfy, condition):
    return condition[0][1][comfy.module("mcdm.experts.modality").CONDITION]


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
        ({}, "not 0"),
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
