"""What users hang on one expert: LoRAs, a sampling override, hooks on its condition, ControlNets."""
from __future__ import annotations

import functools

import torch

from unite_and_conquer.devtools.tiny_sd15 import tiny_unet

LAYERS = "middle_block.1.proj_in", "middle_block.1.transformer_blocks.0.attn2.to_k", "input_blocks.1.1.transformer_blocks.0.attn1.to_q", "out.2"


@functools.cache
def shapes():
    return {name: tiny_unet(0).model.diffusion_model.get_submodule(name).weight.shape for name in LAYERS}


def lora(seed):
    """A LoRA as it lies in a file: two ranks on linear layers and a convolution."""
    generator = torch.Generator().manual_seed(seed)
    return {f"diffusion_model.{name}.lora_{half}.weight": 0.4 * torch.randn(*size, generator=generator) for name, shape in shapes().items()
            for half, size in (("up", (shape[0], 2) + (1, 1) * (len(shape) == 4)), ("down", (2, *shape[1:])))}


def with_lora(model, seed, strength=1.0):
    import comfy.sd
    return comfy.sd.load_lora_for_models(model, None, lora(seed), strength, 0)[0]


def checkpoint(seed, *loras):
    """A checkpoint of its own into whose weights W LoRAs (seed, strength) were written by hand: W + strength up down."""
    model = tiny_unet(seed)
    for number, strength in loras:
        for name in LAYERS:
            up, down = (lora(number)[f"diffusion_model.{name}.lora_{half}.weight"].double().flatten(1) for half in ("up", "down"))
            weight = model.model.diffusion_model.get_submodule(name).weight
            weight.data += (strength * (up @ down)).reshape(weight.shape).float()
    return model


def override(model, comfy):
    return comfy.call("ModelSamplingDiscrete", model=model, sampling="v_prediction", zsnr=False)[0]


def hooked(condition, seed, strength=1.0, keyframes=()):
    """A condition with a LoRA that the host puts into the weights for this condition only, of a strength that changes over the schedule."""
    import comfy.hooks
    group = comfy.hooks.create_hook_lora(lora(seed), strength, 0.0)
    if keyframes:
        schedule = comfy.hooks.HookKeyframeGroup()
        for start, factor in keyframes:
            schedule.add(comfy.hooks.HookKeyframe(factor, start, guarantee_steps=0))
        group.set_keyframes_on_hooks(schedule)
    return comfy.hooks.set_hooks_for_conditioning(condition, group)


def control(strength=0.3):
    """A ControlNet that adds the noisy input to the first output residual, and like a real one keeps what it was told when the run began."""
    import comfy.controlnet
    import comfy.model_management

    class Control(comfy.controlnet.ControlBase):
        def __init__(self, strength, log, net):
            super().__init__()
            self.strength, self.log, self.net, self.schedule = strength, log, net, None

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
            before = self.previous_controlnet.get_control(x_noisy, t, cond, batched_number, transformer_options) if self.previous_controlnet else None
            self.log.append(("asked", transformer_options["cond_or_uncond"]))
            hint = self.schedule.calculate_input(t, x_noisy)[:, :1]
            return self.control_merge({"output": [torch.nn.functional.avg_pool2d(hint, 2).expand(-1, 64, -1, -1).clone()]}, before, None)

        def cleanup(self):
            super().cleanup()
            self.schedule = None
            self.log.append(("end", id(self)))
    return Control(strength, [], tiny_unet(9))


def controlled(condition, *controls):
    """What ControlNetApplyAdvanced does to a condition, with one ControlNet after another."""
    chain = None
    for c in controls:
        copied = c.copy()
        copied.set_previous_controlnet(chain)
        chain = copied
    return [[c, {**d, "control": chain, "control_apply_to_uncond": False}] for c, d in condition]
