"""What is asked of a workflow in API format before it is queued."""
from __future__ import annotations

import re
from typing import Any

MODEL_FILE = re.compile(r"\.(safetensors|sft|ckpt|pt2?|pth|bin|gguf)$", re.IGNORECASE)


def combo_options(spec: list[Any]) -> list[Any] | None:
    """The choices of an input in /object_info: [[...], {}], or ["COMBO", {"options": [...]}]; None if no combo."""
    if isinstance(spec[0], list):
        return spec[0]
    return spec[1].get("options") if spec[0] == "COMBO" and len(spec) > 1 else None


def absent_files(workflow: dict[str, Any], info: dict[str, Any]) -> list[str]:
    """The model files that a workflow names and the host does not have, each with its node."""
    absent = []
    for node, call in workflow.items():
        declared = info.get(call["class_type"], {}).get("input", {})
        specs = {**declared.get("required", {}), **declared.get("optional", {})}
        for name, value in call["inputs"].items():
            options = combo_options(specs[name]) if name in specs else None
            if options is not None and isinstance(value, str) and MODEL_FILE.search(value) and value not in options:
                absent.append(f"{value} (node {node}, {call['class_type']})")
    return absent
