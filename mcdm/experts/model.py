"""A network that the host lacks, wrapped into an ordinary ComfyUI MODEL."""
import dataclasses
from collections.abc import Callable

import comfy.conds
import comfy.latent_formats
import comfy.model_base
import comfy.model_management
import comfy.model_patcher
import comfy.model_sampling
import comfy.ops
import comfy.supported_models_base
import torch

CONDITION = "mcdm_condition"        # key of a CONDITIONING's dict under which {input of the network: tensor} travels


@dataclasses.dataclass(frozen=True)
class Modality:
    """One kind of condition that a network takes.

    kind: "map", "text", "class" or "vector". key: the network's keyword. null: what it was trained to see for "no condition", [1, ...].
    encoding: of a map, "binary" (-1 outside, +1 inside) or "edges" (the same of Canny's edges). labels: words or class names.
    trained_null: whether the network saw that null in training, or it is only what its authors took.
    parts: further inputs that come with it, {keyword: null}: the mask of a text's tokens. encoder: the DualEncoder whose vectors it takes.
    """
    name: str
    kind: str
    key: str
    null: torch.Tensor
    encoding: str = ""
    labels: tuple[str, ...] = ()
    synonyms: dict[str, str] = dataclasses.field(default_factory=dict)
    trained_null: bool = True
    parts: dict[str, torch.Tensor] = dataclasses.field(default_factory=dict)
    encoder: torch.nn.Module | None = None

    @property
    def nulls(self):
        """{keyword of the network: its null}, all inputs of this modality."""
        return {self.key: self.null, **self.parts}


@dataclasses.dataclass(frozen=True)
class Family:
    """NAME; recognises(state, config) -> bool; build(state, config, weight_dtype) -> ExpertModel, ValueError where something is missing."""
    NAME: str
    recognises: Callable
    build: Callable


class X0Sampling(comfy.model_sampling.ModelSamplingContinuousEDM, comfy.model_sampling.X0):
    """The network's output is the clean picture; its input is scaled to unit variance by sigma_data."""


class ExpertModel(comfy.model_base.BaseModel):
    """The host's BaseModel around any network called as `network(x, timesteps, context, control, transformer_options, **conditions)`.

    sampling: a class of the host's model_sampling, such as schedules.sampling makes. modalities: what the network is conditioned on.
    fixed_size: (height, width) in latent cells if it knows no other. memory_usage_factor: the host's measure of working memory.
    """

    def __init__(self, network, sampling, modalities, fixed_size=None, compute_dtype=None, latent_format=comfy.latent_formats.ChromaRadiance,
                 memory_usage_factor=4.0, **sampling_settings):
        config = comfy.supported_models_base.BASE({"disable_unet_model_creation": True})
        config.latent_format, config.memory_usage_factor, config.manual_cast_dtype = latent_format(), memory_usage_factor, compute_dtype
        super().__init__(config)
        config.sampling_settings = getattr(sampling, "settings", {}) | sampling_settings        # the host's sampling overrides read them
        self.diffusion_model = network.eval()
        self.model_sampling = sampling(config)
        self.time_scale = getattr(sampling, "time_scale", 1.0)
        self.modalities = {m.name: m for m in modalities}
        self.nulls = {k: v for m in modalities for k, v in m.nulls.items()}
        self.null = conditioning(self.nulls)
        self.fixed_size = fixed_size

    def process_timestep(self, timestep, **kwargs):
        """The host's time in the network's unit: a sampling override of a flow may count to 1000, a network to 1000 of its own."""
        return timestep * (self.time_scale / getattr(self.model_sampling, "multiplier", 1.0))

    def null_conditioning(self, condition=None):
        """The CONDITIONING with which this network stands alone: one object, so that experts of one MODEL share its evaluation.

        condition: the CONDITIONING that it is the null to.
        """
        return self.null

    def pair(self, condition, null):
        """A condition and its null (CONDITIONINGs) as they are asked, for a network whose answer to the one depends on the other."""
        return condition, null

    def extra_conds(self, **kwargs):
        conditions = self.nulls | kwargs.get(CONDITION, {})
        foreign = conditions.keys() - self.nulls.keys()
        if foreign:
            raise ValueError(f"This expert takes {', '.join(self.modalities)}; its condition holds {', '.join(sorted(foreign))}, made for another expert.")
        device = kwargs["device"]
        return {k: (comfy.conds.CONDNoiseShape if v.ndim >= 4 else comfy.conds.CONDRegular)(v.to(device)) for k, v in conditions.items()}


def conditioning(conditions, into=None):
    """A CONDITIONING that holds {input of the network: tensor}, added to those of `into` if given."""
    if into is None:
        return [[torch.zeros(1, 1, 1), {CONDITION: conditions}]]
    return [[c, {**d, CONDITION: {**d.get(CONDITION, {}), **conditions}}] for c, d in into]


def dtypes(weight_dtype, parameters, stored):
    """(dtype of the weights, dtype to compute in or None) on the host's device; weight_dtype None leaves the choice to the host."""
    device = comfy.model_management.get_torch_device()
    if weight_dtype is None:
        weight_dtype = comfy.model_management.unet_dtype(device=device, model_params=parameters, weight_dtype=stored)
    return weight_dtype, comfy.model_management.unet_manual_cast(weight_dtype, device)


def operations(dtype, compute_dtype, fast=False):
    """The host's layers: they cast their weights where the weights' type is not the one to compute in. fast: multiply in fp8 where the device can."""
    return comfy.ops.pick_operations(dtype, compute_dtype, fp8_optimizations=fast)


def fill(network, state, dtype):
    """Moves the tensors of `state` (emptied) into a network made with device="meta", one copy each, in `dtype`; sets network.dtype and returns it.

    Raises ValueError, naming the first few keys, for keys that are missing or left over, other shapes, and values that are no finite numbers in `dtype`.
    """
    wanted = _shapes(network)
    wrong = {"missing keys": wanted.keys() - state.keys(), "keys left over": state.keys() - wanted.keys(),
             "keys of another shape": {k for k in wanted.keys() & state.keys() if wanted[k] != state[k].shape}}
    if any(wrong.values()):
        raise ValueError("; ".join(f"{what}: {', '.join(sorted(keys)[:3])}{f' and {len(keys) - 3} more' if len(keys) > 3 else ''}"
                                   for what, keys in wrong.items() if keys))
    filled = {}
    for key in wanted:
        tensor = state.pop(key)
        if not tensor.is_floating_point():
            raise ValueError(f"{key} is of the type {str(tensor.dtype).removeprefix('torch.')}, but weights are floating-point numbers")
        low, high = torch.aminmax(tensor.half() if tensor.dtype.itemsize == 1 else tensor)
        if not -torch.finfo(dtype).max <= float(low) <= float(high) <= torch.finfo(dtype).max:          # NaN fails every comparison
            raise ValueError(f"{key} holds NaN, infinite values or values too large for {str(dtype).removeprefix('torch.')}")
        filled[key] = torch.empty(tensor.shape, dtype=dtype).copy_(tensor)
    network.load_state_dict(filled, assign=True)
    network.dtype = dtype
    return network


def _shapes(network):
    """{key: shape} of what a network holds. Newer hosts make the weights of some layers only when they are loaded."""
    shapes = {k: tuple(v.shape) for k, v in network.state_dict().items()}
    for name, layer in network.named_modules():
        if getattr(layer, "weight", shapes) is not None:
            continue
        if isinstance(layer, torch.nn.Linear):
            shapes[f"{name}.weight"] = layer.out_features, layer.in_features
            if layer.comfy_need_lazy_init_bias:
                shapes[f"{name}.bias"] = (layer.out_features,)
        elif isinstance(layer, torch.nn.Embedding):
            shapes[f"{name}.weight"] = layer.num_embeddings, layer.embedding_dim
    return shapes


def mean_and_variance(out, channels, transformer_options):
    """The first `channels` of a network's output; the rest, a learned variance, goes to the list "mcdm_learned_variance" of the options if there is one."""
    kept = transformer_options.get("mcdm_learned_variance")
    if kept is not None and out.shape[1] > channels:
        kept.append((transformer_options.get("cond_or_uncond"), out[:, channels:]))
    return out[:, :channels]


def classes(count, null=None, trained_null=True, names=None):
    """The modality of a network with `count` classes, given as `y` [B] int64; 1000 of them are ImageNet's. null: the index of its null class."""
    if names is None and count == 1000:
        from torchvision.models import get_weight
        names = get_weight("ResNet50_Weights.IMAGENET1K_V1").meta["categories"]
    labels = tuple(names or map(str, range(count)))
    return Modality("class", "class", "y", torch.tensor([0 if null is None else null]), labels=labels, trained_null=trained_null)


def patcher(model):
    """The MODEL of an ExpertModel, on the host's devices."""
    return comfy.model_patcher.ModelPatcher(model, load_device=comfy.model_management.get_torch_device(),
                                            offload_device=comfy.model_management.unet_offload_device())
