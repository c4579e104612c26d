"""DiT and SiT: folders of diffusers, and what a file and its JSON must say."""
import json

import pytest
import torch
from safetensors.torch import save_file

from support import vectors
from support.dit_experts import FAMILIES, at_time, denoise, invented
from support.tensors import relative

# ----------------------------------------------------------------------------------------------------- diffusers folder

def diffusers(state):
    """The same weights under the keys of diffusers' DiTTransformer2DModel.

    q, k and v are apart, every block has an embedding, and there is no position table.
    """
    out, blocks = {}, {k.split(".")[1] for k in state if k.startswith("blocks.")}
    for key, value in state.items():
        end = key.rpartition(".")[2]
        if ".attn.qkv." in key:
            for part, third in zip("qkv", value.chunk(3), strict=True):
                out[key.replace("blocks.", "transformer_blocks.").replace("attn.qkv", f"attn1.to_{part}")] = (
                    third.contiguous()
                )
        elif key.startswith("t_embedder"):
            layer = "linear_1" if ".0." in key else "linear_2"
            out |= {f"transformer_blocks.{b}.norm1.emb.timestep_embedder.{layer}.{end}": value.clone() for b in blocks}
        elif key.startswith("y_embedder"):
            out |= {
                f"transformer_blocks.{b}.norm1.emb.class_embedder.embedding_table.weight": value.clone() for b in blocks
            }
        elif key != "pos_embed":
            for old, new in (
                ("x_embedder", "pos_embed"),
                ("final_layer.adaLN_modulation.1", "proj_out_1"),
                ("final_layer.linear", "proj_out_2"),
                ("blocks.", "transformer_blocks."),
                ("adaLN_modulation.1", "norm1.linear"),
                ("attn.proj", "attn1.to_out.0"),
                ("mlp.fc1", "ff.net.0.proj"),
                ("mlp.fc2", "ff.net.2"),
            ):
                key = key.replace(old, new)
            out[key] = value
    return out


def write_folder(folder, state, **config):
    (folder / "transformer").mkdir(parents=True)
    (folder / "scheduler").mkdir()
    (folder / "vae").mkdir()
    (folder / "model_index.json").write_text(
        json.dumps({"_class_name": "DiTPipeline", "vae": ["diffusers", "AutoencoderKL"]})
    )
    (folder / "transformer" / "config.json").write_text(
        json.dumps(
            {
                "_class_name": "Transformer2DModel",
                "num_attention_heads": 6,
                "attention_head_dim": 16,
                "sample_size": 16,
                "patch_size": 2,
                "norm_type": "ada_norm_zero",
                "num_embeds_ada_norm": 20,
                **config,
            }
        )
    )
    (folder / "scheduler" / "scheduler_config.json").write_text(
        json.dumps(
            {
                "_class_name": "DDIMScheduler",
                "beta_start": 0.0001,
                "beta_end": 0.02,
                "beta_schedule": "linear",
                "num_train_timesteps": 1000,
                "prediction_type": "epsilon",
                "trained_betas": None,
            }
        )
    )
    save_file(state, folder / "transformer" / "diffusion_pytorch_model.safetensors")
    save_file({"decoder.conv_in.weight": torch.zeros(1)}, folder / "vae" / "diffusion_pytorch_model.safetensors")


def test_a_diffusers_folder_is_one_entry(comfy):
    folder = comfy.base / "models" / "experts" / "sub" / "DiT-tiny"
    write_folder(folder, diffusers(vectors.weights("dit")))
    combo = comfy.nodes["LoadExpert"].define_schema().inputs[0].options
    assert [name.replace("\\", "/") for name in combo if "DiT-tiny" in name] == ["sub/DiT-tiny"]
    name = next(name for name in combo if "DiT-tiny" in name)
    model = comfy.call("LoadExpert", expert=name, weight_dtype="default")[0]
    for case in vectors.cases("dit").values():
        z, sigma, denoised = at_time("dit", case)
        assert relative(denoise(model, z, sigma, case["y"]), denoised) <= 1e-5
    assert (
        float(
            (
                model.model.diffusion_model.pos_embed
                - vectors.weights("dit")["pos_embed"]
            )
            .abs()
            .max()
        )
        <= 1e-6
    )


def test_a_diffusers_folder_with_embeddings_of_its_own_in_a_block_is_refused(comfy, tmp_path):
    state = diffusers(vectors.weights("dit"))
    state["transformer_blocks.2.norm1.emb.timestep_embedder.linear_1.bias"] += 1
    write_folder(tmp_path / "own", state)
    with pytest.raises(ValueError, match="one embedding for all blocks"):
        comfy.module("mcdm.experts.load").load_expert(str(tmp_path / "own"), "own")


# -------------------------------------------------------------------------------------------------------- what is asked

@pytest.mark.parametrize(
    "family, key, choices",
    [
        ("dit", "num_heads", "a whole number"),
        ("sit", "num_heads", "a whole number"),
        ("dit", "noise_schedule", "linear or cosine"),
        ("dit", "diffusion_steps", "a whole number"),
        ("dit", "prediction", "eps or epsilon"),
    ],
)
def test_a_missing_choice_is_named_with_its_candidates(load_dit, family, key, choices):
    with pytest.raises(ValueError, match=f"'expert.safetensors'.* {key} .*{choices}.*expert.json"):
        load_dit(family, **{key: None})


def test_without_a_word_dit_and_sit_are_not_told_apart(load_dit):
    with pytest.raises(ValueError, match="family .*dit or sit"):
        load_dit("dit", family=None, prediction=None)
    assert type(load_dit("dit", family=None).model.diffusion_model).__name__ == "DiT"      # it predicts eps
    assert type(load_dit("sit", family=None).model.diffusion_model).__name__ == "SiT"      # it predicts velocity


@pytest.mark.parametrize(
    "name, network",
    [
        ("DiT-XL-2-256x256.pt", "DiT"),
        ("SiT-XL-2-256.safetensors", "SiT"),
        ("whatever.pt", None),
        ("dit or sit.pt", None),
    ],
)
def test_the_name_of_a_released_file_tells_them_apart(comfy, tmp_path, monkeypatch, name, network):
    dit = comfy.module("mcdm.experts.dit")
    state = vectors.weights("dit")
    for family in FAMILIES:
        monkeypatch.setitem(
            dit.KNOWN,
            (family, dit.Shape.read(state)),
            dit.KNOWN[family, (1152, 28, 2, 4, 8, 4608, 1001, 256)] | {"num_heads": 6},
        )
    path = vectors.place("dit", tmp_path, name)
    path.with_suffix(".json").unlink()
    if network is None:
        with pytest.raises(ValueError, match="dit or sit"):
            comfy.module("mcdm.experts.load").load_expert(str(path), name)
    else:
        assert (
            type(comfy.module("mcdm.experts.load").load_expert(str(path), name).model.diffusion_model).__name__
            == network
        )


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"num_heads": 7}, "cannot be split"),
        ({"num_heads": 0}, "cannot be split"),
        ({"num_heads": "six"}, "whole number"),
        ({"num_heads": True}, "whole number"),
        ({"noise_schedule": "rough"}, "must be linear"),
        ({"diffusion_steps": 0}, "impossible"),
        ({"diffusion_steps": 10**12}, "impossible"),
        ({"learn_sigma": False}, "learn_sigma"),
        ({"diffusion_steps": 500, "rescale_timesteps": None}, "rescale_timesteps"),
        ({"family": "unheard"}, "is not one of"),
        ({"family": "unet2d"}, "do not belong to it; correct"),
        ({"prediction": "velocity"}, "must be eps"),
    ],
)
def test_impossible_choices_are_refused(load_dit, changes, message):
    with pytest.raises(ValueError, match=message):
        load_dit("dit", **changes)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_class_table_without_a_null(load_dit, family):
    """Trained without dropping classes: no null row, class 0 stands in for it. The recorded networks have 21 rows."""
    plain, told = load_dit(family).model.modalities["class"], load_dit(family, num_classes=21).model.modalities["class"]
    assert (len(plain.labels), plain.null.tolist(), plain.trained_null) == (20, [20], True)
    assert (len(told.labels), told.null.tolist(), told.trained_null) == (21, [0], False)
    with pytest.raises(ValueError, match="21 rows, which does not fit num_classes 5"):
        load_dit(family, num_classes=5)


def test_1000_rows_are_asked_about_and_1000_classes_bear_the_names_of_imagenet(comfy, tmp_path):
    for classes in (999, 1000):
        save_file(invented(16, 1, 8, 16, classes, 16, True, seed=1), tmp_path / "x.safetensors")
        (tmp_path / "x.json").write_text(json.dumps(vectors.sidecar("sit", num_heads=2)))
        if classes == 999:
            with pytest.raises(ValueError, match="num_classes .*999 or 1000"):
                comfy.module("mcdm.experts.load").load_expert(str(tmp_path / "x.safetensors"), "x")
        else:
            labels = (
                comfy.module("mcdm.experts.load")
                .load_expert(str(tmp_path / "x.safetensors"), "x")
                .model.modalities["class"]
                .labels
            )
            assert len(labels) == 1000 and (labels[1], labels[207]) == ("goldfish", "golden retriever")
