"""A training that lasts a given time: the autoencoder's and the upsampler's, whose length counts in minutes."""
from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from .schedule import average_decay, rate
from .state import load_state, save_state
from .stopping import stopping


def train_for(seconds: float, net: nn.Module, average: nn.Module, optimizer: torch.optim.Optimizer,
              loss: Callable[[int], Tensor], look: Callable[[int], str], work: Path, design: str,
              save_every: float) -> int:
    """Trains `net` for so long, in all calls together, and returns the number of steps; `average` follows its weights.

    loss(step): what a step makes smaller. look(step): what is said of `average` whenever the state is saved, every so
    many seconds and at the end, in the folder `work`. design: of the state, which another one does not take up.

    Raises SystemExit when asked to stop, once the state is saved.
    """
    state = load_state(work / "state.pt", design, "", torch.device("cpu"))
    average.load_state_dict(net.state_dict())
    if state:
        net.load_state_dict(state["net"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
    step, began = state.get("step", 0), time.monotonic() - state.get("seconds", 0.0)
    saved = time.monotonic()
    losses: list[float] = []
    with stopping() as asked:
        while True:
            share = (time.monotonic() - began) / seconds
            done = share >= 1 or bool(asked)
            if done or time.monotonic() - saved > save_every:
                save_state(work / "state.pt", {
                    "design": design, "net": net.state_dict(), "average": average.state_dict(),
                    "optimizer": optimizer.state_dict(), "step": step, "seconds": time.monotonic() - began})
                print(f"step {step}, {share:.0%}, loss {np.mean(losses[-400:]):.4f}, {look(step)}", flush=True)
                saved = time.monotonic()
            if done:
                break
            value = loss(step)
            optimizer.zero_grad()
            value.backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            for group in optimizer.param_groups:
                group["lr"] = rate(step, share)
            optimizer.step()
            step += 1
            with torch.no_grad():
                torch._foreach_lerp_(list(average.parameters()), list(net.parameters()), 1 - average_decay(step))
            losses.append(value.item())
    if share < 1:
        raise SystemExit(f"Stopped after {step} steps, {share:.0%} of the training; the same command goes on.")
    return step
