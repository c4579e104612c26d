"""The networks of openai/glide-text2im (Nichol et al. 2022, arXiv:2112.10741): a U-Net and its text encoder."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import comfy.ops
import torch
from comfy.ldm.modules.attention import optimized_attention
from torch import Tensor, nn
from torch.nn import functional as F

from .openai_layers import Signals
from .openai_table import Table
from .openai_unet import CHANNELS, UNet, beside


@dataclass(frozen=True)
class TextTable:
    """The text encoder: all that its shapes tell, and the heads, which they do not."""
    width: int
    layers: int
    context: int
    vocabulary: int
    padding: bool = True
    final_norm: bool = True
    heads: int = 1

    @classmethod
    def read(cls, state: dict[str, Tensor]) -> TextTable:
        """All that the shapes of a state dict tell. Raises KeyError if a table is missing."""
        layers = {key.split(".")[2] for key in state if key.startswith("transformer.resblocks.")}
        vocabulary, width = state["token_embedding.weight"].shape
        return cls(width, len(layers), state["positional_embedding"].shape[0], vocabulary,
                   "padding_embedding" in state, "final_ln.weight" in state)


class TextBlock(nn.Module):
    """A pre-norm transformer block on [B, L, width] without attention mask; heads are split before q, k and v."""

    def __init__(self, width: int, heads: int, ops: Any, **kw: Any) -> None:
        super().__init__()
        self.heads = heads
        self.ln_1 = ops.LayerNorm(width, **kw)
        self.ln_2 = ops.LayerNorm(width, **kw)
        self.attn = nn.ModuleDict({
            "c_qkv": ops.Linear(width, 3 * width, **kw),
            "c_proj": ops.Linear(width, width, **kw),
        })
        self.mlp = nn.ModuleDict({
            "c_fc": ops.Linear(width, 4 * width, **kw),
            "c_proj": ops.Linear(4 * width, width, **kw),
        })

    def forward(self, x: Tensor, options: dict[str, Any]) -> Tensor:
        qkv = self.attn["c_qkv"](self.ln_1(x)).unflatten(-1, (self.heads, 3, -1))  # [B, L, heads, 3, width/heads]
        q, k, v = qkv.permute(3, 0, 2, 1, 4)
        h = optimized_attention(q, k, v, self.heads, skip_reshape=True, transformer_options=options)
        x = x + self.attn["c_proj"](h)
        return x + self.mlp["c_proj"](F.gelu(self.mlp["c_fc"](self.ln_2(x))))


class Transformer(nn.Module):
    """[B, L, width] -> [B, L, width]."""

    def __init__(self, text: TextTable, ops: Any, **kw: Any) -> None:
        super().__init__()
        self.resblocks = nn.ModuleList(TextBlock(text.width, text.heads, ops, **kw) for _ in range(text.layers))

    def forward(self, x: Tensor, options: dict[str, Any]) -> Tensor:
        for block in self.resblocks:
            x = block(x, options)
        return x


class GlideUNet(UNet):
    """The U-Net with its text encoder: the base network, an upsampler or an inpainting one, as the table says."""

    def __init__(self, table: Table, ops: Any, text: TextTable, **kw: Any) -> None:
        super().__init__(table, ops, **kw)
        if text.heads < 1 or text.width % text.heads:
            raise ValueError(f"its text encoder of width {text.width} cannot be split into xf_heads {text.heads}; "
                             "correct the JSON beside the file")
        self.token_embedding = ops.Embedding(text.vocabulary, text.width, **kw)
        self.positional_embedding = nn.Parameter(torch.empty(text.context, text.width, **kw))
        self.padding_embedding = nn.Parameter(torch.empty(text.context, text.width, **kw)) if text.padding else None
        self.transformer = Transformer(text, ops, **kw)
        self.final_ln = ops.LayerNorm(text.width, **kw) if text.final_norm else nn.Identity()
        self.transformer_proj = ops.Linear(text.width, 4 * table.model_channels, **kw)

    def encode(self, tokens: Tensor, mask: Tensor, like: Tensor,
               options: dict[str, Any] = {}) -> tuple[Tensor, Tensor]:  # noqa: B006
        """The text for the attention, [B, width, L], and for the embedding of time, [B, 4 * model_channels].

        tokens, mask: [B, L]; real tokens where the mask is not zero. like: a tensor on the device and in the type to
        compute in. The second result comes from the last position.
        """
        h = self.token_embedding(tokens, out_dtype=like.dtype).to(like)
        h = h + comfy.ops.cast_to_input(self.positional_embedding, like)
        if self.padding_embedding is not None:
            h = torch.where(mask.bool()[:, :, None], h, comfy.ops.cast_to_input(self.padding_embedding, like))
        h = self.final_ln(self.transformer(h, options))
        return h.transpose(1, 2), self.transformer_proj(h[:, -1])

    def forward(self, x: Tensor, timesteps: Tensor, context: Any = None, control: Any = None,
                transformer_options: dict[str, Any] = {}, *, tokens: Tensor, mask: Tensor,  # noqa: B006
                low_res: Tensor | None = None, inpaint_image: Tensor | None = None,
                inpaint_mask: Tensor | None = None, **kwargs: Any) -> Tensor:
        """x: [B, 3, H, W]. timesteps: [B]. tokens: [B, L] int64, mask: [B, L]. low_res: [B, 3, h, w], of an upsampler.

        inpaint_image: [B, 3, H, W] and inpaint_mask: [B, 1, H, W], 1 where the image is known, of an inpainting
        network; nothing is known by default. Returns the predicted noise.
        """
        text, emb = self.encode(tokens, mask, x, transformer_options)
        if (self.table.in_channels - CHANNELS) % CHANNELS:
            known = torch.zeros_like(x[:, :1]) if inpaint_mask is None else inpaint_mask.to(x)
            image = torch.zeros_like(x) if inpaint_image is None else inpaint_image.to(x)
            x = torch.cat([x, image * known, known], dim=1)
        if low_res is not None:
            x = beside(x, low_res)
        signals = Signals(self.embed(timesteps, x.dtype) + emb, transformer_options, text=text)
        return self.run(x, signals)
