"""Trains one embedded expert on one data set, alone, on one CPU thread: `python3 dev.py train hair`.

Every few minutes the state (resumed by the same command) and a preview sheet are written; at the end the averaged weights
as fp16 safetensors with all that a user of the file must know in its metadata. Loss and schedule: Karras et al. 2022
(arXiv:2206.00364) with the clean picture as the network's output.
"""
import argparse
import json
import math
import os
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from tqdm import tqdm

from ..experts.embedded import SIGMA_DATA, EmbeddedUNet
from . import faces

SIGMA_MIN, SIGMA_MAX = 0.05, 80.0
DROPOUT = 0.12              # how often the condition is the null
EXPERTS = {                 # name: (style of its data set, what it is conditioned on)
    "hair": ("studio", "map"),
    "skin": ("halo", "map"),
    "text": ("poster", "words"),
}


def load_data(name, count, cache):
    """Pictures [N, 3, 64, 64] uint8 and the conditions: maps [N, 1, 64, 64] or bags of words [N, V], uint8 in {0, 1}."""
    style, kind = EXPERTS[name]
    path = cache / f"{style}-{count}.npz"
    if not path.is_file():
        arrays = faces.data_set(style, count, seed=1)
        part = path.with_suffix(".part.npz")
        np.savez(part, *arrays)
        os.replace(part, path)
    with np.load(path) as arrays:
        pictures, regions, bags = (torch.from_numpy(arrays[f"arr_{i}"]) for i in range(3))
    conditions = bags if kind == "words" else (regions == faces.REGIONS.index(name))[:, None].to(torch.uint8)
    return pictures.permute(0, 3, 1, 2).contiguous(), conditions


def batch(data, rng, size):
    """A random batch: clean pictures in [-1, 1] and the network's condition keyword, mirrored and dropped at random."""
    pictures, conditions = data
    index = torch.from_numpy(rng.integers(len(pictures), size=size))
    x, c = pictures[index].float() / 127.5 - 1, conditions[index].float()
    mirror = torch.from_numpy(rng.random(size) < 0.5)
    x[mirror] = x[mirror].flip(-1)
    keep = torch.from_numpy(rng.random(size) >= DROPOUT).float()
    if c.ndim == 4:
        c[mirror] = c[mirror].flip(-1)
        return x, {"condition_map": (2 * c - 1) * keep[:, None, None, None]}
    share = np.where(rng.random(size) < 0.5, 1.0, rng.random(size))            # word dropout: partial descriptions
    words = torch.from_numpy(rng.random(c.shape) < share[:, None]).float()
    return x, {"labels": c * words * keep[:, None]}


def denoise(net, z, sigma, **condition):
    """D(z, sigma): z [B, 3, H, W] in the frame z = x0 + sigma n, sigma [B]."""
    return net(z / (sigma.square() + SIGMA_DATA ** 2).sqrt()[:, None, None, None], sigma.log() / 4, **condition)


@torch.no_grad()
def euler(net, noise, steps=24, **condition):
    """Euler's method on Karras' schedule down to 0.1, where the last denoised estimate is the picture."""
    ramp = torch.linspace(0, 1, steps)
    sigmas = (SIGMA_MAX ** (1 / 7) + ramp * (0.1 ** (1 / 7) - SIGMA_MAX ** (1 / 7))) ** 7
    z = noise * sigmas[0]
    for i, sigma in enumerate(sigmas):
        d = denoise(net, z, sigma.expand(len(z)), **condition)
        z = d + (sigmas[i + 1] / sigma) * (z - d) if i + 1 < steps else d
    return z


def preview(net, data, path):
    """A sheet of 16 pictures: 12 with the condition of a random training face, 4 with the null."""
    rng = np.random.default_rng(0)
    _, condition = batch(data, rng, 16)
    condition = {k: torch.cat([v[:12], torch.zeros_like(v[12:])]) for k, v in condition.items()}
    pictures = euler(net, torch.randn(16, 3, 64, 64, generator=torch.Generator().manual_seed(0)), **condition)
    if "condition_map" in condition:
        pictures = torch.cat([condition["condition_map"].expand(-1, 3, -1, -1), pictures], dim=2)
    rows = torch.cat([torch.cat(list(row), dim=2) for row in pictures.split(8)], dim=1)
    array = ((rows.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).permute(1, 2, 0).numpy()
    Image.fromarray(array).resize((array.shape[1] * 2, array.shape[0] * 2), Image.Resampling.NEAREST).save(path)


def metadata(name, steps, count, batch_size):
    style, kind = EXPERTS[name]
    return {
        "family": "embedded", "modality": name if kind == "map" else "text", "name": f"faces, {name}",
        "latent_space": "pixels", "prediction": "x0", "size": "64", "num_heads": "4",
        "sigma_min": str(SIGMA_MIN), "sigma_max": str(SIGMA_MAX), "sigma_data": str(SIGMA_DATA),
        **({"map_encoding": "binary"} if kind == "map" else {"vocabulary": json.dumps(faces.VOCABULARY), "synonyms": json.dumps(faces.SYNONYMS)}),
        "data_set": f"{count} drawn portraits, style '{style}' (mcdm/training/faces.py, seed 1)",
        "training_command": f"python3 dev.py train {name} --steps {steps} --batch-size {batch_size} --count {count}",
        "license": "GPL-3.0-or-later",
    }


def rate(step, steps):
    """Learning rate: 100 steps of warm-up, flat, then a cosine over the last 70 %."""
    anneal = max(0.0, (step / steps - 0.3) / 0.7)
    return 1e-3 * min(1.0, (step + 1) / 100) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1.0, anneal))))


def train(name, steps, batch_size, count, out, work):
    torch.set_num_threads(1)
    torch.manual_seed(0)
    work.mkdir(parents=True, exist_ok=True)
    data = load_data(name, count, work.parent)
    conditioned = {"map_channels": 1} if EXPERTS[name][1] == "map" else {"labels": len(faces.VOCABULARY)}
    net = EmbeddedUNet(**conditioned)
    net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    average = EmbeddedUNet(**conditioned)
    average.load_state_dict(net.state_dict())
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3, betas=(0.9, 0.99), weight_decay=0.01)
    step, state_path = 0, work / "state.pt"
    if state_path.is_file():
        state = torch.load(state_path, weights_only=True)
        net.load_state_dict(state["net"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
        step = state["step"]
    saved = time.monotonic()
    progress = tqdm(total=steps, initial=step, desc=name, mininterval=10)
    losses = []
    while step < steps:
        rng = np.random.default_rng([7, step])
        x, condition = batch(data, rng, batch_size)
        sigma = torch.from_numpy(rng.normal(0.1, 1.5, batch_size)).float().clamp(math.log(SIGMA_MIN), math.log(SIGMA_MAX)).exp()
        noise = torch.from_numpy(rng.standard_normal(x.shape, dtype=np.float32))
        z = (x + sigma[:, None, None, None] * noise).contiguous(memory_format=torch.channels_last)
        error = (denoise(net, z, sigma, **condition) - x).square().mean((1, 2, 3))
        loss = (error * (1 / sigma.square().clamp(min=0.04) + 1 / SIGMA_DATA ** 2)).mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        for group in optimizer.param_groups:
            group["lr"] = rate(step, steps)
        optimizer.step()
        optimizer.zero_grad()
        step += 1
        decay = min(0.9985, (step + 1) / (step + 10))
        with torch.no_grad():
            torch._foreach_lerp_(list(average.parameters()), list(net.parameters()), 1 - decay)
        losses.append(loss.item())
        progress.update()
        if step == steps or time.monotonic() - saved > 240:
            progress.set_postfix(loss=f"{np.mean(losses):.4f}")
            losses.clear()
            part = state_path.with_suffix(".part")
            torch.save({"net": net.state_dict(), "average": average.state_dict(), "optimizer": optimizer.state_dict(), "step": step}, part)
            os.replace(part, state_path)
            preview(average, data, work / f"preview-{step:06d}.png")
            saved = time.monotonic()
    tensors = {k: v.half().contiguous() for k, v in average.state_dict().items()}
    out.mkdir(parents=True, exist_ok=True)
    save_file(tensors, out / f"faces_{name}.safetensors", metadata(name, steps, count, batch_size))


def main():
    parser = argparse.ArgumentParser(prog="dev.py train", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("expert", choices=[*EXPERTS, "parser"], help="parser: the judge of the drawn faces, with options of its own")
    parser.add_argument("--steps", type=int, default=8600, help="optimizer steps; may be changed when resuming")
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--count", type=int, default=24000, help="pictures drawn for the data set")
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "builtin")
    parser.add_argument("--work", type=Path, default=Path("output/training"), help="folder for data, state and preview sheets")
    args = parser.parse_args()
    train(args.expert, args.steps, args.batch_size, args.count, args.out, args.work / args.expert)

