"""LoadExpert: its combo, and its use of a file's name, number type and JSON."""
import json
import logging
import os
import shutil

import pytest
import torch
from safetensors.torch import save_file

from support import unet2d_experts, vectors

EMBEDDED = "builtin/faces_hair.safetensors"
DTYPES = {
    "float32": torch.float32,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
    "fp8_e4m3fn": torch.float8_e4m3fn,
    "fp8_e4m3fn_fast": torch.float8_e4m3fn,
    "fp8_e5m2": torch.float8_e5m2,
}


@pytest.fixture
def experts(comfy):
    folder = comfy.base / "models" / "experts"
    folder.mkdir(exist_ok=True)
    return folder


def combo(comfy):
    return [name.replace(os.sep, "/") for name in comfy.nodes["LoadExpert"].define_schema().inputs[0].options]


# ------------------------------------------------------------------------------------------------------------ the combo

def test_files_in_subfolders_appear_and_go(comfy, experts):
    assert EMBEDDED in combo(comfy) and "far/down/x.safetensors" not in combo(comfy)
    (experts / "far" / "down").mkdir(parents=True)
    path = vectors.place("dit", experts / "far" / "down", "x.safetensors")
    (experts / "far" / "readme.txt").write_text("no expert")
    assert "far/down/x.safetensors" in combo(comfy) and not any(
        "readme" in name or name.endswith(".json") for name in combo(comfy)
    )
    shutil.rmtree(experts / "far")
    assert "far/down/x.safetensors" not in combo(comfy)
    with pytest.raises(ValueError, match="choose one from the list"):
        comfy.call("LoadExpert", expert=os.path.join("far", "down", path.name))


def test_extra_model_paths_add_to_models_experts(comfy, experts, tmp_path):
    """As the host reads them before it loads the pack: the folder is there, with no extensions of its own."""
    import folder_paths
    import utils.extra_config
    before = folder_paths.folder_names_and_paths.pop("experts")
    (tmp_path / "paths.yaml").write_text(f"elsewhere:\n  base_path: {tmp_path}\n  experts: mine\n")
    (tmp_path / "mine").mkdir()
    vectors.place("dit", tmp_path / "mine", "extra_dit.safetensors")
    vectors.place("dit", experts, "own_dit.safetensors")
    (tmp_path / "mine" / "notes.txt").write_text("no expert")
    try:
        utils.extra_config.load_extra_path_config(str(tmp_path / "paths.yaml"))
        comfy.module("nodes.load_expert")._register()
        assert {"extra_dit.safetensors", "own_dit.safetensors", EMBEDDED} <= set(
            combo(comfy)
        ) and "notes.txt" not in combo(comfy)
        assert comfy.call("LoadExpert", expert="extra_dit.safetensors")[0].model.modalities
    finally:
        folder_paths.folder_names_and_paths["experts"] = before
        (experts / "own_dit.safetensors").unlink()


@pytest.mark.parametrize("expert", ["../../secret.safetensors", "/etc/passwd", "", "builtin/../load.py"])
def test_a_name_outside_the_list_is_refused(comfy, expert):
    node = comfy.nodes["LoadExpert"]
    assert "choose one from the list" in node.validate_inputs(expert=expert)
    with pytest.raises(ValueError, match="choose one from the list"):
        comfy.call("LoadExpert", expert=expert)


def test_a_file_or_its_json_replaced_on_disk_is_loaded_again(comfy, experts):
    stamp = comfy.nodes["LoadExpert"].fingerprint_inputs
    path = vectors.place("dit", experts, "changing.safetensors")
    first = stamp("changing.safetensors", "default")
    assert stamp("changing.safetensors", "default") == first != stamp("changing.safetensors", "float16")
    path.with_suffix(".json").write_text(json.dumps(vectors.sidecar("dit", num_heads=3)))
    second = stamp("changing.safetensors", "default")
    os.utime(path, ns=(1, 1))
    assert len({first, second, stamp("changing.safetensors", "default")}) == 3
    path.unlink()
    stamp("changing.safetensors", "default")


def test_weights_in_memory_are_no_view_of_the_file(load_expert, tmp_path):
    """A file that is overwritten while its network is loaded neither changes nor kills it."""
    for name in ("x.safetensors", "x.pt"):
        path = vectors.place("dit", tmp_path, name)
        model = load_expert(str(path), name)
        with open(path, "r+b") as file:
            file.truncate(100)
        weights = vectors.weights("dit")
        assert all(torch.equal(v, weights[k]) for k, v in model.model.diffusion_model.state_dict().items())


# --------------------------------------------------------------------------------------------------------- number types

def test_number_types_are_those_of_the_hosts_loader_and_three_more(comfy):
    ours = comfy.nodes["LoadExpert"].define_schema().inputs[1].options
    assert (
        set(ours)
        == {*comfy.nodes["UNETLoader"].INPUT_TYPES()["required"]["weight_dtype"][0], "float32", "float16", "bfloat16"}
        and ours[0] == "default"
    )
    assert set(DTYPES) | {"default"} == set(ours)
    with pytest.raises(ValueError, match="^weight_dtype 'int4' is not one of"):
        comfy.call("LoadExpert", expert=EMBEDDED, weight_dtype="int4")


@pytest.mark.parametrize("choice", DTYPES)
@pytest.mark.parametrize("expert", [EMBEDDED, "dit", "unet2d"])
def test_weights_have_the_type_that_was_asked_for(comfy, experts, choice, expert):
    if expert == "dit":
        expert = vectors.place("dit", experts, "typed.safetensors").name
    elif expert == "unet2d":
        expert = "typed folder"
        if not (experts / expert).exists():
            unet2d_experts.write(experts / expert, vectors.weights("diffusers_unet2d"))
    model = comfy.call("LoadExpert", expert=expert, weight_dtype=choice)[0].model
    assert {p.dtype for p in model.diffusion_model.parameters()} == {DTYPES[choice]}
    size = 64 if expert == EMBEDDED else 16
    with torch.inference_mode():
        x = torch.randn(1, model.latent_format.latent_channels, size, size, generator=torch.Generator().manual_seed(0))
        assert torch.isfinite(model.apply_model(x, torch.tensor([0.7]), **model.nulls)).all()


def test_fast_fp8_reaches_the_layers(load_expert, tmp_path, monkeypatch):
    """Where the device multiplies fp8, the fast choice takes the host's fp8 layers and the plain one does not."""
    import comfy.model_management as management
    import comfy.ops as ops
    monkeypatch.setattr(management, "supports_fp8_compute", lambda device=None: True)
    path = str(vectors.place("dit", tmp_path, "x.safetensors"))
    for fast in (False, True):
        layer = load_expert(path, "x", torch.float8_e4m3fn, fast_fp8=fast).model.diffusion_model.blocks[0].attn.qkv
        assert isinstance(layer, ops.fp8_ops.Linear) == fast


def test_too_large_for_the_type(load_expert, tmp_path):
    state = vectors.weights("dit")
    state["blocks.0.mlp.fc1.bias"][0] = 1e5
    save_file(state, tmp_path / "x.safetensors")
    (tmp_path / "x.json").write_text(json.dumps(vectors.sidecar("dit")))
    load_expert(str(tmp_path / "x.safetensors"), "x", torch.bfloat16)
    with pytest.raises(
        ValueError, match="blocks.0.mlp.fc1.bias holds NaN, infinite values or values too large for float16"
    ):
        load_expert(str(tmp_path / "x.safetensors"), "x", torch.float16)


# ----------------------------------------------------------------------------------------------------------- the config

def test_metadata_counts_before_the_json_beside_the_file(load_expert, tmp_path):
    state = vectors.weights("dit")
    told = vectors.sidecar("dit")
    words = {k: json.dumps(v).strip('"') for k, v in told.items()}
    for metadata, sidecar, heads in (({"num_heads": "3"}, told, 3), ({}, told, 6), (words, {"num_heads": 3}, 6)):
        save_file(state, tmp_path / "x.safetensors", metadata=metadata)
        (tmp_path / "x.json").write_text(json.dumps(sidecar))
        assert load_expert(str(tmp_path / "x.safetensors"), "x").model.diffusion_model.blocks[0].attn.heads == heads


def test_unknown_keys_of_the_json_are_named(load_expert, tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        load_expert(str(vectors.place("dit", tmp_path, "x.safetensors", colour="red", num_head=4)), "x")
    warning = [r.getMessage() for r in caplog.records if "colour" in r.getMessage()]
    assert (
        len(warning) == 1
        and "num_head" in warning[0]
        and "num_heads" not in warning[0]
        and "noise_schedule" not in warning[0]
    )


@pytest.mark.parametrize(
    "network", [name for name in vectors.NETWORKS if name != "diffusers_unet2d"]
)
def test_every_family_loads_from_both_kinds_of_files(load_expert, tmp_path, caplog, network):
    for name in ("x.safetensors", "x.pt"):
        with caplog.at_level(logging.INFO):
            model = load_expert(str(vectors.place(network, tmp_path, name)), name)
        assert (
            f"family {vectors.FAMILIES.get(network, network)}, "
            f"conditions: {', '.join(model.model.modalities) or 'none'}" in caplog.text
        )
        state = vectors.weights(network)
        ours = model.model.diffusion_model.state_dict()
        assert ours.keys() == state.keys() and all(torch.equal(v, state[k]) for k, v in ours.items())


@pytest.mark.parametrize("network", ["adm_classcond", "glide_base", "unc_face", "dit", "sit"])
def test_nothing_is_guessed(load_expert, tmp_path, network):
    """Without its JSON a network of unknown shape is refused, and the JSON's name and a key are given."""
    path = vectors.place(network, tmp_path, "x.safetensors")
    path.with_suffix(".json").unlink()
    with pytest.raises(ValueError, match=r"write.*\{\"\w+\": .*\}.*x\.json"):
        load_expert(str(path), "x")
