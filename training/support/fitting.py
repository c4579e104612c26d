"""How the small networks beside the experts are trained: the judges and the dual encoder."""
from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from tqdm import tqdm


def fit(label: str, parameters: Iterable[torch.nn.Parameter], steps: int, loss: Callable[[int], torch.Tensor]) -> None:
    """Minimises `loss(step)`, a scalar, by AdamW with one cycle of the learning rate."""
    optimizer = torch.optim.AdamW(parameters, lr=2e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=steps)
    for step in tqdm(range(steps), desc=label, mininterval=10):
        value = loss(step)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        schedule.step()
