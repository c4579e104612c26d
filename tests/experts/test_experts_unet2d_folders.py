"""diffusers' UNet2DModel as a folder: its settings, those that are refused, and its use in the host."""
import json
import shutil

import pytest
import torch

from support import vectors
from support.tensors import relative
from support.unet2d_experts import CONFIG, SCHEDULER, at_time, denoise, deprecated_names, load, write


def test_a_file_beside_its_configs(comfy, tmp_path):
    """Chosen by its own name, or as NAME.safetensors with all of the settings in NAME.json."""
    case = vectors.cases("diffusers_unet2d")["case1"]
    z, sigma, out = at_time(case)
    name = "diffusion_pytorch_model.deprecated_names.safetensors"
    folder = write(tmp_path / "a", deprecated_names(), name=name)
    shutil.copyfile(folder / name, tmp_path / "ddpm.safetensors")
    (tmp_path / "ddpm.json").write_text(json.dumps({**CONFIG, **SCHEDULER, "family": "unet2d"}))
    for path in (folder / name, tmp_path / "ddpm.safetensors"):
        assert relative(denoise(load(comfy, path), z, sigma), z - sigma[:, None, None, None] * out) <= 1e-5


@pytest.mark.parametrize("changes, betas", [
    ({}, torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64)),
    ({"beta_start": 0.001, "beta_end": 0.012}, torch.linspace(0.001, 0.012, 1000, dtype=torch.float64)),
    ({"num_train_timesteps": 100}, torch.linspace(1e-4, 0.02, 100, dtype=torch.float64)),
    ({"beta_schedule": "scaled_linear"}, torch.linspace(0.01, 0.02 ** 0.5, 1000, dtype=torch.float64) ** 2),
    ({"trained_betas": [0.1, 0.2, 0.3]}, torch.tensor([0.1, 0.2, 0.3], dtype=torch.float64)),
    ({"beta_schedule": "squaredcos_cap_v2"}, None),
])
def test_schedules_of_diffusers(comfy, tmp_path, changes, betas):
    if betas is None:
        steps = torch.arange(1001, dtype=torch.float64) / 1000
        bar = torch.cos((steps + 0.008) / 1.008 * torch.pi / 2) ** 2
        betas = (1 - bar[1:] / bar[:-1]).clamp(max=0.999)
    acp = torch.cumprod(1 - betas, 0)
    sampling = load(
        comfy,
        write(tmp_path / "x", vectors.weights("diffusers_unet2d"), scheduler={**SCHEDULER, **changes}),
    ).model.model_sampling
    sigmas = ((1 - acp) / acp).sqrt()
    assert float((sampling.sigmas / sigmas - 1).abs().max()) <= 1e-6
    assert float((sampling.timestep(sigmas.float()) - torch.arange(len(acp))).abs().max()) <= 2e-3


def test_zero_terminal_snr(comfy, tmp_path):
    scheduler = {**SCHEDULER, "rescale_betas_zero_snr": True, "prediction_type": "v_prediction"}
    sampling = load(
        comfy, write(tmp_path / "x", vectors.weights("diffusers_unet2d"), scheduler=scheduler)
    ).model.model_sampling
    assert float(sampling.sigma_max) > 4000 and float(sampling.sigma_min) == pytest.approx(0.01, rel=1e-3)

@pytest.mark.parametrize(
    "config, scheduler, message",
    [
        ({"block_out_channels": None}, {}, "block_out_channels"),
        ({"block_out_channels": [32, -1, 64]}, {}, "whole numbers"),
        (
            {"down_block_types": ["DownBlock2D", "SkipDownBlock2D", "DownBlock2D"]},
            {},
            "SkipDownBlock2D.*supported: DownBlock2D",
        ),
        ({"up_block_types": ["UpBlock2D"]}, {}, "one for each of block_out_channels"),
        ({"layers_per_block": 10**9}, {}, "impossible"),
        ({"layers_per_block": 2}, {}, "missing"),
        ({"norm_num_groups": 7}, {}, "divisible"),
        ({"time_embedding_type": "fourier"}, {}, "supported: positional"),
        ({"act_fn": "snake"}, {}, "supported: silu"),
        ({"in_channels": 4}, {}, "takes 4 channels"),
        ({"norm_eps": float("nan")}, {}, "norm_eps"),
        ({"class_embed_type": "identity"}, {}, "class_embed_type"),
        ({"mid_block_scale_factor": 0}, {}, "divides"),
        ({"vqvae": ["diffusers", "VQModel"]}, {}, "autoencoder"),
        ({}, {"beta_schedule": "laplace"}, "must be linear"),
        ({}, {"beta_schedule": None}, "diffusion_steps"),
        ({}, {"num_train_timesteps": None}, "num_train_timesteps"),
        ({}, {"prediction_type": "flow"}, "must be eps"),
        ({}, {"beta_end": 2.0}, "between 0 and 1"),
        ({}, {"beta_start": "low"}, "a number"),
        ({"attention_head_dim": 5}, {}, "with another shape"),
        ({"attention_head_dim": 0}, {}, "impossible"),
        ({"attention_head_dim": "many"}, {}, "whole number"),
    ],
)
def test_impossible_settings(comfy, tmp_path, config, scheduler, message):
    folder = write(
        tmp_path / "broken",
        vectors.weights("diffusers_unet2d"),
        {**CONFIG, **config},
        {**SCHEDULER, **scheduler},
    )
    with pytest.raises(ValueError, match=f"'broken'.*{message}"):
        load(comfy, folder)

def test_a_citizen_of_the_host(comfy):
    """An entry of the combo, in a subfolder, under KSampler, a weight patch, a sampling override, and pixel_space."""
    write(comfy.base / "models" / "experts" / "unconditional" / "ddpm", deprecated_names())
    name = next(n for n in comfy.nodes["LoadExpert"].define_schema().inputs[0].options if n.endswith("ddpm"))
    model = comfy.call("LoadExpert", expert=name, weight_dtype="float32")[0]
    nothing = model.model.null_conditioning()

    def draw(model):
        return comfy.call(
            "KSampler",
            model=model,
            seed=3,
            steps=4,
            cfg=1.0,
            sampler_name="euler",
            scheduler="normal",
            positive=nothing,
            negative=nothing,
            latent_image={"samples": torch.zeros(1, 3, 16, 24)},
            denoise=1.0,
        )[0]
    plain = draw(model)["samples"]
    assert torch.isfinite(plain).all() and plain.shape == (1, 3, 16, 24)
    patched, key = model.clone(), "diffusion_model.mid_block.attentions.0.to_q.weight"
    assert key in patched.add_patches({key: ("diff", (torch.full((64, 64), 0.05),))}, 1.0)
    assert relative(draw(patched)["samples"], plain) > 1e-4
    assert relative(draw(model)["samples"], plain) <= 1e-6
    override = draw(comfy.call("ModelSamplingDiscrete", model=model, sampling="eps", zsnr=False)[0])["samples"]
    assert relative(override, plain) <= 1e-4  # the same schedule; "normal" lands on whole steps here
    assert comfy.call("VAEDecode", vae=comfy.call("VAELoader", vae_name="pixel_space")[0], samples={"samples": plain})[
        0
    ].shape == (1, 16, 24, 3)
