"""How fast the weights and their average change in the course of a training."""
from __future__ import annotations

import math

LEARNING_RATE = 1e-3
WARM_UP = 100               # steps
FLAT = 0.3                  # the share of the training at the full rate


def rate(step: int, share: float) -> float:
    """Learning rate at a share of the training, 0 to 1: warm-up, flat, then a cosine down to a fiftieth of it."""
    warm_up = min(1.0, (step + 1) / WARM_UP)
    anneal = min(1.0, max(0.0, (share - FLAT) / (1 - FLAT)))
    return LEARNING_RATE * warm_up * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * anneal)))


def average_decay(step: int) -> float:
    """What is kept of the averaged weights after so many steps."""
    return min(0.9985, (step + 1) / (step + 10))
