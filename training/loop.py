"""Trains one embedded expert on one data set, alone: `python3 dev.py train hair`.

Every few minutes the state (resumed by the same command) and a preview sheet are written; at the end the averaged weights
as a small safetensors file with all that a user of the file must know in its metadata. Loss and schedule: Karras et al. 2022
(arXiv:2206.00364) with the clean picture as the network's output.
"""
import contextlib
import json
import math
import os
import signal
import time
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import broadcast
from PIL import Image
from safetensors import safe_open
from safetensors.torch import save as serialised
from tqdm import tqdm

from ..mcdm.experts.networks.embedded import SIGMA_DATA, EmbeddedUNet
from ..mcdm.experts.quantize import dequantize, quantize

SIGMA_MIN, SIGMA_MAX = 0.05, 80.0
BUILTIN = Path(__file__).parents[1] / "mcdm" / "builtin"


def denoise(net, z, sigma, **condition):
    """D(z, sigma): z [B, 3, H, W] in the frame z = x0 + sigma n, sigma [B]."""
    return net(z / (sigma.square() + SIGMA_DATA ** 2).sqrt()[:, None, None, None], sigma.log() / 4, **condition)


@torch.no_grad()
def euler(net, noise, steps=24, **condition):
    """Euler's method on Karras' schedule down to 0.1, where the last denoised estimate is the picture."""
    ramp = torch.linspace(0, 1, steps, device=noise.device)
    sigmas = (SIGMA_MAX ** (1 / 7) + ramp * (0.1 ** (1 / 7) - SIGMA_MAX ** (1 / 7))) ** 7
    z = noise * sigmas[0]
    for i, sigma in enumerate(sigmas):
        d = denoise(net, z, sigma.expand(len(z)), **condition)
        z = d + (sigmas[i + 1] / sigma) * (z - d) if i + 1 < steps else d
    return z


def preview(net, dataset, network, device, path):
    """A sheet of 16 pictures: 12 with the condition of a random training picture, 4 with the null."""
    _, condition = dataset.batch(np.random.default_rng(0), 16, **network)
    condition = {k: torch.cat([v[:12], torch.zeros_like(v[12:])]).to(device) for k, v in condition.items()}
    noise = torch.randn(16, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    pictures = euler(net, noise.to(device), **condition)
    if dataset.kind == "map":
        pictures = torch.cat([condition["condition_map"][:, [dataset.channel]].expand(-1, 3, -1, -1), pictures], dim=2)
    rows = torch.cat([torch.cat(list(row), dim=2) for row in pictures.split(8)], dim=1)
    array = ((rows.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).permute(1, 2, 0).cpu().numpy()
    Image.fromarray(array).resize((array.shape[1] * 2, array.shape[0] * 2), Image.Resampling.NEAREST).save(path)


def rate(step, share):
    """Learning rate at a share of the training, 0 to 1: 100 steps of warm-up, flat, then a cosine over the last 70 %."""
    anneal = max(0.0, (share - 0.3) / 0.7)
    return 1e-3 * min(1.0, (step + 1) / 100) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1.0, anneal))))


def begin(net, path, vocabulary=()):
    """Takes over the weights of another expert wherever name and shape agree: all but what meets the condition, and of that

    the picture's channels of the stem and the words that both know (vocabulary: those of `net`).
    """
    own, words = net.state_dict(), "label_embed.weight"
    try:
        with safe_open(path, "pt") as file:
            given = dequantize({k: file.get_tensor(k) for k in file.keys()})  # noqa: SIM118
            known = dict(zip(json.loads((file.metadata() or {}).get("vocabulary", "[]")), given.get(words, torch.empty(0)).unbind(-1), strict=False))
    except Exception as error:                  # whatever a stranger's file breaks
        raise SystemExit(f"{path} cannot be the start: it is no readable .safetensors file ({error}).") from None
    fitting = {k: v for k, v in given.items() if k in own and own[k].shape == v.shape}
    if not {"position", "mid.0.conv1.weight", "head.weight"} <= fitting.keys() or "stem.weight" not in given:
        raise SystemExit(f"{path} cannot be the start: it is no embedded expert of this design.")
    stem, patches = "stem.weight", EmbeddedUNet.PATCH ** 2
    if stem not in fitting:                     # the picture's channels come first, the map's behind them
        fitting[stem] = own[stem].clone()
        fitting[stem][:, :3 * patches] = given[stem][:, :3 * patches]
    if words in own and own[words].shape[1] == len(vocabulary):
        fitting[words] = own[words].clone()
        for i, word in enumerate(vocabulary):
            if word in known:
                fitting[words][:, i] = known[word]
    net.load_state_dict(own | fitting)


def packed(tensors, metadata):
    """The bytes of a .safetensors file, the same ones every time: the library itself writes metadata in any order."""
    raw = serialised(tensors)
    size = 8 + int.from_bytes(raw[:8], "little")
    header = json.dumps({"__metadata__": metadata, **json.loads(raw[8:size])}, sort_keys=True, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + raw[size:]


@contextlib.contextmanager
def stopping():
    """A list that is empty until somebody asks the process to stop: at a place that suits it, where its state is whole."""
    asked: list[int] = []
    usual = {s: signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(s) is not signal.SIG_IGN}      # as nohup and & want it
    for s in usual:
        signal.signal(s, lambda number, _: asked.append(number))
    try:
        yield asked
    finally:
        for s, handler in usual.items():
            signal.signal(s, handler)


def resumed(path, design, data, device):
    """The state of a training, {} where there is none. Raises SystemExit where it is another's or cannot be read; the file stays."""
    if not path.is_file():
        return {}
    try:
        state = torch.load(path, map_location=device, weights_only=True)
        same, given = state["design"] == design, state.get("data", data)
        state["net"], state["average"], state["optimizer"], state["step"]
    except Exception as error:                  # a cut or foreign file fails in any way
        raise SystemExit(f"{path} cannot be read as the state of a training ({type(error).__name__}); it was left as it is. "
                         "Move it away to begin anew, or give another --work folder.") from None
    if not same:
        raise SystemExit(f"{path} is a training of another design; give another --work folder, or delete it to begin anew. Nothing was changed.")
    if data and given != data:
        raise SystemExit(f"{path} is a training on other pictures or labels. Give another --name (with --start and the finished expert's file to build on it), "
                         "or delete it to begin anew. Nothing was changed.")
    return state


def train(label, sets, steps, batch_size, start, out, work, metadata, extra=None, seconds=0.0, data=""):
    """Trains on `sets` in turn, a batch each; writes `out`. start: an expert's file to begin with; extra: further tensors for the file.

    steps: optimizer steps, or 0: then `seconds` of training, interruptions left out, annealed to its end by then. data: what
    tells these pictures from others, checked when resuming. Returns the steps done.
    """
    accelerator = Accelerator(mixed_precision="bf16" if torch.cuda.is_available() and torch.cuda.is_bf16_supported() else "no")
    device, leads = accelerator.device, accelerator.is_main_process
    if device.type == "cpu":
        torch.set_num_threads(1)
    torch.manual_seed(0)
    work.mkdir(parents=True, exist_ok=True)
    network: dict[str, int] = {}
    for dataset in sets:
        network |= dataset.network()
    net, average = EmbeddedUNet(**network), EmbeddedUNet(**network).to(device)
    state_path = work / "state.pt"
    design = json.dumps({**network, "condition": metadata["modality"], "vocabulary": metadata.get("vocabulary", "")})
    state = resumed(state_path, design, data, device)
    if start and not state:
        begin(net, start, json.loads(metadata.get("vocabulary", "[]")))
    average.load_state_dict(net.state_dict())
    net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3, betas=(0.9, 0.99), weight_decay=0.01)
    net, optimizer = accelerator.prepare(net, optimizer)
    bare = accelerator.unwrap_model(net)
    if state:
        bare.load_state_dict(state["net"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
    step = first = state.get("step", 0)
    began = time.monotonic() - state.get("seconds", 0.0)

    def position():
        """(share of the training that is done, whether somebody asked to stop); of many processes the leader's, so that all agree."""
        here = torch.tensor([step / steps if steps else (time.monotonic() - began) / seconds, float(bool(asked))])
        return (broadcast(here.to(device)) if accelerator.num_processes > 1 else here).tolist()

    def save():
        part = state_path.with_suffix(".part")
        with part.open("wb") as file:
            torch.save({"design": design, "net": bare.state_dict(), "average": average.state_dict(), "optimizer": optimizer.state_dict(), "step": step,
                        "seconds": time.monotonic() - began, "data": data}, file)
            os.fsync(file.fileno())
        os.replace(part, state_path)

    losses: list[torch.Tensor] = []
    saved = time.monotonic()
    progress = tqdm(total=steps or None, initial=step, desc=label, mininterval=10, disable=not leads)
    with stopping() as asked:
        while True:
            share, stop = position()
            if leads and step > first and (stop or share >= 1 or time.monotonic() - saved > 240):
                progress.set_postfix(loss=f"{torch.stack(losses).mean():.4f}")
                losses.clear()
                save()
                if not stop:
                    preview(average, sets[0], network, device, work / f"preview-{step:06d}.png")
                saved = time.monotonic()
            if share >= 1:
                break
            if stop:
                progress.close()
                raise SystemExit(f"Stopped after {step} steps, {share:.0%} of the training; the same command goes on from there.")
            rng = np.random.default_rng([7, step, accelerator.process_index][:2 + (accelerator.num_processes > 1)])
            x, condition = sets[step % len(sets)].batch(rng, batch_size, **network)
            sigma = torch.from_numpy(rng.normal(0.1, 1.5, batch_size)).float().clamp(math.log(SIGMA_MIN), math.log(SIGMA_MAX)).exp()
            noise = torch.from_numpy(rng.standard_normal(x.shape, dtype=np.float32))
            x, sigma, noise, condition = x.to(device), sigma.to(device), noise.to(device), {k: v.to(device) for k, v in condition.items()}
            z = (x + sigma[:, None, None, None] * noise).contiguous(memory_format=torch.channels_last)
            error = (denoise(net, z, sigma, **condition) - x).square().mean((1, 2, 3))
            loss = (error * (1 / sigma.square().clamp(min=0.04) + 1 / SIGMA_DATA ** 2)).mean()
            accelerator.backward(loss)
            accelerator.clip_grad_norm_(net.parameters(), 1.0)
            for group in optimizer.param_groups:
                group["lr"] = rate(step, share)
            optimizer.step()
            optimizer.zero_grad()
            step += 1
            decay = min(0.9985, (step + 1) / (step + 10))
            with torch.no_grad():
                torch._foreach_lerp_(list(average.parameters()), list(bare.parameters()), 1 - decay)
            losses.append(loss.detach())
            if not steps and share:
                progress.total = max(step, round((step - 1) / share))
            progress.update()
    progress.close()
    if leads:
        tensors = quantize({k: v.cpu() for k, v in average.state_dict().items()} | (extra or {}))
        out.parent.mkdir(parents=True, exist_ok=True)
        part = out.with_suffix(".part")
        part.write_bytes(packed(tensors, metadata | {"steps": str(step)}))      # with the rights that files have here, unlike save_file
        os.replace(part, out)
    return step


def metadata(label, dataset, command):
    """All that a user of the file must know."""
    return {
        "family": "embedded", "name": label, "latent_space": "pixels", "prediction": "x0", "size": "64", "num_heads": "4",
        "sigma_min": str(SIGMA_MIN), "sigma_max": str(SIGMA_MAX), "sigma_data": str(SIGMA_DATA), **dataset.metadata,
        "training_command": command, "license": "GPL-3.0-or-later",
    }
