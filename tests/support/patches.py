"""What users hang on one expert: LoRAs, a sampling override, hooks on its condition, ControlNets."""
from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from unite_and_conquer.devtools.inprocess import InProcess
from unite_and_conquer.devtools.tiny_sd15 import tiny_unet

LAYERS = [          # three linear ones and a convolution
    "middle_block.1.proj_in",
    "middle_block.1.transformer_blocks.0.attn2.to_k",
    "input_blocks.1.1.transformer_blocks.0.attn1.to_q",
    "out.2",
]


# ------------------------------------------------------------------------------------------------- LoRAs and overrides

@functools.cache
def shapes() -> dict[str, torch.Size]:
    network = tiny_unet(0).model.diffusion_model
    return {name: network.get_submodule(name).weight.shape for name in LAYERS}


def lora(seed: int) -> dict[str, torch.Tensor]:
    """A LoRA as it lies in a file, of rank 2 on each of LAYERS."""
    generator = torch.Generator().manual_seed(seed)
    weights = {}
    for name, shape in shapes().items():
        up, down = (shape[0], 2) + (1, 1) * (len(shape) == 4), (2, *shape[1:])
        weights[f"diffusion_model.{name}.lora_up.weight"] = 0.4 * torch.randn(*up, generator=generator)
        weights[f"diffusion_model.{name}.lora_down.weight"] = 0.4 * torch.randn(*down, generator=generator)
    return weights


def with_lora(model: Any, seed: int, strength: float = 1.0) -> Any:
    """The model with a LoRA as the host's own loader puts it on."""
    import comfy.sd
    return comfy.sd.load_lora_for_models(model, None, lora(seed), strength, 0)[0]


def checkpoint(seed: int, *loras: tuple[int, float]) -> Any:
    """A checkpoint of its own into whose weights W LoRAs, (seed, strength), were written by hand.

    W + strength up down
    """
    model = tiny_unet(seed)
    for number, strength in loras:
        weights = lora(number)
        for name in LAYERS:
            up, down = (weights[f"diffusion_model.{name}.lora_{half}.weight"] for half in ("up", "down"))
            weight = model.model.diffusion_model.get_submodule(name).weight
            change = strength * (up.double().flatten(1) @ down.double().flatten(1))
            weight.data += change.reshape(weight.shape).float()
    return model


def override(model: Any, comfy: InProcess) -> Any:
    """The model as one that predicts v."""
    return comfy.call("ModelSamplingDiscrete", model=model, sampling="v_prediction", zsnr=False)[0]


def hooked(condition: Any, seed: int, strength: float = 1.0, keyframes: Sequence[tuple[float, float]] = ()) -> Any:
    """A condition with a LoRA that the host puts into the weights for this condition only.

    keyframes: (start in percent, factor of the strength) over the schedule.
    """
    import comfy.hooks
    group = comfy.hooks.create_hook_lora(lora(seed), strength, 0.0)
    if keyframes:
        schedule = comfy.hooks.HookKeyframeGroup()
        for start, factor in keyframes:
            schedule.add(comfy.hooks.HookKeyframe(factor, start, guarantee_steps=0))
        group.set_keyframes_on_hooks(schedule)
    return comfy.hooks.set_hooks_for_conditioning(condition, group)


# --------------------------------------------------------------------------------------------------------- ControlNets

def control(strength: float = 0.3) -> Any:
    """A ControlNet that adds the noisy input to the first output residual.

    Like a real one it keeps what it was told when the run began. Its log: ("begin", id), ("asked", cond_or_uncond),
    ("end", id), of its copies, too.
    """
    import comfy.controlnet
    import comfy.model_management

    class Control(comfy.controlnet.ControlBase):
        def __init__(self, strength, log, net):
            super().__init__()
            self.strength = strength
            self.log = log
            self.net = net
            self.schedule: Any = None

        def copy(self):
            copied = type(self)(self.strength, self.log, self.net)
            self.copy_to(copied)
            return copied

        def get_models(self):
            return [*super().get_models(), self.net]

        def pre_run(self, model, percent_to_timestep_function):
            super().pre_run(model, percent_to_timestep_function)
            self.schedule = model.model_sampling
            self.log.append(("begin", id(self)))

        def get_control(self, x_noisy, t, cond, batched_number, transformer_options):
            assert any(m.model is self.net for m in comfy.model_management.current_loaded_models)
            before = None
            if self.previous_controlnet:
                question = x_noisy, t, cond, batched_number, transformer_options
                before = self.previous_controlnet.get_control(*question)
            self.log.append(("asked", transformer_options["cond_or_uncond"]))
            hint = self.schedule.calculate_input(t, x_noisy)[:, :1]
            residual = torch.nn.functional.avg_pool2d(hint, 2).expand(-1, 64, -1, -1).clone()
            return self.control_merge({"output": [residual]}, before, None)

        def cleanup(self):
            super().cleanup()
            self.schedule = None
            self.log.append(("end", id(self)))
    return Control(strength, [], tiny_unet(9))


def chained(*controls: Any) -> Any:
    """Copies of ControlNets, one after another: the last one."""
    chain = None
    for each in controls:
        copied = each.copy()
        copied.set_previous_controlnet(chain)
        chain = copied
    return chain


def hung(condition: Any, chain: Any) -> Any:
    """A condition, or a null, with a chain of ControlNets."""
    return [[text, {**more, "control": chain, "control_apply_to_uncond": False}] for text, more in condition]


def controlled(condition: Any, *controls: Any) -> Any:
    """What ControlNetApplyAdvanced does to a condition, with one ControlNet after another."""
    return hung(condition, chained(*controls))


def attention(model: Any) -> None:
    """Patches a MODEL in place: the keys of its cross attention halved, the values of a batch in reverse."""
    model.set_model_attn2_patch(lambda q, k, v, options: (q, 0.5 * k, v.flip(1)))


def write_lora_for_text(models: Path) -> None:
    """A LoRA for the embedded text expert."""
    (models / "loras").mkdir(parents=True, exist_ok=True)
    generator = torch.Generator().manual_seed(3)
    halves = {"up": (384, 2), "down": (2, 128)}
    weights = {f"diffusion_model.mid.1.qkv.lora_{half}.weight": 0.2 * torch.randn(shape, generator=generator)
               for half, shape in halves.items()}
    save_file(weights, models / "loras" / "tiny.safetensors")
