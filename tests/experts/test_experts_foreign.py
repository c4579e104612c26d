"""Networks and files that ComfyUI loads itself: LoadExpert names them with the node that takes them."""
import json
import struct

import pytest
import torch
from safetensors.torch import save_file

from unite_and_conquer.devtools.families.family import known

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
def test_other_files_of_the_host(load_expert, comfy, tmp_path, key, node):
    save_file({key: torch.zeros(4, 4)}, tmp_path / "x.safetensors")
    with pytest.raises(
        ValueError,
        match=r"^Expert file 'x' is a.*, which ComfyUI loads itself; "
        rf"put it into models/\w+ and use its node .*\({node}\)\.$",
    ):
        load_expert(str(tmp_path / "x.safetensors"), "x")
    assert node in comfy.nodes


@pytest.mark.parametrize("prefix, node", [("", "UNETLoader"), ("model.diffusion_model.", "CheckpointLoaderSimple")])
def test_a_file_of_stable_diffusion(load_expert, tmp_path, host_networks, prefix, node):
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
        load_expert(str(tmp_path / "sd.safetensors"), "sd")
