"""GLIDE (openai/glide-text2im, Nichol et al. 2022): text to picture, its upsampler, and the inpainting variants of both."""
from dataclasses import dataclass, replace

import comfy.ops
import torch
from comfy.ldm.modules.attention import optimized_attention
from torch import nn

from .adm import released
from .model import Family, Modality
from .networks.openai_table import Table
from .networks.openai_unet import CHANNELS, Signals, UNet, beside
from .pixel import Given, channels, expert, heads, low_resolution


@dataclass(frozen=True)
class TextTable:
    """The text encoder: what its shapes tell, and the heads, which they do not."""
    width: int
    layers: int
    context: int
    vocabulary: int
    padding: bool = True
    final_norm: bool = True
    heads: int = 1

    @classmethod
    def read(cls, state):
        layers = {k.split(".")[2] for k in state if k.startswith("transformer.resblocks.")}
        vocabulary, width = state["token_embedding.weight"].shape
        return cls(width, len(layers), state["positional_embedding"].shape[0], vocabulary,
                   "padding_embedding" in state, "final_ln.weight" in state)


_GLIDE = {"num_head_channels": 64, "xf_heads": 8, "noise_schedule": "squaredcos_cap_v2", "diffusion_steps": 1000, "rescale_timesteps": False,
          "prediction": "eps"}
_TEXT, _64, _256 = TextTable(512, 16, 128, 50257), (1, 2, 3, 4), (1, 1, 2, 2, 4, 4)
KNOWN = {           # glide_text2im/model_creation.py
    **{(released(192, _64, 3, depth=3, text_width=512, in_channels=c), _TEXT): _GLIDE for c in (3, 7)},
    **{(released(192, _256, 3, text_width=512, in_channels=c), _TEXT): _GLIDE | {"noise_schedule": "linear"} for c in (6, 10)},
}


class TextBlock(nn.Module):
    """Pre-norm transformer block without attention mask; heads are split before q, k and v."""

    def __init__(self, width, n_heads, ops, **kw):
        super().__init__()
        self.heads = n_heads
        self.ln_1, self.ln_2 = ops.LayerNorm(width, **kw), ops.LayerNorm(width, **kw)
        self.attn = nn.ModuleDict({"c_qkv": ops.Linear(width, 3 * width, **kw), "c_proj": ops.Linear(width, width, **kw)})
        self.mlp = nn.ModuleDict({"c_fc": ops.Linear(width, 4 * width, **kw), "c_proj": ops.Linear(4 * width, width, **kw)})

    def forward(self, x, options):
        """x: [B, L, width]."""
        qkv = self.attn["c_qkv"](self.ln_1(x)).unflatten(-1, (self.heads, 3, -1))                 # [B, L, heads, 3, width/heads]
        q, k, v = qkv.permute(3, 0, 2, 1, 4)
        x = x + self.attn["c_proj"](optimized_attention(q, k, v, self.heads, skip_reshape=True, transformer_options=options))
        return x + self.mlp["c_proj"](nn.functional.gelu(self.mlp["c_fc"](self.ln_2(x))))


class Transformer(nn.Module):
    def __init__(self, text, ops, **kw):
        super().__init__()
        self.resblocks = nn.ModuleList(TextBlock(text.width, text.heads, ops, **kw) for _ in range(text.layers))

    def forward(self, x, options):
        for block in self.resblocks:
            x = block(x, options)
        return x


class GlideUNet(UNet):
    def __init__(self, table, ops, text, **kw):
        super().__init__(table, ops, **kw)
        if text.heads < 1 or text.width % text.heads:
            raise ValueError(f"its text encoder of width {text.width} cannot be split into xf_heads {text.heads}; correct the JSON beside the file")
        self.token_embedding = ops.Embedding(text.vocabulary, text.width, **kw)
        self.positional_embedding = nn.Parameter(torch.empty(text.context, text.width, **kw))
        self.padding_embedding = nn.Parameter(torch.empty(text.context, text.width, **kw)) if text.padding else None
        self.transformer = Transformer(text, ops, **kw)
        self.final_ln = ops.LayerNorm(text.width, **kw) if text.final_norm else nn.Identity()
        self.transformer_proj = ops.Linear(text.width, 4 * table.model_channels, **kw)

    def encode(self, tokens, mask, like, options={}):  # noqa: B006
        """tokens, mask: [B, L]; real tokens where mask is not zero. like: a tensor on the device and in the type to compute in.

        Returns the text for the attention, [B, width, L], and for the time embedding, [B, 4 * model_channels], from the last position.
        """
        h = self.token_embedding(tokens, out_dtype=like.dtype).to(like) + comfy.ops.cast_to_input(self.positional_embedding, like)
        if self.padding_embedding is not None:
            h = torch.where(mask.bool()[:, :, None], h, comfy.ops.cast_to_input(self.padding_embedding, like))
        h = self.final_ln(self.transformer(h, options))
        return h.transpose(1, 2), self.transformer_proj(h[:, -1])

    def forward(self, x, timesteps, context=None, control=None, transformer_options={}, tokens=None, mask=None, low_res=None,  # noqa: B006
                inpaint_image=None, inpaint_mask=None, **kwargs):
        """x: [B, 3, H, W]. tokens: [B, L] int64, mask: [B, L]. low_res: [B, 3, h, w], of an upsampler.

        inpaint_image: [B, 3, H, W], inpaint_mask: [B, 1, H, W], 1 where the image is known; of an inpainting network, nothing known by default.
        """
        text, emb = self.encode(tokens, mask, x, transformer_options)
        extra = self.table.in_channels - CHANNELS
        if extra % CHANNELS:
            known = torch.zeros_like(x[:, :1]) if inpaint_mask is None else inpaint_mask.to(x)
            image = torch.zeros_like(x) if inpaint_image is None else inpaint_image.to(x)
            x = torch.cat([x, image * known, known], dim=1)
        if extra in (CHANNELS, 2 * CHANNELS + 1):
            x = beside(x, low_res)
        return self.run(x, Signals(self.embed(timesteps, x.dtype) + emb, transformer_options, text=text))


def _recognises(inputs):
    return lambda state, config: channels(state) in inputs and "token_embedding.weight" in state


def build(state, config, weight_dtype):
    shape, text = Table.read(state), TextTable.read(state)
    table = heads(shape, config, KNOWN.get((shape, text)))
    text = replace(text, heads=config.need("xf_heads", int))
    empty = torch.full((1, text.context), text.vocabulary - 1), torch.zeros(1, text.context, dtype=torch.bool)
    modalities = [Modality("text", "text", "tokens", empty[0], parts={"mask": empty[1]})]
    if shape.in_channels in (7, 10):
        blank = torch.zeros(1, CHANNELS, 1, 1)
        modalities.append(Given("inpainting", "map", "inpaint_image", blank, encoding="inpainting", parts={"inpaint_mask": blank[:, :1]}))
    if shape.in_channels in (6, 10):
        modalities.append(low_resolution())
    return expert(GlideUNet, table, modalities, state, config, weight_dtype, text=text)


FAMILIES = Family("glide", _recognises((3, 7)), build), Family("glide_upsampler", _recognises((6, 10)), build)
