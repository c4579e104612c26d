"""Wires and words that the nodes share."""
from comfy_api.latest import io

CATEGORY = "unite and conquer"
Expert = io.Custom("MCDM_EXPERT")
Mixture = io.Custom("MCDM_MIXTURE")


def search(*words):
    """What else the host's search finds a node by, for its Schema; older hosts search names only."""
    return {"search_aliases": list(words)} if "search_aliases" in io.Schema.__dataclass_fields__ else {}


def modalities(model):
    """What a MODEL is conditioned on, {name: Modality}; empty for the host's own models."""
    return getattr(model.model, "modalities", {})


def choice(value, options, what):
    """True, or a sentence for the user: combos of V3 nodes are not checked by every version of the host. None: it comes from a wire."""
    return True if value is None or value in options else f"{what} '{value}' is not one of {', '.join(map(str, options))}."
