"""Small networks on the processor run on one thread.

Their steps take no longer than threads take to synchronise: on two cores with other work, batches of 1, 2 and 4 of an
embedded expert take 36, 65 and 134 ms on one thread, and 134, 162 and 636 ms on two that wait by spinning, as OpenMP's
do by default. Pictures are then also the same on any number of cores. Networks of 20 million or more weights gain from
two threads, however these wait.
"""
from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

import torch

from .protocols import Model

WEIGHTS = 10 ** 7       # of a small network at most; an embedded expert has 4 million
SMALL = 10 ** 11        # weights times cells of the latent, at most; an embedded expert and a picture: 1.6e10


@contextlib.contextmanager
def threads_that_pay(patchers: Sequence[Model], latent: torch.Tensor) -> Iterator[None]:
    """As many torch threads as pay for these networks and this latent [B, C, ...], and afterwards as many as before.

    The setting is restored however the run ends. Graphics cards and larger networks keep it.
    """
    before = torch.get_num_threads()
    if not all(_is_small(patcher, latent) for patcher in patchers):
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _is_small(patcher: Model, latent: torch.Tensor) -> bool:
    if patcher.load_device.type != "cpu" or latent.is_nested:
        return False
    weights = sum(p.numel() for p in patcher.model.parameters())
    return weights <= WEIGHTS and weights * latent.shape[0] * latent.shape[2:].numel() <= SMALL
