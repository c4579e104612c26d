"""What a user wires. The mathematics is in mcdm/."""
from __future__ import annotations

from comfy_api.latest import ComfyExtension, io

from .ancestral import MCDMAncestral
from .automatic import AutomaticMasks
from .breed import BreedMixture
from .compare import CompareExperts
from .conditions import ClassCondition, MapCondition, TextCondition
from .corrected import MCDMCorrected
from .embedding import EmbeddingCondition
from .latents import EmptyExpertLatent
from .load_expert import LoadExpert, LoadExpertVAE
from .mixing import ConditionExpert, ReliabilityMixer
from .options import MixtureOptions
from .placing import PlaceExpert
from .regions import ExpertRegions
from .report import MixtureReport
from .sampling import MCDMGuider, MCDMSampler
from .sweep import ReliabilitySweep
from .tune import TuneMixture


class UniteAndConquer(ComfyExtension):
    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        return [
            LoadExpert, LoadExpertVAE, ClassCondition, MapCondition, TextCondition, EmbeddingCondition,
            ConditionExpert, PlaceExpert, ReliabilityMixer, MixtureOptions, AutomaticMasks, ExpertRegions,
            EmptyExpertLatent, MCDMGuider, MCDMSampler, MCDMAncestral, MCDMCorrected,
            ReliabilitySweep, MixtureReport, CompareExperts, BreedMixture, TuneMixture,
        ]
