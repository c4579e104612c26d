"""What people get wrong in a prompt: changes of devtools.prompts.face() that fail when it runs."""
from __future__ import annotations

from typing import Any

# (node, its changed inputs, what the sentence has to name)
MISTAKES: list[tuple[str, dict[str, Any], list[str]]] = [
    ("mix", {"reliabilities": "1, two"}, ["two", "1, 1"]),
    ("mix", {"reliabilities": "-1 2"}, ["-1"]),
    ("mix", {"reliabilities": "0, 0"}, ["zero"]),
    ("mix", {"reliabilities": "0, 0", "meaning": "shares"}, ["Shares", "zero"]),
    ("mix", {"reliabilities": "1"}, ["1 numbers", "2 experts"]),
    ("mix", {"reliabilities": "0,5 0,5"}, ["decimal"]),
    ("a", {"start_percent": 0.6, "end_percent": 0.4}, ["'words'", "0.6", "0.4"]),
    ("words", {"text": "zzz"}, ["zzz", "red hair"]),
    ("words", {"model": ["hair", 0]}, ["hair (map)"]),
    ("map", {"model": ["text", 0]}, ["text (text)"]),
    ("a", {"condition": ["map", 0]}, ["words", "made for another model"]),
    ("latent", {"width": 128}, ["64 x 64", "128 x 64"]),
    ("a", {"bands": "1 1"}, ["give three numbers"]),
]
