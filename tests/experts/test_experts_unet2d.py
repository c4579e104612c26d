"""diffusers' UNet2DModel against its recorded answers."""
import importlib.util
import json

import pytest
import torch
from safetensors.torch import load_file

from support import vectors
from support.tensors import relative
from support.unet2d_experts import SCHEDULER, at_time, denoise, deprecated_names, load, write

VARIANTS = vectors.GOLDEN / "diffusers_unet2d_variants"


def recorder():
    spec = importlib.util.spec_from_file_location("record", VARIANTS / "record.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def golden(comfy, tmp_path_factory):
    return load(comfy, write(tmp_path_factory.mktemp("ddpm") / "ddpm", vectors.weights("diffusers_unet2d")))


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
    model = load(comfy, write(tmp_path / "old", deprecated_names(), name=name))
    case = vectors.cases("diffusers_unet2d")["case1"]
    z, sigma, out = at_time(case)
    assert relative(denoise(model, z, sigma), z - sigma[:, None, None, None] * out) <= 1e-5


@pytest.mark.parametrize("prediction, denoised", [
    ("epsilon", lambda z, s, out: z - s * out), ("sample", lambda z, s, out: out),
    ("v_prediction", lambda z, s, out: z / (1 + s ** 2) - out * s / (1 + s ** 2).sqrt()),
])
def test_prediction_types(comfy, tmp_path, prediction, denoised):
    model = load(
        comfy,
        write(
            tmp_path / "x",
            vectors.weights("diffusers_unet2d"),
            scheduler={**SCHEDULER, "prediction_type": prediction},
        ),
    )
    case = vectors.cases("diffusers_unet2d")["mixed_t"]
    z, sigma, out = at_time(case)
    assert relative(denoise(model, z, sigma), denoised(z, sigma[:, None, None, None], out)) <= 1e-5


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
    model = load(comfy, write(tmp_path / "x", vectors.weights("diffusers_unet2d")), dtype)
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
