"""DiT and SiT against the recorded reference and against an independent reading of the paper."""
import pytest
import torch
from safetensors.torch import save_file

from support import vectors
from support.dit_experts import FAMILIES, at_time, denoise, invented, reference
from support.tensors import relative

CASES = [(family, case) for family in FAMILIES for case in vectors.cases(family)]


# ----------------------------------------------------------------------------------------------------- recorded vectors

@pytest.mark.parametrize("family, name", CASES)
def test_recorded_answers(dits, family, name):
    case = vectors.cases(family)[name]
    z, sigma, denoised = at_time(family, case)
    assert relative(denoise(dits[family], z, sigma, case["y"]), denoised) <= 1e-5
    t = case["t"].float()
    with torch.inference_mode():
        out = dits[family].model.diffusion_model(case["x"], t if family == "dit" else 1 - t, y=case["y"])
    expected = case["out"][:, :4] * (1 if family == "dit" else -1)
    assert float((out - expected).abs().max()) <= vectors.meta(family)["tolerance"]["recommended_atol"]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("name", ["expert.pt", "expert.pth", "expert.ckpt", "expert.bin"])
def test_files_of_torch(load_dit, family, name):
    case = vectors.cases(family)["mixed_t"]
    z, sigma, denoised = at_time(family, case)
    assert relative(denoise(load_dit(family, name), z, sigma, case["y"]), denoised) <= 1e-5


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    "dtype, tolerance",
    [(torch.float16, 5e-3), (torch.bfloat16, 3e-2), (torch.float8_e4m3fn, 0.2), (torch.float8_e5m2, 0.4)],
)
def test_other_number_types(load_dit, family, dtype, tolerance):
    model = load_dit(family, weight_dtype=dtype)
    assert {p.dtype for p in model.model.diffusion_model.parameters()} == {dtype} and model.model.get_dtype() == dtype
    case = vectors.cases(family)["case1"]
    z, sigma, denoised = at_time(family, case)
    assert 1e-6 < relative(denoise(model, z, sigma, case["y"]), denoised) <= tolerance


def test_learned_variance_is_reachable(dits):
    case = vectors.cases("dit")["case1"]
    kept: list = []
    with torch.inference_mode():
        dits["dit"].model.diffusion_model(
            case["x"],
            case["t"],
            y=case["y"],
            transformer_options={"mcdm_learned_variance": kept, "cond_or_uncond": [1]},
        )
    assert kept[0][0] == [1]
    assert float((kept[0][1] - case["out"][:, 4:]).abs().max()) <= 4e-5
    with torch.inference_mode():
        dits["sit"].model.diffusion_model(
            case["x"], torch.ones(2), y=case["y"], transformer_options={"mcdm_learned_variance": kept}
        )
    assert len(kept) == 1               # the second half of SiT's channels is no variance


@pytest.mark.parametrize("family", FAMILIES)
def test_a_row_never_depends_on_its_neighbours(dits, family):
    case = vectors.cases(family)["mixed_t"]
    z, sigma, _ = at_time(family, case)
    both = denoise(dits[family], z, sigma, case["y"])
    for i in range(2):
        assert (
            relative(
                denoise(dits[family], z[i : i + 1], sigma[i : i + 1], case["y"][i : i + 1]), both[i : i + 1]
            )
            <= 1e-5
        )


# ------------------------------------------------------------------------------- other sizes, by an independent reading

@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    "hidden, depth, patch, mlp, classes, size, heads, learn_sigma",
    [
        (64, 1, 1, 128, 3, 4, 2, True),
        (48, 2, 4, 200, 5, 16, 12, False),
        (96, 12, 8, 384, 1000, 16, 3, True),
        (72, 2, 2, 72, 2, 6, 1, False),
    ],
)
def test_networks_of_other_sizes(comfy, tmp_path, family, hidden, depth, patch, mlp, classes, size, heads, learn_sigma):
    state = invented(hidden, depth, patch, mlp, classes, size, learn_sigma, seed=hidden)
    told = {"family": family, "num_heads": heads} | (
        {"noise_schedule": "linear", "diffusion_steps": 1000, "prediction": "eps"} if family == "dit" else {}
    )
    save_file(state, tmp_path / "x.safetensors", metadata={k: str(v) for k, v in told.items()})
    model = comfy.module("mcdm.experts.load").load_expert(str(tmp_path / "x.safetensors"), "x").model
    assert model.fixed_size == (size, size) and len(model.modalities["class"].labels) == classes
    x, y = torch.randn(2, 4, size, size, generator=torch.Generator().manual_seed(1)), torch.tensor([classes, 1])
    t = torch.tensor([0.25, 0.9]) if family == "sit" else torch.tensor([3.5, 700.0])
    expected = reference({k: v.double() for k, v in state.items()}, heads, x.double(), t.double(), y)[:, :4]
    with torch.inference_mode():
        out = model.diffusion_model(x, 1 - t if family == "sit" else t, y=y)
    assert relative(out, -expected if family == "sit" else expected) <= 1e-5


@pytest.mark.parametrize("steps, rescale", [(4000, False), (4000, True), (250, True)])
def test_other_numbers_of_steps(load_dit, steps, rescale):
    """guided-diffusion scales its linear schedule by 1000/steps; rescaled time always counts to 1000."""
    model = load_dit("dit", diffusion_steps=steps, rescale_timesteps=rescale).model
    betas = torch.linspace(0.1 / steps, 20 / steps, steps, dtype=torch.float64)
    acp = torch.cumprod(1 - betas, 0)
    for step in (0, steps // 3, steps - 1):
        sigma = ((1 - acp[step]) / acp[step]).sqrt().float().view(1)
        assert float(model.process_timestep(model.model_sampling.timestep(sigma))) == pytest.approx(
            step * (1000 / steps if rescale else 1), abs=2e-2
        )
    assert model.model_sampling.percent_to_sigma(1e-9) == pytest.approx(float(model.model_sampling.sigma_max), rel=1e-4)


def test_a_newer_host_makes_its_layers_when_they_are_loaded(comfy):
    """With dynamic VRAM, Linear and Embedding have no weights before load_state_dict, which checks no shapes."""
    import comfy.ops as ops

    def load(layer, state_dict, prefix, local_metadata, strict, missing, unexpected, errors):
        own = {
            k: torch.nn.Parameter(state_dict[prefix + k], requires_grad=False)
            for k in ("weight", "bias")
            if prefix + k in state_dict
        }
        layer.weight, layer.bias = own.get("weight"), own.get("bias")

    class Lazy(ops.disable_weight_init):
        class Linear(ops.disable_weight_init.Linear):
            def __init__(self, in_features, out_features, bias=True, device=None, dtype=None):
                torch.nn.Module.__init__(self)
                self.in_features = in_features
                self.out_features = out_features
                self.comfy_need_lazy_init_bias = bias
                self.weight = self.bias = None
            _load_from_state_dict = load

        class Embedding(ops.disable_weight_init.Embedding):
            def __init__(self, num_embeddings, embedding_dim, device=None, dtype=None):
                torch.nn.Module.__init__(self)
                self.num_embeddings = num_embeddings
                self.embedding_dim = embedding_dim
                self.weight = None
                self.padding_idx = self.max_norm = None
                self.norm_type = 2.0
                self.scale_grad_by_freq = False
                self.sparse = False
            _load_from_state_dict = load
    dit = comfy.module("mcdm.experts.networks.dit")
    load_weights = comfy.module("mcdm.experts.weights").load_weights
    state = vectors.weights("dit")

    def network():
        return dit.DiT(dit.Shape.read(state), 6, ops=Lazy, device="meta")
    case = vectors.cases("dit")["case1"]
    with torch.inference_mode():
        out = load_weights(network(), dict(state), torch.float32)(case["x"], case["t"], y=case["y"])
    assert relative(out, case["out"][:, :4]) <= 1e-5
    for wrong in (
        {k: v for k, v in state.items() if k != "blocks.1.mlp.fc1.bias"},
        state | {"y_embedder.embedding_table.weight": torch.zeros(21, 95)},
    ):
        with pytest.raises(ValueError, match="blocks.1.mlp.fc1.bias|embedding_table"):
            load_weights(network(), dict(wrong), torch.float32)

def test_another_size_is_refused(dits):
    with pytest.raises(ValueError, match="only latents of 16 x 16"):
        denoise(dits["dit"], torch.randn(1, 4, 16, 24), torch.ones(1), torch.tensor([1]))
