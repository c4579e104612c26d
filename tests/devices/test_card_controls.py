"""ControlNets of every kind go to the card of their expert, and their networks with them."""
from __future__ import annotations

import gc

import pytest
import torch

from support.accelerator import FIRST, KEPT, SECOND, on, placed
from support.mixtures import expert, latent, mix, sampled, settings
from support.patches import chained, hung
from support.tensors import noise
from unite_and_conquer.devtools.tiny_sd15 import conditioning, tiny_unet

RUN = settings(latent_image=latent(), steps=2)
HINT = noise(7, 1, 3, 64, 64).sigmoid()


def network(seed):
    """The ControlNet of a tiny Stable Diffusion, with random weights."""
    import comfy.cldm.cldm
    import comfy.ops
    config = tiny_unet(0).model.model_config.unet_config.copy()
    config.pop("out_channels")
    config |= {"hint_channels": 3, "dtype": torch.float32, "operations": comfy.ops.disable_weight_init}
    made = comfy.cldm.cldm.ControlNet(**config)
    generator = torch.Generator().manual_seed(seed)
    for parameter in made.parameters():
        parameter.data = 0.1 * torch.randn(parameter.shape, generator=generator)
    return made


def controlnet(device):
    import comfy.controlnet
    return comfy.controlnet.ControlNet(network(1), load_device=torch.device(device))


def control_lora(device):
    import comfy.controlnet
    own = "input_hint_block", "zero_convs", "middle_block_out"
    weights = {key: weight for key, weight in network(2).state_dict().items() if key.startswith(own)}
    weights["time_embed.0.up"], weights["time_embed.0.down"] = noise(3, 128, 2), noise(4, 2, 32)
    return comfy.controlnet.ControlLora(weights)


def adapter(device):
    import comfy.controlnet

    class Adapter(torch.nn.Module):
        unshuffle_amount = 8

        def __init__(self):
            super().__init__()
            self.convolution = torch.nn.Conv2d(3, 64, 16, 16)
            self.convolution.weight.data, self.convolution.bias.data = noise(5, 64, 3, 16, 16) * 0.03, noise(6, 64)

        def forward(self, hint):
            return {"middle": [self.convolution(hint)]}
    return comfy.controlnet.T2IAdapter(Adapter(), 3, 8, "nearest-exact", torch.device(device))


KINDS = {"a ControlNet": [controlnet], "a Control-LoRA": [control_lora], "an adapter": [adapter],
         "a chain": [controlnet, control_lora, adapter]}


def drawn(comfy, kind, device, places=("here", "here")):
    """What two experts draw, the first in the middle of nothing and the second with a ControlNet of a kind."""
    experts = []
    for i, place in enumerate(places):
        controls = [make(device).set_cond_hint(HINT, 0.8, (0.0, 1.0)) for make in KINDS[kind]]
        condition = hung(conditioning(i), chained(*controls))
        one = expert(comfy, on(device, i), i, 2.0 + i, condition=condition)
        experts.append(placed(comfy, one, place))
    return sampled(comfy, mix(comfy, experts, "1 3"), **RUN)


@pytest.mark.parametrize("places", [("here", "here"), ("here", "npu:1"), ("npu:1", "here"), ("cpu", "npu:1")], ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_a_control_goes_with_its_expert(comfy, kind, places):
    assert torch.equal(drawn(comfy, kind, FIRST, places), drawn(comfy, kind, "cpu"))


def test_a_control_leaves_a_card_with_its_expert(comfy, cards):
    control = controlnet(FIRST).set_cond_hint(HINT, 0.8, (0.0, 1.0))
    models = [on(FIRST, 0), on(FIRST, 1)]
    for place in ("npu:1", "here"):
        experts = [expert(comfy, model, i, condition=hung(conditioning(i), chained(control)))
                   for i, model in enumerate(models)]
        experts[1] = placed(comfy, experts[1], place)
        sampled(comfy, mix(comfy, experts), **RUN)
        del experts
        gc.collect()
        assert (cards.held(SECOND.index) > KEPT) == (place == "npu:1")
