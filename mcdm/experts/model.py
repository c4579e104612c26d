"""A network that the host lacks, wrapped into an ordinary ComfyUI MODEL."""
import dataclasses

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

    kind: "map", "text" or "class". key: the network's keyword. null: what it was trained to see for "no condition", [1, ...].
    encoding: of a map, "binary" (-1 outside, +1 inside) or "edges" (the same of Canny's edges). labels: words or class names.
    """
    name: str
    kind: str
    key: str
    null: torch.Tensor
    encoding: str = ""
    labels: tuple[str, ...] = ()
    synonyms: dict[str, str] = dataclasses.field(default_factory=dict)


class X0Sampling(comfy.model_sampling.ModelSamplingContinuousEDM, comfy.model_sampling.X0):
    """The network's output is the clean picture; its input is scaled to unit variance by sigma_data."""


class _Config(comfy.supported_models_base.BASE):
    latent_format = comfy.latent_formats.ChromaRadiance
    memory_usage_factor = 4.0


class ExpertModel(comfy.model_base.BaseModel):
    """The host's BaseModel around any network called as `network(x, timesteps, context, control, transformer_options, **conditions)`.

    modalities: what it is conditioned on. fixed_size: (height, width) in latent cells if it knows no other.
    """

    def __init__(self, network, sampling, modalities, fixed_size=None, compute_dtype=None, **sampling_settings):
        config = _Config({"disable_unet_model_creation": True})
        config.sampling_settings = sampling_settings
        config.manual_cast_dtype = compute_dtype
        super().__init__(config)
        self.diffusion_model = network.eval()
        self.model_sampling = sampling(config)
        self.modalities = {m.name: m for m in modalities}
        self.fixed_size = fixed_size

    def null_conditioning(self):
        """The CONDITIONING with which this network was trained to stand alone."""
        return conditioning({m.key: m.null for m in self.modalities.values()})

    def extra_conds(self, **kwargs):
        conditions = {m.key: m.null for m in self.modalities.values()} | kwargs.get(CONDITION, {})
        foreign = conditions.keys() - {m.key for m in self.modalities.values()}
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


def operations(dtype, compute_dtype):
    """The host's layers: they cast their weights where the weights' type is not the one to compute in."""
    return comfy.ops.pick_operations(dtype, compute_dtype)


def patcher(model):
    """The MODEL of an ExpertModel, on the host's devices."""
    return comfy.model_patcher.ModelPatcher(model, load_device=comfy.model_management.get_torch_device(),
                                            offload_device=comfy.model_management.unet_offload_device())
