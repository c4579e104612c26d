"""Made variants.json and variants.safetensors here, with PyPI diffusers 0.42.1; the tests need only what it made.

Each variant is a small UNet2DModel whose weights follow from a seed (see weights). Its output is recorded in float32,
on the CPU, in eval mode.
"""
import json
from pathlib import Path

import torch

BASE = {
    "sample_size": 8,
    "block_out_channels": [8, 16],
    "down_block_types": ["AttnDownBlock2D", "DownBlock2D"],
    "up_block_types": ["UpBlock2D", "AttnUpBlock2D"],
    "layers_per_block": 1,
    "norm_num_groups": 4,
}
VARIANTS = {
    "defaults": {},
    "ddpm": {
        "attention_head_dim": None, "flip_sin_to_cos": False, "freq_shift": 1, "downsample_padding": 0,
        "norm_eps": 1e-6, "layers_per_block": 2,
    },
    "scale_shift": {"resnet_time_scale_shift": "scale_shift", "act_fn": "mish", "attention_head_dim": 4},
    "scale_shift_with_norm": {
        "resnet_time_scale_shift": "scale_shift", "attn_norm_num_groups": 2, "mid_block_scale_factor": 1.4,
    },
    "classes": {"num_class_embeds": 7, "norm_num_groups": 2},
    "resnet_between": {"downsample_type": "resnet", "upsample_type": "resnet"},
    "without_attention": {"add_attention": False, "center_input_sample": True, "act_fn": "gelu"},
    "learned_variance": {"out_channels": 6, "time_embedding_dim": 24},
    "without_middle": {"mid_block_type": None},
    "three_levels": {
        "block_out_channels": [8, 8, 24],
        "down_block_types": ["DownBlock2D", "AttnDownBlock2D", "DownBlock2D"],
        "up_block_types": ["AttnUpBlock2D", "UpBlock2D", "AttnUpBlock2D"],
        "layers_per_block": 3,
        "norm_num_groups": 8,
    },
}


def weights(shapes):
    """{key: shape} to a state dict: normal numbers in the order of the sorted keys; norms scale by about 1."""
    generator = torch.Generator().manual_seed(7)
    state = {}
    for key in sorted(shapes):
        is_scale = key.endswith("weight") and len(shapes[key]) == 1
        state[key] = 0.15 * torch.randn(shapes[key], generator=generator) + is_scale
    return state


def inputs():
    """(x [2, 3, 8, 12], t [2], y [2])."""
    x = torch.randn(2, 3, 8, 12, generator=torch.Generator().manual_seed(1))
    return x, torch.tensor([3.7, 801.0]), torch.tensor([1, 5])


if __name__ == "__main__":
    from diffusers import UNet2DModel
    from safetensors.torch import save_file
    here = Path(__file__).parent
    outputs = {}
    configs = {}
    for name, changes in VARIANTS.items():
        network = UNet2DModel(**BASE | changes).eval()
        network.load_state_dict(weights({k: v.shape for k, v in network.state_dict().items()}))
        x, t, y = inputs()
        labels = y if "num_class_embeds" in changes else None
        with torch.inference_mode():
            outputs[name] = network(x, t, class_labels=labels).sample.contiguous()
        configs[name] = dict(network.config)
    save_file(outputs, here / "variants.safetensors")
    (here / "variants.json").write_text(json.dumps(configs, indent=1, sort_keys=True) + "\n")
