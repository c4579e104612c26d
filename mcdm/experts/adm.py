"""Ablated diffusion models of openai/guided-diffusion (Dhariwal & Nichol 2021): class-conditional, unconditional, and upsamplers."""
from dataclasses import replace

from .model import Family, classes
from .networks.openai_table import Table
from .networks.openai_unet import Signals, UNet, beside
from .pixel import channels, expert, heads, low_resolution

_ADM = {"noise_schedule": "linear", "diffusion_steps": 1000, "rescale_timesteps": False, "prediction": "eps", "use_new_attention_order": False}
_64, _128, _256, _512 = (1, 2, 3, 4), (1, 1, 2, 3, 4), (1, 1, 2, 2, 4, 4), (.5, 1, 1, 2, 2, 4, 4)


def released(model_channels, mult, attention, depth=2, in_channels=3, **conditions):
    """The table of a released network. attention: on so many of the coarsest levels."""
    return Table(in_channels, 6, model_channels, tuple(int(m * model_channels) for m in mult), depth,
                 tuple(level >= len(mult) - attention for level in range(len(mult))), "resblock", True, **conditions)


KNOWN = {           # the flags in the README of guided-diffusion; what the shapes tell -> what they do not
    released(192, _64, 3, depth=3, classes=1000): _ADM | {"num_head_channels": 64, "use_new_attention_order": True, "noise_schedule": "cosine"},
    released(256, _128, 3, classes=1000): _ADM | {"num_heads": 4},
    released(256, _256, 3, classes=1000): _ADM | {"num_head_channels": 64},
    released(256, _256, 3): _ADM | {"num_head_channels": 64},                       # unconditional, and LSUN bedroom, cat, horse
    released(256, _512, 3, classes=1000): _ADM | {"num_head_channels": 64},
    released(192, _256, 3, classes=1000, in_channels=6): _ADM | {"num_heads": 4},               # 64 to 256
    released(192, _256, 2, classes=1000, in_channels=6): _ADM | {"num_head_channels": 64},      # 128 to 512
}


class ADM(UNet):
    def forward(self, x, timesteps, context=None, control=None, transformer_options={}, y=None, low_res=None, **kwargs):  # noqa: B006
        """x: [B, 3, H, W]. timesteps: [B], 0 = least noise, fractions allowed. y: [B] class. low_res: [B, 3, h, w] in [-1, 1], of an upsampler."""
        emb = self.embed(timesteps, x.dtype)
        if self.table.classes:
            emb = emb + self.label_emb(y, out_dtype=x.dtype)
        if self.table.in_channels > x.shape[1]:
            x = beside(x, low_res)
        return self.run(x, Signals(emb, transformer_options))


def _recognises(state, config):
    return channels(state) == 3 and "token_embedding.weight" not in state


def _recognises_superres(state, config):
    """Without classes its keys are those of the sketch network: the file or its sidecar has to say which it is."""
    return (channels(state) == 6 and not {"token_embedding.weight", "input_blocks_convert.weight"} & state.keys()
            and ("label_emb.weight" in state or config.family == "adm_superres"))


def build(state, config, weight_dtype):
    shape = Table.read(state)
    table = heads(shape, config, KNOWN.get(shape))
    table = replace(table, new_attention_order=config.need("use_new_attention_order", (False, True)))
    modalities = [classes(table.classes, trained_null=False)] if table.classes else []
    if table.in_channels == 6:
        modalities.append(low_resolution())
    return expert(ADM, table, modalities, state, config, weight_dtype)


FAMILIES = (Family("adm", _recognises, build), Family("adm_superres", _recognises_superres, build))
