"""Trains one embedded expert, alone.

Every few minutes the state (resumed by the same command) and a preview sheet are written, at the end the averaged
weights as a small safetensors file with all that a user of the file must know in its metadata.
"""
from __future__ import annotations

import copy
import dataclasses
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import broadcast
from tqdm import tqdm

from ..mcdm.experts.networks.embedded import EmbeddedUNet
from .datasets.dataset import Batch, Dataset, NetworkInputs
from .diffusion import denoise, loss, random_sigma
from .expert_file import write_expert
from .preview_sheets import write_preview
from .schedule import LEARNING_RATE, average_decay, rate
from .start import begin
from .state import load_state, save_state
from .stopping import stopping

SAVE_EVERY = 240            # seconds


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is trained on which datasets (in turn, a batch each), for how long, and where the files lie."""
    label: str
    datasets: Sequence[Dataset]
    metadata: dict[str, str]    # of the expert's file
    out: Path                   # the expert's file
    work: Path                  # the folder for the state and the preview sheets
    batch_size: int
    steps: int = 0              # optimizer steps; 0: `seconds` of training instead
    seconds: float = 0.0        # without interruptions; the learning rate falls to its end by then
    start: Path | None = None   # the file of the expert to begin with
    learning_rate: float = LEARNING_RATE    # at its highest
    extra: dict[str, torch.Tensor] = dataclasses.field(default_factory=dict)    # further tensors for the expert's file
    data: str = ""              # what tells these pictures from others, checked when resuming; "" for no check

    def network(self) -> NetworkInputs:
        """The keywords of EmbeddedUNet for all datasets together."""
        keywords: NetworkInputs = {}
        for dataset in self.datasets:
            keywords |= dataset.network()
        return keywords

    def design(self) -> str:
        """What a saved state must agree with."""
        condition = {"condition": self.metadata["modality"], "vocabulary": self.metadata.get("vocabulary", "")}
        return json.dumps({**self.network(), **condition})


def train(plan: Plan) -> tuple[int, int]:
    """Trains to the end of the plan and writes the expert's file. Returns the steps done, and those of this run alone.

    Goes on from the saved state where there is one. Raises SystemExit when asked to stop, once the state is saved.
    """
    training = Training(plan)
    training.run()
    if training.leads:
        weights = {name: weight.cpu() for name, weight in training.average.state_dict().items()}
        write_expert(plan.out, weights | plan.extra, plan.metadata | {"steps": str(training.step)})
    return training.step, training.step - training.first


class Training:
    """A network, the moving average of its weights and its optimizer on their way through a plan.

    Of several processes, each with its own batches, the first one leads: it alone shows and writes something.
    """

    def __init__(self, plan: Plan) -> None:
        bfloat16 = torch.cuda.is_available() and torch.cuda.is_bf16_supported()
        self.accelerator = Accelerator(mixed_precision="bf16" if bfloat16 else None)
        self.device, self.leads = self.accelerator.device, self.accelerator.is_main_process
        if self.device.type == "cpu":
            torch.set_num_threads(1)
        torch.manual_seed(0)
        plan.work.mkdir(parents=True, exist_ok=True)
        self.plan, self.network = plan, plan.network()
        self.state_file = plan.work / "state.pt"
        state = load_state(self.state_file, plan.design(), plan.data, self.device)
        net = EmbeddedUNet(**self.network)
        if plan.start and not state:
            begin(net, plan.start, json.loads(plan.metadata.get("vocabulary", "[]")))
        self.average = copy.deepcopy(net).to(self.device)
        movable: Any = net      # torch's types know of memory formats from some version on
        movable.to(memory_format=torch.channels_last)
        optimizer = torch.optim.AdamW(net.parameters(), lr=plan.learning_rate, betas=(0.9, 0.99), weight_decay=0.01)
        self.net, self.optimizer = self.accelerator.prepare(net, optimizer)
        self.bare = self.accelerator.unwrap_model(self.net)     # without what several processes put around it
        if state:
            self.bare.load_state_dict(state["net"])
            self.average.load_state_dict(state["average"])
            self.optimizer.load_state_dict(state["optimizer"])
        self.step = self.first = state.get("step", 0)
        self.began = time.monotonic() - state.get("seconds", 0.0)               # as if it had never been interrupted
        self.saved = time.monotonic()
        self.losses: list[torch.Tensor] = []                    # since then

    def run(self) -> None:
        """Steps until the end of the plan. Raises SystemExit when asked to stop."""
        steps = self.plan.steps or None
        progress = tqdm(total=steps, initial=self.step, desc=self.plan.label, mininterval=10, disable=not self.leads)
        with stopping() as asked, progress:
            while True:
                share, stop = self.position(bool(asked))
                if self.leads and self.is_time_to_save(share, stop):
                    progress.set_postfix(loss=f"{torch.stack(self.losses).mean():.4f}")
                    self.save()
                    if not stop:
                        self.preview()
                    self.saved = time.monotonic()
                if share >= 1:
                    break
                if stop:
                    raise SystemExit(
                        f"Stopped after {self.step} steps, {share:.0%} of the training; "
                        "the same command goes on from there.")
                self.advance(share)
                if not steps and share:
                    progress.total = max(self.step, round((self.step - 1) / share))             # expected
                progress.update()

    def share(self) -> float:
        """How much of the training is done, 0 to 1 or more."""
        if self.plan.steps:
            return self.step / self.plan.steps
        return (time.monotonic() - self.began) / self.plan.seconds

    def position(self, asked: bool) -> tuple[float, bool]:
        """(share of the training that is done, whether to stop): the leader's, so that all processes agree."""
        here = torch.tensor([self.share(), float(asked)])
        if self.accelerator.num_processes > 1:
            here = broadcast(here.to(self.device))
        share, stop = here.tolist()
        return share, bool(stop)

    def is_time_to_save(self, share: float, stop: bool) -> bool:
        if self.step == self.first:                             # nothing new
            return False
        return stop or share >= 1 or time.monotonic() - self.saved > SAVE_EVERY

    def save(self) -> None:
        self.losses.clear()
        save_state(self.state_file, {
            "design": self.plan.design(),
            "net": self.bare.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "seconds": time.monotonic() - self.began,
            "data": self.plan.data,
        })

    def preview(self) -> None:
        sheet = self.plan.work / f"preview-{self.step:06d}.png"
        write_preview(self.average, self.plan.datasets[0], self.network, self.device, sheet)

    def advance(self, share: float) -> None:
        """One optimizer step at a share of the training."""
        (x, condition, weight, _), sigma, noise = self.batch()
        z = (x + sigma[:, None, None, None] * noise).contiguous(memory_format=torch.channels_last)
        value = loss(denoise(self.net, z, sigma, **condition), x, sigma, weight)
        self.accelerator.backward(value)
        self.accelerator.clip_grad_norm_(self.net.parameters(), 1.0)
        for group in self.optimizer.param_groups:
            group["lr"] = rate(self.step, share) * self.plan.learning_rate / LEARNING_RATE
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.step += 1
        self.follow()
        self.losses.append(value.detach())

    def batch(self) -> tuple[Batch, torch.Tensor, torch.Tensor]:
        """Pictures and condition, noise levels [B] and noise [B, 3, H, W], each step's own, on the device."""
        seed = [7, self.step]
        if self.accelerator.num_processes > 1:
            seed.append(self.accelerator.process_index)
        rng, size = np.random.default_rng(seed), self.plan.batch_size
        dataset = self.plan.datasets[self.step % len(self.plan.datasets)]
        x, condition, weight, highest = dataset.batch(rng, size, **self.network)
        sigma = random_sigma(rng, size)
        if highest is not None:
            sigma = torch.minimum(sigma, highest)
        noise = torch.from_numpy(rng.standard_normal(x.shape, dtype=np.float32))
        on_device = {name: values.to(self.device) for name, values in condition.items()}
        weight = None if weight is None else weight.to(self.device)
        return Batch(x.to(self.device), on_device, weight), sigma.to(self.device), noise.to(self.device)

    @torch.no_grad()
    def follow(self) -> None:
        """Moves the average after the weights."""
        follow = 1 - average_decay(self.step)
        torch._foreach_lerp_(list(self.average.parameters()), list(self.bare.parameters()), follow)
