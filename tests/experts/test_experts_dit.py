"""DiT and SiT: against the recorded reference, against an independent reading of the paper, and inside the host."""
import json
import math

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.nn import functional as F

from support import vectors
from support.tensors import relative
from unite_and_conquer.devtools.tiny_sd15 import conditioning as text
from unite_and_conquer.devtools.tiny_sd15 import tiny_unet

FAMILIES = ["dit", "sit"]
CASES = [(family, case) for family in FAMILIES for case in vectors.cases(family)]


@pytest.fixture(scope="module")
def load(comfy, tmp_path_factory):
    """load(network, name, weight_dtype, **changes to the sidecar) -> MODEL."""
    module = comfy.module("mcdm.experts.load")

    def load(network, name="expert.safetensors", weight_dtype=None, **changes):
        return module.load_expert(
            str(vectors.place(network, tmp_path_factory.mktemp(network), name, **changes)), name, weight_dtype
        )
    return load


@pytest.fixture(scope="module")
def golden(load):
    return {family: load(family) for family in FAMILIES}


def at_time(family, case):
    """(z, sigma, denoised in float64) of a recorded case, as the host sees it."""
    t, x, out = (case[k].double() for k in ("t", "x", "out"))
    if family == "sit":
        return x, 1 - t, x + (1 - t)[:, None, None, None] * out
    acp = torch.cumprod(1 - torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64), 0)
    logs = ((1 - acp) / acp).log() / 2
    low, high = t.floor().long(), t.ceil().long()
    sigma = (logs[low] + t.frac() * (logs[high] - logs[low])).exp()
    wide = sigma[:, None, None, None]
    z = x * (1 + wide ** 2).sqrt()
    return z, sigma, z - wide * out[:, :4]


def denoise(model, z, sigma, y, options=None):
    with torch.inference_mode():
        return model.model.apply_model(z.float(), sigma.float(), y=y, transformer_options=options or {})


# ----------------------------------------------------------------------------------------------------- recorded vectors

@pytest.mark.parametrize("family, name", CASES)
def test_recorded_answers(golden, family, name):
    case = vectors.cases(family)[name]
    z, sigma, denoised = at_time(family, case)
    assert relative(denoise(golden[family], z, sigma, case["y"]), denoised) <= 1e-5
    t = case["t"].float()
    with torch.inference_mode():
        out = golden[family].model.diffusion_model(case["x"], t if family == "dit" else 1 - t, y=case["y"])
    expected = case["out"][:, :4] * (1 if family == "dit" else -1)
    assert float((out - expected).abs().max()) <= vectors.meta(family)["tolerance"]["recommended_atol"]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("name", ["expert.pt", "expert.pth", "expert.ckpt", "expert.bin"])
def test_files_of_torch(load, family, name):
    case = vectors.cases(family)["mixed_t"]
    z, sigma, denoised = at_time(family, case)
    assert relative(denoise(load(family, name), z, sigma, case["y"]), denoised) <= 1e-5


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    "dtype, tolerance",
    [(torch.float16, 5e-3), (torch.bfloat16, 3e-2), (torch.float8_e4m3fn, 0.2), (torch.float8_e5m2, 0.4)],
)
def test_other_number_types(load, family, dtype, tolerance):
    model = load(family, weight_dtype=dtype)
    assert {p.dtype for p in model.model.diffusion_model.parameters()} == {dtype} and model.model.get_dtype() == dtype
    case = vectors.cases(family)["case1"]
    z, sigma, denoised = at_time(family, case)
    assert 1e-6 < relative(denoise(model, z, sigma, case["y"]), denoised) <= tolerance


def test_learned_variance_is_reachable(golden):
    case = vectors.cases("dit")["case1"]
    kept: list = []
    with torch.inference_mode():
        golden["dit"].model.diffusion_model(
            case["x"],
            case["t"],
            y=case["y"],
            transformer_options={"mcdm_learned_variance": kept, "cond_or_uncond": [1]},
        )
    assert kept[0][0] == [1]
    assert float((kept[0][1] - case["out"][:, 4:]).abs().max()) <= 4e-5
    with torch.inference_mode():
        golden["sit"].model.diffusion_model(
            case["x"], torch.ones(2), y=case["y"], transformer_options={"mcdm_learned_variance": kept}
        )
    assert len(kept) == 1               # the second half of SiT's channels is no variance


@pytest.mark.parametrize("family", FAMILIES)
def test_a_row_never_depends_on_its_neighbours(golden, family):
    case = vectors.cases(family)["mixed_t"]
    z, sigma, _ = at_time(family, case)
    both = denoise(golden[family], z, sigma, case["y"])
    for i in range(2):
        assert (
            relative(
                denoise(golden[family], z[i : i + 1], sigma[i : i + 1], case["y"][i : i + 1]), both[i : i + 1]
            )
            <= 1e-5
        )


# ------------------------------------------------------------------------------- other sizes, by an independent reading

def reference(state, heads, x, t, y):
    """DiT's forward, written out: patches, blocks with adaLN-Zero, softmax by hand. float64."""
    def linear(name, v):
        return v @ state[name + ".weight"].T + state[name + ".bias"]

    def norm(v, shift, scale):
        v = v - v.mean(-1, keepdim=True)
        return v / (v.square().mean(-1, keepdim=True) + 1e-6).sqrt() * (1 + scale[:, None]) + shift[:, None]
    p = state["x_embedder.proj.weight"].shape[-1]
    b, c, size, _ = x.shape
    patches = F.unfold(x, p, stride=p).transpose(1, 2)
    h = patches @ state["x_embedder.proj.weight"].flatten(1).T + state["x_embedder.proj.bias"] + state["pos_embed"]
    angles = t[:, None] * 10000.0 ** (-torch.arange(128, dtype=torch.float64) / 128)
    emb = linear("t_embedder.mlp.2", F.silu(linear("t_embedder.mlp.0", torch.cat([angles.cos(), angles.sin()], 1))))
    emb = F.silu(emb + state["y_embedder.embedding_table.weight"][y])
    block = 0
    while f"blocks.{block}.attn.qkv.weight" in state:
        name = f"blocks.{block}."
        m = linear(name + "adaLN_modulation.1", emb).chunk(6, 1)
        q, k, v = (
            linear(name + "attn.qkv", norm(h, m[0], m[1]))
            .view(b, -1, 3, heads, h.shape[-1] // heads)
            .permute(2, 0, 3, 1, 4)
        )
        a = (q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])).softmax(-1) @ v
        h = h + m[2][:, None] * linear(name + "attn.proj", a.transpose(1, 2).flatten(2))
        h = h + m[5][:, None] * linear(
            name + "mlp.fc2", F.gelu(linear(name + "mlp.fc1", norm(h, m[3], m[4])), approximate="tanh")
        )
        block += 1
    h = linear(
        "final_layer.linear", norm(h, *linear("final_layer.adaLN_modulation.1", emb).chunk(2, 1))
    )  # p, q, channel
    out = h.shape[-1] // p ** 2
    return F.fold(h.view(b, -1, p * p, out).transpose(2, 3).flatten(2).transpose(1, 2), size, p, stride=p)


def invented(hidden, depth, patch, mlp, classes, size, learn_sigma, seed):
    """A random state dict of DiT's and SiT's keys."""
    generator = torch.Generator().manual_seed(seed)
    shapes = {
        "x_embedder.proj": (hidden, 4, patch, patch),
        "t_embedder.mlp.0": (hidden, 256),
        "t_embedder.mlp.2": (hidden, hidden),
        "final_layer.linear": (patch * patch * (8 if learn_sigma else 4), hidden),
        "final_layer.adaLN_modulation.1": (2 * hidden, hidden),
    }
    for i in range(depth):
        shapes |= {
            f"blocks.{i}.attn.qkv": (3 * hidden, hidden),
            f"blocks.{i}.attn.proj": (hidden, hidden),
            f"blocks.{i}.mlp.fc1": (mlp, hidden),
            f"blocks.{i}.mlp.fc2": (hidden, mlp),
            f"blocks.{i}.adaLN_modulation.1": (6 * hidden, hidden),
        }
    state = {"pos_embed": torch.randn(1, (size // patch) ** 2, hidden, generator=generator),
             "y_embedder.embedding_table.weight": torch.randn(classes + 1, hidden, generator=generator)}
    for name, shape in shapes.items():
        state[name + ".weight"] = torch.randn(shape, generator=generator) / math.sqrt(math.prod(shape[1:]))
        state[name + ".bias"] = 0.1 * torch.randn(shape[0], generator=generator)
    return state


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
def test_other_numbers_of_steps(load, steps, rescale):
    """guided-diffusion scales its linear schedule by 1000/steps; rescaled time always counts to 1000."""
    model = load("dit", diffusion_steps=steps, rescale_timesteps=rescale).model
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
    state = load_file(vectors.GOLDEN / "dit" / "checkpoint.safetensors")

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
    write_folder(folder, diffusers(load_file(vectors.GOLDEN / "dit" / "checkpoint.safetensors")))
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
                - load_file(vectors.GOLDEN / "dit" / "checkpoint.safetensors")["pos_embed"]
            )
            .abs()
            .max()
        )
        <= 1e-6
    )


def test_a_diffusers_folder_with_embeddings_of_its_own_in_a_block_is_refused(comfy, tmp_path):
    state = diffusers(load_file(vectors.GOLDEN / "dit" / "checkpoint.safetensors"))
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
def test_a_missing_choice_is_named_with_its_candidates(load, family, key, choices):
    with pytest.raises(ValueError, match=f"'expert.safetensors'.* {key} .*{choices}.*expert.json"):
        load(family, **{key: None})


def test_without_a_word_dit_and_sit_are_not_told_apart(load):
    with pytest.raises(ValueError, match="family .*dit or sit"):
        load("dit", family=None, prediction=None)
    assert type(load("dit", family=None).model.diffusion_model).__name__ == "DiT"              # it predicts eps
    assert type(load("sit", family=None).model.diffusion_model).__name__ == "SiT"              # it predicts velocity


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
    state = load_file(vectors.GOLDEN / "dit" / "checkpoint.safetensors")
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
        ({"family": "unet2d"}, "are not; correct"),
        ({"prediction": "velocity"}, "must be eps"),
    ],
)
def test_impossible_choices_are_refused(load, changes, message):
    with pytest.raises(ValueError, match=message):
        load("dit", **changes)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_class_table_without_a_null(load, family):
    """Trained without dropping classes: no null row, class 0 stands in for it. The recorded networks have 21 rows."""
    plain, told = load(family).model.modalities["class"], load(family, num_classes=21).model.modalities["class"]
    assert (len(plain.labels), plain.null.tolist(), plain.trained_null) == (20, [20], True)
    assert (len(told.labels), told.null.tolist(), told.trained_null) == (21, [0], False)
    with pytest.raises(ValueError, match="21 rows, which does not fit num_classes 5"):
        load(family, num_classes=5)


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


def test_another_size_is_refused(golden):
    with pytest.raises(ValueError, match="only latents of 16 x 16"):
        denoise(golden["dit"], torch.randn(1, 4, 16, 24), torch.ones(1), torch.tensor([1]))


# ---------------------------------------------------------------------------------------------------------- in the host

def condition(comfy, label):
    return comfy.module("mcdm.experts.modality").conditioning({"y": torch.tensor([label])})


@pytest.mark.parametrize("family", FAMILIES)
def test_a_citizen_of_the_host(comfy, golden, family, monkeypatch):
    """Stock KSampler, a weight patch as a LoRA is one, the preview, and the latent space of SD 1.5 for the VAE."""
    import latent_preview
    model = golden[family]
    assert type(model.get_model_object("latent_format")).__name__ == "SD15"
    monkeypatch.setattr(latent_preview.args, "preview_method", latent_preview.LatentPreviewMethod.Latent2RGB)
    previewer = latent_preview.get_previewer(model.load_device, model.get_model_object("latent_format"))
    assert previewer.decode_latent_to_preview(torch.zeros(1, 4, 16, 16)).size == (16, 16)

    def draw(model):
        return comfy.call(
            "KSampler",
            model=model,
            seed=3,
            steps=3,
            cfg=2.0,
            sampler_name="euler",
            scheduler="normal",
            positive=condition(comfy, 4),
            negative=model.model.null_conditioning(),
            latent_image={"samples": torch.zeros(1, 4, 16, 16)},
            denoise=1.0,
        )[0]["samples"]
    plain = draw(model)
    assert torch.isfinite(plain).all()
    patched = model.clone()
    key = "diffusion_model.blocks.0.attn.qkv.weight"
    assert key in patched.add_patches({key: ("diff", (torch.full((288, 96), 0.02),))}, 1.0)
    assert relative(draw(patched), plain) > 1e-3
    assert relative(draw(model), plain) <= 1e-6            # and it is taken back


def test_sampling_overrides_of_a_flow(comfy, golden):
    """SD3's shift node counts to 1000, AuraFlow's to 1: both ask the network at the same time of its own.

    The steps differ from the plain ones.
    """
    case = vectors.cases("sit")["case1"]
    z, sigma, denoised = at_time("sit", case)
    for node in ("ModelSamplingSD3", "ModelSamplingAuraFlow", "ModelSamplingFlux"):
        shift = (
            {"max_shift": 1.15, "base_shift": 0.5, "width": 128, "height": 128}
            if node.endswith("Flux")
            else {"shift": 3.0}
        )
        model = comfy.call(node, model=golden["sit"], **shift)[0]
        model.patch_model()
        try:
            assert relative(denoise(model, z, sigma, case["y"]), denoised) <= 1e-5
            assert float(model.model.model_sampling.percent_to_sigma(0.5)) > 0.55
        finally:
            model.unpatch_model()


def test_sampling_overrides_of_a_schedule(comfy, golden):
    """The host's override keeps the network's own schedule and rounds t to whole steps."""
    case = vectors.cases("dit")["case1"]
    z, sigma, denoised = at_time("dit", case)
    model = comfy.call("ModelSamplingDiscrete", model=golden["dit"], sampling="eps", zsnr=False)[0]
    model.patch_model()
    try:
        assert float(model.model.model_sampling.sigma_max) == pytest.approx(157.4, abs=0.1)
        assert relative(denoise(model, z, sigma, case["y"]), denoised) <= 1e-5
    finally:
        model.unpatch_model()


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("lead", ["class", "text"])
def test_united_with_stable_diffusion(comfy, golden, family, lead):
    """Eq. 10 by hand: every network asked in its own frame at one sigma, t = sigma / (1 + sigma) of a flow."""
    import comfy.samplers as host
    unet = tiny_unet(0)
    model = golden[family]
    weights = (1.7, 0.6)
    reliabilities = (0.3, 0.7)
    null = model.model.null_conditioning()
    experts = {
        "class": comfy.call(
            "ConditionExpert", model=model, condition=condition(comfy, 7), null_condition=null, weight=weights[0]
        )[0],
        "text": comfy.call("ConditionExpert", model=unet, condition=text(1), null_condition=text(2), weight=weights[1])[
            0
        ],
    }
    order = ["class", "text"] if lead == "class" else ["text", "class"]
    numbers = dict(zip(("class", "text"), reliabilities, strict=True))
    mixture = comfy.call("ReliabilityMixer", expert_1=experts[order[0]], expert_2=experts[order[1]],
                         reliabilities=", ".join(str(numbers[o]) for o in order))[0]
    guider = comfy.call("MCDMGuider", mixture=mixture)[0]
    flow_leads = lead == "class" and family == "sit"
    z = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(5)).double()
    for sigma in (0.2, 1.5, 9.0):
        image = z * math.hypot(1, sigma)
        t = sigma / (1 + sigma)
        answers = []

        seen = (image * (1 - t) if flow_leads else image).float()

        def probe(model, noise, sigmas, extra_args=None, callback=None, disable=None, answers=answers, x=seen):
            answers.append(model(x, sigmas[:1], **extra_args))
            return x
        start = torch.zeros(1, 4, 16, 16)
        guider.sample(
            start,
            start,
            host.KSAMPLER(probe),
            torch.tensor([t if flow_leads else sigma, 0.0]),
            disable_pbar=True,
            seed=0,
        )

        def text_says(seed, image=image, sigma=sigma):
            with torch.no_grad():
                return unet.model.apply_model(
                    image.float(), torch.tensor([sigma]), c_crossattn=text(seed)[0][0]
                ).double()

        def class_says(y, image=image, sigma=sigma, t=t):
            place = (image * (1 - t), t) if family == "sit" else (image, sigma)
            return denoise(model, place[0], torch.tensor([place[1]]), torch.tensor([y])).double()
        blend = reliabilities[0] * class_says(20) + reliabilities[1] * text_says(2)
        expected = weights[0] * class_says(7) + weights[1] * text_says(1) - (sum(weights) - 1) * blend
        assert relative(answers[0], expected) <= 1e-5
