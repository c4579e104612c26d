"""A network that the host lacks, wrapped in an ordinary ComfyUI MODEL."""
from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import comfy.conds
import comfy.latent_formats
import comfy.model_base
import comfy.model_management
import comfy.model_patcher
import comfy.supported_models_base
import torch
from torch import Tensor, nn

from .config import Config
from .modality import CONDITION, Conditioning, Modality, conditioning


class ExpertModel(comfy.model_base.BaseModel):
    """The host's BaseModel around any network that is called as

        network(x, timesteps, context, control, transformer_options, **conditions)

    sampling: a class for the host's model_sampling, such as schedules.sampling makes. modalities: the conditions of the
    network. fixed_size: (height, width) in latent cells if it draws no other. compute_dtype: None = that of the
    weights. memory_usage_factor: the host's measure of working memory. sampling_settings: read by `sampling`.
    """

    def __init__(self, network: nn.Module, sampling: type, modalities: list[Modality],
                 fixed_size: tuple[int, int] | None = None, compute_dtype: torch.dtype | None = None,
                 latent_format: type = comfy.latent_formats.ChromaRadiance, memory_usage_factor: float = 4.0,
                 **sampling_settings: Any) -> None:
        config = comfy.supported_models_base.BASE({"disable_unet_model_creation": True})
        config.latent_format = latent_format()
        config.memory_usage_factor = memory_usage_factor
        config.manual_cast_dtype = compute_dtype
        super().__init__(config)
        config.sampling_settings = getattr(sampling, "settings", {}) | sampling_settings  # for sampling overrides, too
        self.diffusion_model = network.train(False)
        self.model_sampling = sampling(config)
        self.time_scale = getattr(sampling, "time_scale", 1.0)
        self.modalities = {modality.name: modality for modality in modalities}
        self.nulls: dict[str, Tensor] = {}
        for modality in modalities:
            self.nulls |= modality.nulls
        self.null = conditioning(self.nulls)
        self.fixed_size = fixed_size

    def process_timestep(self, timestep: Tensor, **kwargs: Any) -> Tensor:
        """The host's time in the network's unit.

        A sampling override of a flow may count to 1000, and so may a network, each in its own way.
        """
        return timestep * (self.time_scale / getattr(self.model_sampling, "multiplier", 1.0))

    def null_conditioning(self, condition: Conditioning | None = None) -> Conditioning:
        """This network's null as a CONDITIONING; `condition`: the one that it is the null to.

        It is one object, so that experts of one MODEL share its evaluation.
        """
        return self.null

    def pair(self, condition: Conditioning, null: Conditioning) -> tuple[Conditioning, Conditioning]:
        """A condition and its null as they are evaluated, for a network whose answer to one depends on the other."""
        return condition, null

    def extra_conds(self, **kwargs: Any) -> dict[str, Any]:
        """The network's inputs as the host's conds. Raises ValueError for a condition made for another expert."""
        conditions = self.nulls | kwargs.get(CONDITION, {})
        foreign = conditions.keys() - self.nulls.keys()
        if foreign:
            raise ValueError(f"This expert takes {', '.join(self.modalities)}; its condition holds "
                             f"{', '.join(sorted(foreign))}, made for another expert.")
        conds = {}
        for key, value in conditions.items():
            kind = comfy.conds.CONDNoiseShape if value.ndim >= 4 else comfy.conds.CONDRegular
            conds[key] = kind(value.to(kwargs["device"]))
        return conds


State = dict[str, Tensor]


@dataclasses.dataclass(frozen=True)
class Family:
    """A kind of checkpoint.

    recognises(state dict, config): whether it is of this family. build(state dict, config, weight dtype or None):
    the model, with the weights taken out of the state dict; raises ValueError where something is missing.
    """
    name: str
    recognises: Callable[[State, Config], bool]
    build: Callable[[State, Config, torch.dtype | None], ExpertModel]


def patcher(model: ExpertModel) -> comfy.model_patcher.ModelPatcher:
    """The MODEL of an ExpertModel, on the host's devices."""
    return comfy.model_patcher.ModelPatcher(
        model,
        load_device=comfy.model_management.get_torch_device(),
        offload_device=comfy.model_management.unet_offload_device(),
    )
