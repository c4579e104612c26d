"""A prompt as the host queues it: {node id: {"class_type": ..., "inputs": {name: value or wire}}}."""
from __future__ import annotations

from typing import Any

Prompt = dict[str, dict[str, Any]]

SLOTS = 8               # of a Reliability Mixer
LONGEST_CHAIN = 50      # nodes along a wire


def is_wire(value: Any) -> bool:
    """Whether an input is [node id, number of the output], not a plain value."""
    return isinstance(value, list) and len(value) == 2
