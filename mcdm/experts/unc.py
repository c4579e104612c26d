"""The face and sketch networks of Unite and Conquer (Nithin-GK/UniteandConquer, face_utils): maps as channels, and an image's embedding.

Section 7.3: the embedding (of an image while training, of a text when sampling) acts by adaptive group normalisation, after the time's.
"""
from dataclasses import replace

import torch

from .adm import released
from .model import CONDITION, Family, Modality, conditioning
from .networks.openai_table import Table
from .networks.openai_unet import CHANNELS, Signals, UNet
from .pixel import PixelExpert, channels, expert, heads, picture

_UNC = {"num_head_channels": 64, "use_new_attention_order": False, "noise_schedule": "linear", "diffusion_steps": 1000, "rescale_timesteps": True,
        "prediction": "eps"}
KNOWN = {           # face_utils/script_util.py
    released(192, (1, 1, 2, 2, 4, 4), 3, in_channels=6, vector_width=512): _UNC,            # model_latest.pt
    released(192, (1, 1, 2, 2, 4, 4), 3, in_channels=6): _UNC | {"family": "unc_sketch"},   # model_sketch.pt
}


class FaceUNet(UNet):
    def __init__(self, table, ops, **kw):
        super().__init__(table, ops, **kw)
        self.input_blocks_convert = ops.Conv2d(2 * CHANNELS, CHANNELS, 3, padding=1, **kw)

    def forward(self, x, timesteps, context=None, control=None, transformer_options={}, face_map=None, hair_map=None,  # noqa: B006
                image_embed=None, twice=None, **kwargs):
        """x, face_map, hair_map: [B, 3, H, W]. image_embed: [B, 512], zero = none.

        twice: [B, 1], which rows are normalised a second time, by image_embed. None: the authors' rule, all rows of a batch that
        holds any embedding, by which a row depends on its neighbours.
        """
        if twice is None:
            twice = image_embed.float().sum().expand(len(x), 1)
        signals = Signals(self.embed(timesteps, x.dtype), transformer_options, vector=image_embed.to(x), twice=(twice != 0)[:, :, None, None])
        maps = self.input_blocks_convert(torch.cat([face_map, hair_map], dim=1).to(x))
        return self.run(torch.cat([x, maps], dim=1), signals)


class SketchUNet(UNet):
    def forward(self, x, timesteps, context=None, control=None, transformer_options={}, sketch=None, **kwargs):  # noqa: B006
        """x, sketch: [B, 3, H, W]."""
        return self.run(torch.cat([x, sketch.to(x)], dim=1), Signals(self.embed(timesteps, x.dtype), transformer_options))


class FaceExpert(PixelExpert):
    """Says of each row whether it is normalised twice: a condition with an embedding and the null to it, as the authors evaluate the two in one batch."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.null_twice = _flagged(self.null)

    def null_conditioning(self, condition=None):
        return self.null_twice if _embedded(condition or []) else self.null

    def pair(self, condition, null):
        if _embedded(condition) or _embedded(null):
            return _flagged(condition), null if null is self.null_twice else _flagged(null)
        return condition, null

    def extra_conds(self, **kwargs):
        given = kwargs.get(CONDITION, {})
        if "image_embed" in given and "twice" not in given:
            given = given | {"twice": _twice(given["image_embed"])}
        return super().extra_conds(**kwargs | {CONDITION: given})


def _twice(image_embed):
    return (image_embed.float().sum(1, keepdim=True) != 0).float()


def _flagged(condition):
    return conditioning({"twice": torch.ones(1, 1)}, into=condition)


def _embedded(condition):
    """Whether any row of a CONDITIONING holds an embedding, or is said to be normalised twice."""
    held = [rest.get(CONDITION, {}) for _, rest in condition]
    return any(bool(h["twice"].any()) if "twice" in h else "image_embed" in h and bool(_twice(h["image_embed"]).any()) for h in held)


def _recognises_face(state, config):
    return channels(state) == 6 and state.keys() >= {"input_blocks_convert.weight", "middle_block.0.cond_emb_layers.1.weight"}


def _recognises_sketch(state, config):
    return channels(state) == 6 and not {"token_embedding.weight", "input_blocks_convert.weight", "label_emb.weight"} & state.keys()


def build_face(state, config, weight_dtype):
    table = _table(state, config)
    embedding = Modality("embedding", "vector", "image_embed", torch.zeros(1, table.vector_width), encoding="unit", parts={"twice": torch.zeros(1, 1)})
    return expert(FaceUNet, table, [picture("face", "face_map"), picture("hair", "hair_map"), embedding], state, config, weight_dtype, FaceExpert)


def build_sketch(state, config, weight_dtype):
    table = _table(state, config)
    config.need("family", ("unc_sketch", "adm_superres"))          # the keys are those of an upsampler without classes
    return expert(SketchUNet, table, [picture("sketch", "sketch", trained_null=False)], state, config, weight_dtype)


def _table(state, config):
    shape = Table.read(state)
    table = heads(shape, config, KNOWN.get(shape))
    return replace(table, new_attention_order=config.get("use_new_attention_order", False))


FAMILIES = Family("unc_face", _recognises_face, build_face), Family("unc_sketch", _recognises_sketch, build_sketch)
