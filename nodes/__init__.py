"""What a user wires. The mathematics is in mcdm/."""
from comfy_api.latest import ComfyExtension

from ..mcdm.host.examples import copy_example_pictures
from .compare import CompareExperts
from .conditions import ClassCondition, MapCondition, TextCondition
from .embedding import EmbeddingCondition
from .loading import LoadExpert
from .mixing import ConditionExpert, EmptyExpertLatent, ReliabilityMixer
from .options import MCDMAncestral, MixtureOptions
from .report import MixtureReport
from .sampling import MCDMGuider, MCDMSampler
from .sweep import ReliabilitySweep


class UniteAndConquer(ComfyExtension):
    async def get_node_list(self):
        copy_example_pictures()
        return [LoadExpert, ClassCondition, MapCondition, TextCondition, EmbeddingCondition, ConditionExpert, ReliabilityMixer, MixtureOptions,
                EmptyExpertLatent, MCDMGuider, MCDMSampler, MCDMAncestral, ReliabilitySweep, MixtureReport, CompareExperts]
