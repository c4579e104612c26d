"""The prompts that the help pages' pictures show: parts of the first workflow, and one expert alone."""
from __future__ import annotations

from typing import Any

from ..paths import WORKFLOWS
from ..prompts import Prompt, node, prompt

INPUTS = WORKFLOWS / "inputs"
FACE = {key: node(card["class_type"], **card["inputs"]) for key, card in prompt("face_from_three_experts").items()}
# Nodes of FACE: the three experts and the words of the third, and what follows.
HAIR = "4"
SKIN = "8"
WORDS = "10"
TEXT = "11"
MIXER = "12"
LATENT = "13"
SAMPLER = "14"
DECODE = "16"
# Of the workflow with regions: its mixer, and Expert Regions.
UNITED = "7"
REGIONS = "16"
VAE = "builtin/drawings.safetensors"


def loaded(name: str) -> dict[str, Any]:
    """Load Image with one of the shipped pictures."""
    return node("LoadImage", image=f"mcdm_{name}.png")


def one(expert: str, kind: str, weight: float, **inputs: Any) -> Prompt:
    """One embedded expert with its condition node: kind and inputs are that node's."""
    sampler = FACE[SAMPLER]["inputs"] | {"mixture": ["mix", 0], "latent_image": ["latent", 0], "seed": 3}
    fine = expert.endswith("128")
    size = 128 if fine else 64
    return {
        "load": node("LoadExpert", expert=f"builtin/{expert}.safetensors", weight_dtype="default"),
        "condition": node(kind, model=["load", 0], **inputs),
        "expert": node("ConditionExpert", model=["load", 0], condition=["condition", 0], weight=weight,
                       start_percent=0.0, end_percent=1.0, name=""),
        "mix": node("ReliabilityMixer", expert_1=["expert", 0], reliabilities=""),
        "latent": node("EmptyExpertLatent", mixture=["mix", 0], width=size, height=size, batch_size=1),
        "sample": node("MCDMSampler", **sampler),
        "vae": node("LoadExpertVAE", vae=VAE) if fine else node("VAELoader", vae_name="pixel_space"),
        "decode": node("VAEDecode", samples=["sample", 0], vae=["vae", 0]),
        "show": node("SaveImage", images=["decode", 0], filename_prefix="help"),
    }
