"""LoadExpert: its combo, its use of a file's name, number type and JSON, and the files that it sends elsewhere."""
import json
import logging
import os
import shutil
import struct

import pytest
import torch
from safetensors.torch import load_file, save_file

from support import vectors
from unite_and_conquer.devtools.families.family import known

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


@pytest.fixture(scope="module")
def load(comfy):
    return comfy.module("mcdm.experts.load").load_expert


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


def test_weights_in_memory_are_no_view_of_the_file(load, tmp_path):
    """A file that is overwritten while its network is loaded neither changes nor kills it."""
    for name in ("x.safetensors", "x.pt"):
        path = vectors.place("dit", tmp_path, name)
        model = load(str(path), name)
        with open(path, "r+b") as file:
            file.truncate(100)
        weights = load_file(vectors.GOLDEN / "dit" / "checkpoint.safetensors")
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
        shutil.copytree(vectors.GOLDEN / "diffusers_unet2d", experts / "typed folder", dirs_exist_ok=True)
        expert = "typed folder"
    model = comfy.call("LoadExpert", expert=expert, weight_dtype=choice)[0].model
    assert {p.dtype for p in model.diffusion_model.parameters()} == {DTYPES[choice]}
    size = 64 if expert == EMBEDDED else 16
    with torch.inference_mode():
        x = torch.randn(1, model.latent_format.latent_channels, size, size, generator=torch.Generator().manual_seed(0))
        assert torch.isfinite(model.apply_model(x, torch.tensor([0.7]), **model.nulls)).all()


def test_fast_fp8_reaches_the_layers(comfy, tmp_path, monkeypatch):
    """Where the device multiplies fp8, the fast choice takes the host's fp8 layers and the plain one does not."""
    import comfy.model_management as management
    import comfy.ops as ops
    monkeypatch.setattr(management, "supports_fp8_compute", lambda device=None: True)
    load = comfy.module("mcdm.experts.load").load_expert
    path = str(vectors.place("dit", tmp_path, "x.safetensors"))
    for fast in (False, True):
        layer = load(path, "x", torch.float8_e4m3fn, fast_fp8=fast).model.diffusion_model.blocks[0].attn.qkv
        assert isinstance(layer, ops.fp8_ops.Linear) == fast


def test_too_large_for_the_type(load, tmp_path):
    state = load_file(vectors.GOLDEN / "dit" / "checkpoint.safetensors")
    state["blocks.0.mlp.fc1.bias"][0] = 1e5
    save_file(state, tmp_path / "x.safetensors")
    (tmp_path / "x.json").write_text(json.dumps(vectors.sidecar("dit")))
    load(str(tmp_path / "x.safetensors"), "x", torch.bfloat16)
    with pytest.raises(
        ValueError, match="blocks.0.mlp.fc1.bias holds NaN, infinite values or values too large for float16"
    ):
        load(str(tmp_path / "x.safetensors"), "x", torch.float16)


# ----------------------------------------------------------------------------------------------------------- the config

def test_metadata_counts_before_the_json_beside_the_file(load, tmp_path):
    state = load_file(vectors.GOLDEN / "dit" / "checkpoint.safetensors")
    told = vectors.sidecar("dit")
    words = {k: json.dumps(v).strip('"') for k, v in told.items()}
    for metadata, sidecar, heads in (({"num_heads": "3"}, told, 3), ({}, told, 6), (words, {"num_heads": 3}, 6)):
        save_file(state, tmp_path / "x.safetensors", metadata=metadata)
        (tmp_path / "x.json").write_text(json.dumps(sidecar))
        assert load(str(tmp_path / "x.safetensors"), "x").model.diffusion_model.blocks[0].attn.heads == heads


def test_unknown_keys_of_the_json_are_named(load, tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        load(str(vectors.place("dit", tmp_path, "x.safetensors", colour="red", num_head=4)), "x")
    warning = [r.getMessage() for r in caplog.records if "colour" in r.getMessage()]
    assert (
        len(warning) == 1
        and "num_head" in warning[0]
        and "num_heads" not in warning[0]
        and "noise_schedule" not in warning[0]
    )


@pytest.mark.parametrize(
    "network", [p.name for p in sorted(vectors.GOLDEN.iterdir()) if (p / "checkpoint.safetensors").exists()]
)
def test_every_family_loads_from_both_kinds_of_files(load, tmp_path, caplog, network):
    for name in ("x.safetensors", "x.pt"):
        with caplog.at_level(logging.INFO):
            model = load(str(vectors.place(network, tmp_path, name)), name)
        assert (
            f"family {vectors.FAMILIES.get(network, network)}, "
            f"conditions: {', '.join(model.model.modalities) or 'none'}" in caplog.text
        )
        state = load_file(vectors.GOLDEN / network / "checkpoint.safetensors")
        ours = model.model.diffusion_model.state_dict()
        assert ours.keys() == state.keys() and all(torch.equal(v, state[k]) for k, v in ours.items())


@pytest.mark.parametrize("network", ["adm_classcond", "glide_base", "unc_face", "dit", "sit"])
def test_nothing_is_guessed(load, tmp_path, network):
    """Without its JSON a network of unknown shape is refused, and the JSON's name and a key are given."""
    path = vectors.place(network, tmp_path, "x.safetensors")
    path.with_suffix(".json").unlink()
    with pytest.raises(ValueError, match=r"write.*\{\"\w+\": .*\}.*x\.json"):
        load(str(path), "x")


# ---------------------------------------------------------------------------------------------------- at home elsewhere

SD15 = {
    "image_size": 32,
    "in_channels": 4,
    "out_channels": 4,
    "model_channels": 320,
    "num_res_blocks": [2] * 4,
    "channel_mult": (1, 2, 4, 4),
    "num_heads": 8,
    "use_spatial_transformer": True,
    "context_dim": 768,
    "transformer_depth": [1, 1, 1, 1, 1, 1, 0, 0],
    "transformer_depth_middle": 1,
    "transformer_depth_output": [1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0],
    "use_linear_in_transformer": False,
    "legacy": False,
    "adm_in_channels": None,
}
SDXL = SD15 | {
    "num_res_blocks": [2] * 3,
    "channel_mult": (1, 2, 4),
    "num_heads": -1,
    "num_head_channels": 64,
    "context_dim": 2048,
    "adm_in_channels": 2816,
    "num_classes": "sequential",
    "transformer_depth": [0, 0, 2, 2, 10, 10],
    "transformer_depth_middle": 10,
    "use_linear_in_transformer": True,
    "transformer_depth_output": [0, 0, 0, 2, 2, 2, 10, 10, 10],
}
FLUX = {
    "image_model": "flux",
    "in_channels": 16,
    "patch_size": 2,
    "vec_in_dim": 768,
    "context_in_dim": 4096,
    "hidden_size": 3072,
    "mlp_ratio": 4.0,
    "out_channels": 16,
    "num_heads": 24,
    "depth": 19,
    "depth_single_blocks": 38,
    "axes_dim": [16, 56, 56],
    "theta": 10000,
    "qkv_bias": True,
    "guidance_embed": True,
}


def networks():
    """{name: state dict on the meta device} of the host's own networks, at their real widths."""
    import comfy.ldm.flux.model
    import comfy.ldm.modules.diffusionmodules.mmdit
    import comfy.ldm.modules.diffusionmodules.openaimodel
    import comfy.ldm.pixart.pixartms
    import comfy.ops
    kw = {"device": "meta", "dtype": torch.float16, "operations": comfy.ops.disable_weight_init}
    sd3 = comfy.ldm.modules.diffusionmodules.mmdit.OpenAISignatureMMDITWrapper(
        input_size=None,
        pos_embed_scaling_factor=None,
        pos_embed_offset=None,
        pos_embed_max_size=192,
        patch_size=2,
        in_channels=16,
        depth=24,
        num_patches=36864,
        adm_in_channels=2048,
        context_embedder_config={"target": "torch.nn.Linear", "params": {"in_features": 4096, "out_features": 1536}},
        **kw,
    )
    flux = comfy.ldm.flux.model.Flux(**known(FLUX), **kw)
    pixart = comfy.ldm.pixart.pixartms.PixArtMS(
        input_size=64,
        patch_size=2,
        in_channels=4,
        hidden_size=1152,
        depth=28,
        num_heads=16,
        pe_interpolation=None,
        micro_condition=True,
        **kw,
    )
    model = comfy.ldm.modules.diffusionmodules.openaimodel.UNetModel
    return {"SD15": model(**SD15, **kw), "SDXL": model(**SDXL, **kw), "SD3": sd3, "Flux": flux, "PixArtAlpha": pixart}


@pytest.fixture(scope="module")
def host_networks(comfy):
    return {name: network.state_dict() for name, network in networks().items()}


@pytest.mark.parametrize("name", ["SD15", "SDXL", "SD3", "Flux", "PixArtAlpha"])
@pytest.mark.parametrize("whole", [False, True])
def test_networks_of_the_host_are_named_with_their_node(comfy, host_networks, name, whole):
    state = {("model.diffusion_model." if whole else "") + k: v for k, v in host_networks[name].items()}
    if whole:
        state["first_stage_model.decoder.conv_in.weight"] = state["cond_stage_model.x"] = torch.zeros(1)
    what, node, folder = comfy.module("mcdm.experts.foreign").describe(state)
    assert name in what and node.endswith("(CheckpointLoaderSimple)" if whole else "(UNETLoader)")
    families, config = comfy.module("mcdm.experts.families"), comfy.module("mcdm.experts.config").Config()
    assert not any(family.recognises(state, config) for family in families.FAMILIES)
    class_id = node.rpartition("(")[2].rstrip(")")
    assert class_id in comfy.nodes and node.startswith(__import__("nodes").NODE_DISPLAY_NAME_MAPPINGS[class_id])


@pytest.mark.parametrize(
    "key, node",
    [
        ("lora_unet_down_blocks_0.lora_up.weight", "LoraLoader"),
        ("control_model.input_hint_block.0.weight", "ControlNetLoader"),
        ("decoder.up.0.block.0.norm1.weight", "VAELoader"),
        ("text_model.encoder.layers.0.mlp.fc1.weight", "CLIPLoader"),
    ],
)
def test_other_files_of_the_host(load, comfy, tmp_path, key, node):
    save_file({key: torch.zeros(4, 4)}, tmp_path / "x.safetensors")
    with pytest.raises(
        ValueError,
        match=r"^Expert file 'x' is a.*, which ComfyUI loads itself; "
        rf"put it into models/\w+ and use its node .*\({node}\)\.$",
    ):
        load(str(tmp_path / "x.safetensors"), "x")
    assert node in comfy.nodes


@pytest.mark.parametrize("prefix, node", [("", "UNETLoader"), ("model.diffusion_model.", "CheckpointLoaderSimple")])
def test_a_file_of_stable_diffusion(load, tmp_path, host_networks, prefix, node):
    """All keys and shapes of the real thing over 1.7 GB of zeros that take no place on the disk."""
    header, place = {}, 0
    for key, value in {
        **{prefix + k: v for k, v in host_networks["SD15"].items()},
        **({"first_stage_model.x": torch.zeros(1)} if prefix else {}),
    }.items():
        header[key] = {"dtype": "F16", "shape": list(value.shape), "data_offsets": [place, place + 2 * value.numel()]}
        place += 2 * value.numel()
    text = json.dumps(header).encode()
    with open(tmp_path / "sd.safetensors", "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(8 + len(text) + place)
    with pytest.raises(
        ValueError,
        match=f"^Expert file 'sd' is a checkpoint of SD15, which ComfyUI loads itself; put it into models/.*{node}",
    ):
        load(str(tmp_path / "sd.safetensors"), "sd")
