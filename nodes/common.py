"""Wires and words that the nodes share."""
from __future__ import annotations

import inspect
from typing import Any

from comfy_api.latest import io

from ..mcdm.experts.modality import Modality

CATEGORY = "unite and conquer"
ExpertWire = io.Custom("MCDM_EXPERT")
MixtureWire = io.Custom("MCDM_MIXTURE")


# Of an input that most people leave alone: newer hosts show it when asked for more, older ones always.
ADVANCED: dict[str, Any] = {"optional": True}
if "advanced" in inspect.signature(io.Input).parameters:
    ADVANCED["advanced"] = True


def search_aliases(*words: str) -> dict[str, list[str]]:
    """For the Schema of a node: more words by which the host's search finds it. Older hosts search only names."""
    return {"search_aliases": list(words)} if "search_aliases" in io.Schema.__dataclass_fields__ else {}


def modalities(model: Any) -> dict[str, Modality]:
    """The conditions that a MODEL takes, {name: Modality}; empty for the host's own models."""
    return getattr(model.model, "modalities", {})
