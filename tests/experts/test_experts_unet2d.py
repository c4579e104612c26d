"""diffusers' UNet2DModel against its recorded answers, and as a folder in the host."""
import importlib.util
import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from support import vectors
from support.tensors import relative

NETWORK = vectors.GOLDEN / "diffusers_unet2d"
VARIANTS = vectors.GOLDEN / "diffusers_unet2d_variants"
DEPRECATED = "diffusion_pytorch_model.deprecated_names.safetensors"
CONFIG = json.loads((NETWORK / "config.json").read_text())
SCHEDULER = json.loads((NETWORK / "scheduler_config.json").read_text())


def recorder():
    spec = importlib.util.spec_from_file_location("record", VARIANTS / "record.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def write(folder, weights, config=CONFIG, scheduler=SCHEDULER, name="diffusion_pytorch_model.safetensors"):
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "scheduler_config.json").write_text(json.dumps(scheduler))
    if isinstance(weights, dict):
        (torch.save if name.endswith(".bin") else save_file)(weights, folder / name)
    else:
        shutil.copyfile(weights, folder / name)
    return folder


def load(comfy, folder, weight_dtype=None):
    return comfy.module("mcdm.experts.load").load_expert(str(folder), folder.name, weight_dtype)


@pytest.fixture(scope="module")
def golden(comfy, tmp_path_factory):
    return load(comfy, write(tmp_path_factory.mktemp("ddpm") / "ddpm", NETWORK / "diffusion_pytorch_model.safetensors"))


def at_time(case):
    """(z, sigma, network's output) in float64; t between two steps is linear in log sigma."""
    t, x = case["t"].double(), case["x"].double()
    acp = torch.cumprod(1 - torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64), 0)
    logs = ((1 - acp) / acp).log() / 2
    low, high = t.floor().long(), t.ceil().long()
    sigma = (logs[low] + t.frac() * (logs[high] - logs[low])).exp()
    return x * (1 + sigma ** 2).sqrt()[:, None, None, None], sigma, case["out"].double()


def denoise(model, z, sigma, **conditions):
    with torch.inference_mode():
        return model.model.apply_model(z.float(), sigma.float(), **conditions)


@pytest.mark.parametrize("name", vectors.cases("diffusers_unet2d"))
def test_recorded_answers(golden, name):
    case = vectors.cases("diffusers_unet2d")[name]
    z, sigma, out = at_time(case)
    assert relative(denoise(golden, z, sigma), z - sigma[:, None, None, None] * out) <= 1e-5
    with torch.inference_mode():
        difference = golden.model.diffusion_model(case["x"], case["t"]) - case["out"]
    assert float(difference.abs().max()) <= vectors.meta("diffusers_unet2d")["tolerance"]["recommended_atol"]
    if "pred_original_sample" in case:          # diffusers' own scheduler, whose betas are float32
        assert relative(denoise(golden, z, sigma), case["pred_original_sample"]) <= 1e-4


@pytest.mark.parametrize(
    "name",
    ["diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.bin", "diffusion_pytorch_model.fp32.safetensors"],
)
def test_attention_under_deprecated_names(comfy, tmp_path, name):
    model = load(comfy, write(tmp_path / "old", load_file(NETWORK / DEPRECATED), name=name))
    case = vectors.cases("diffusers_unet2d")["case1"]
    z, sigma, out = at_time(case)
    assert relative(denoise(model, z, sigma), z - sigma[:, None, None, None] * out) <= 1e-5


def test_a_file_beside_its_configs(comfy, tmp_path):
    """Chosen by its own name, or as NAME.safetensors with all of the settings in NAME.json."""
    case = vectors.cases("diffusers_unet2d")["case1"]
    z, sigma, out = at_time(case)
    folder = write(tmp_path / "a", NETWORK / DEPRECATED, name=DEPRECATED)
    shutil.copyfile(NETWORK / DEPRECATED, tmp_path / "ddpm.safetensors")
    (tmp_path / "ddpm.json").write_text(json.dumps({**CONFIG, **SCHEDULER, "family": "unet2d"}))
    for path in (folder / DEPRECATED, tmp_path / "ddpm.safetensors"):
        assert relative(denoise(load(comfy, path), z, sigma), z - sigma[:, None, None, None] * out) <= 1e-5


@pytest.mark.parametrize("prediction, denoised", [
    ("epsilon", lambda z, s, out: z - s * out), ("sample", lambda z, s, out: out),
    ("v_prediction", lambda z, s, out: z / (1 + s ** 2) - out * s / (1 + s ** 2).sqrt()),
])
def test_prediction_types(comfy, tmp_path, prediction, denoised):
    model = load(
        comfy,
        write(
            tmp_path / "x",
            NETWORK / "diffusion_pytorch_model.safetensors",
            scheduler={**SCHEDULER, "prediction_type": prediction},
        ),
    )
    case = vectors.cases("diffusers_unet2d")["mixed_t"]
    z, sigma, out = at_time(case)
    assert relative(denoise(model, z, sigma), denoised(z, sigma[:, None, None, None], out)) <= 1e-5


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
        write(tmp_path / "x", NETWORK / "diffusion_pytorch_model.safetensors", scheduler={**SCHEDULER, **changes}),
    ).model.model_sampling
    sigmas = ((1 - acp) / acp).sqrt()
    assert float((sampling.sigmas / sigmas - 1).abs().max()) <= 1e-6
    assert float((sampling.timestep(sigmas.float()) - torch.arange(len(acp))).abs().max()) <= 2e-3


def test_zero_terminal_snr(comfy, tmp_path):
    scheduler = {**SCHEDULER, "rescale_betas_zero_snr": True, "prediction_type": "v_prediction"}
    sampling = load(
        comfy, write(tmp_path / "x", NETWORK / "diffusion_pytorch_model.safetensors", scheduler=scheduler)
    ).model.model_sampling
    assert float(sampling.sigma_max) > 4000 and float(sampling.sigma_min) == pytest.approx(0.01, rel=1e-3)


@pytest.mark.parametrize("name", json.loads((VARIANTS / "variants.json").read_text()))
def test_other_networks(comfy, tmp_path, name):
    record = recorder()
    config = json.loads((VARIANTS / "variants.json").read_text())[name]
    expected = load_file(VARIANTS / "variants.safetensors")[name]
    unet2d, settings = comfy.module("mcdm.experts.unet2d"), comfy.module("mcdm.experts.config").Config(folder=config)
    import comfy.ops as ops
    network = unet2d.UNet2D(unet2d.read_settings(settings, 10_000), ops=ops.disable_weight_init, device="meta")
    weights = record.weights({k: v.shape for k, v in network.state_dict().items()})
    model = load(comfy, write(tmp_path / name, weights, config))
    x, t, y = record.inputs()
    kept: list = []
    with torch.inference_mode():
        out = model.model.diffusion_model(x, t, y=y, transformer_options={"mcdm_learned_variance": kept})
    assert relative(out, expected[:, :3]) <= 1e-5
    assert [relative(variance, expected[:, 3:]) <= 1e-5 for _, variance in kept] == [True] * (
        name == "learned_variance"
    )
    modality = model.model.modalities.get("class")
    assert (modality and (len(modality.labels), modality.trained_null, modality.null.tolist())) == (
        (7, False, [0]) if name == "classes" else None
    )


@pytest.mark.parametrize(
    "dtype, tolerance", [(torch.float16, 5e-3), (torch.bfloat16, 3e-2), (torch.float8_e4m3fn, 0.3)]
)
def test_other_number_types(comfy, tmp_path, dtype, tolerance):
    model = load(comfy, write(tmp_path / "x", NETWORK / "diffusion_pytorch_model.safetensors"), dtype)
    assert {p.dtype for p in model.model.diffusion_model.parameters()} == {dtype}
    case = vectors.cases("diffusers_unet2d")["case1"]
    z, sigma, out = at_time(case)
    assert 1e-6 < relative(denoise(model, z, sigma), z - sigma[:, None, None, None] * out) <= tolerance


def test_rows_and_sizes(golden):
    z, sigma = 3 * torch.randn(2, 3, 16, 24, generator=torch.Generator().manual_seed(2)), torch.tensor([0.7, 3.0])
    both = denoise(golden, z, sigma)
    for i in range(2):
        assert relative(denoise(golden, z[i:i + 1], sigma[i:i + 1]), both[i:i + 1]) <= 1e-5
    with pytest.raises(ValueError, match="multiples of 4, not 18 x 16"):
        denoise(golden, z[..., :18], sigma)


# ------------------------------------------------------------------------------------------------------ what is refused

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
        NETWORK / "diffusion_pytorch_model.safetensors",
        {**CONFIG, **config},
        {**SCHEDULER, **scheduler},
    )
    with pytest.raises(ValueError, match=f"'broken'.*{message}"):
        load(comfy, folder)


# ---------------------------------------------------------------------------------------------------------- in the host

def test_a_citizen_of_the_host(comfy):
    """An entry of the combo, in a subfolder, under KSampler, a weight patch, a sampling override, and pixel_space."""
    write(comfy.base / "models" / "experts" / "unconditional" / "ddpm", NETWORK / DEPRECATED)
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
