"""guided-diffusion's U-Net and its relatives (GLIDE, Unite and Conquer) once more: one function from keys to numbers.

`Reference(**constructor arguments of the reference)` invents random weights of the right keys and shapes while it first
runs, or takes those of a state dict. It computes in float64. The tests of each family compare it with the recorded
vectors before it judges anything.
"""
import math

import torch
from torch.nn import functional as F


class Reference:
    """kind: "adm", "superres", "glide", "glide_superres", "glide_inpaint", "face" or "sketch".

    The other arguments are those of the references.
    """

    def __init__(
        self,
        kind="adm",
        state=None,
        seed=0,
        *,
        model_channels=32,
        out_channels=6,
        num_res_blocks=1,
        attention_resolutions=(2,),
        channel_mult=(1, 2),
        num_classes=None,
        num_heads=1,
        num_head_channels=-1,
        use_new_attention_order=False,
        use_scale_shift_norm=True,
        resblock_updown=True,
        conv_resample=True,
        text_ctx=0,
        xf_width=0,
        xf_layers=0,
        xf_heads=1,
        xf_final_ln=True,
        xf_padding=True,
        n_vocab=0,
        device="cpu",
        **other,
    ):
        self.__dict__.update({k: v for k, v in locals().items() if k not in ("self", "state", "other")})
        self.state = {k: v.double() for k, v in (state or {}).items()}
        self.given = state is not None
        self.generator = torch.Generator().manual_seed(seed)

    def p(self, key, *shape):
        """A parameter; invented at its first use."""
        if key not in self.state:
            assert not self.given, f"{key} is not in the state dict"
            fan = math.prod(shape[1:]) if len(shape) > 1 else 1
            value = (
                torch.empty(shape, device="meta")
                if self.device == "meta"
                else torch.randn(shape, generator=self.generator) / math.sqrt(fan)
            )
            if len(shape) == 1 and key.endswith("weight"):
                value = 1 + value / 4
            self.state[key] = value.double()
        assert self.state[key].shape == shape, f"{key}: {tuple(self.state[key].shape)}, not {shape}"
        return self.state[key]

    def conv(self, key, x, c_out, size=3, **kw):
        return F.conv2d(x, self.p(f"{key}.weight", c_out, x.shape[1], size, size), self.p(f"{key}.bias", c_out), **kw)

    def conv1(self, key, x, c_out):
        return (
            torch.einsum("oi,bil->bol", self.p(f"{key}.weight", c_out, x.shape[1], 1)[:, :, 0], x)
            + self.p(f"{key}.bias", c_out)[:, None]
        )

    def linear(self, key, x, c_out):
        return F.linear(x, self.p(f"{key}.weight", c_out, x.shape[-1]), self.p(f"{key}.bias", c_out))

    def norm(self, key, x):
        return F.group_norm(x, 32, self.p(f"{key}.weight", x.shape[1]), self.p(f"{key}.bias", x.shape[1]), 1e-5)

    def layer_norm(self, key, x):
        return F.layer_norm(
            x, x.shape[-1:], self.p(f"{key}.weight", x.shape[-1]), self.p(f"{key}.bias", x.shape[-1]), 1e-5
        )

    def res(self, key, x, emb, c_out, move=None):
        films = 2 * c_out if self.use_scale_shift_norm else c_out
        h = F.silu(self.norm(f"{key}.in_layers.0", x))
        if move:
            h, x = move(h), move(x)
        h = self.conv(f"{key}.in_layers.2", h, c_out, padding=1)
        film = self.linear(f"{key}.emb_layers.1", F.silu(emb), films)[:, :, None, None]
        films2 = (
            self.linear(f"{key}.cond_emb_layers.1", F.silu(self.image_embed), films)[:, :, None, None]
            if self.kind == "face"
            else None
        )
        twice = self.kind == "face" and self.twice
        if self.use_scale_shift_norm:
            for f in (film, films2) if twice else (film,):
                scale, shift = f.chunk(2, dim=1)
                h = self.norm(f"{key}.out_layers.0", h) * (1 + scale) + shift
        else:
            h = self.norm(f"{key}.out_layers.0", h + film + (films2 if twice else 0))
        h = self.conv(f"{key}.out_layers.3", F.silu(h), c_out, padding=1)
        return h + (x if x.shape[1] == c_out else self.conv(f"{key}.skip_connection", x, c_out, 1))

    def attend(self, key, x):
        b, c, *spatial = x.shape
        n = self.num_heads if self.num_head_channels == -1 else c // self.num_head_channels
        qkv = self.conv1(f"{key}.qkv", self.norm(f"{key}.norm", x).flatten(2), 3 * c)
        if self.use_new_attention_order:
            q, k, v = (part.reshape(b * n, c // n, -1) for part in qkv.chunk(3, dim=1))
        else:
            q, k, v = qkv.reshape(b * n, 3 * c // n, -1).chunk(3, dim=1)
        if self.xf_width:
            k_text, v_text = (
                self.conv1(f"{key}.encoder_kv", self.text, 2 * c).reshape(b * n, 2 * c // n, -1).chunk(2, dim=1)
            )
            k, v = torch.cat([k_text, k], dim=2), torch.cat([v_text, v], dim=2)
        weight = torch.einsum("bct,bcs->bts", q, k).div(math.sqrt(c // n)).softmax(-1)
        h = torch.einsum("bts,bcs->bct", weight, v).reshape(b, c, -1)
        return x + self.conv1(f"{key}.proj_out", h, c).reshape(b, c, *spatial)

    def encode(self, tokens, mask):
        h = F.embedding(tokens, self.p("token_embedding.weight", self.n_vocab, self.xf_width)) + self.p(
            "positional_embedding", self.text_ctx, self.xf_width
        )
        if self.xf_padding:
            h = torch.where(mask[:, :, None], h, self.p("padding_embedding", self.text_ctx, self.xf_width))
        for i in range(self.xf_layers):
            key = f"transformer.resblocks.{i}"
            qkv = self.linear(f"{key}.attn.c_qkv", self.layer_norm(f"{key}.ln_1", h), 3 * self.xf_width)
            q, k, v = qkv.reshape(*h.shape[:2], self.xf_heads, -1).chunk(3, dim=-1)
            weight = torch.einsum("bthc,bshc->bhts", q, k).div(math.sqrt(q.shape[-1])).softmax(-1)
            h = h + self.linear(
                f"{key}.attn.c_proj", torch.einsum("bhts,bshc->bthc", weight, v).flatten(2), self.xf_width
            )
            hidden = F.gelu(self.linear(f"{key}.mlp.c_fc", self.layer_norm(f"{key}.ln_2", h), 4 * self.xf_width))
            h = h + self.linear(f"{key}.mlp.c_proj", hidden, self.xf_width)
        if self.xf_final_ln:
            h = self.layer_norm("final_ln", h)
        return h.transpose(1, 2), self.linear("transformer_proj", h[:, -1], 4 * self.model_channels)

    def __call__(
        self,
        x,
        t,
        y=None,
        low_res=None,
        tokens=None,
        mask=None,
        face_map=None,
        hair_map=None,
        image_embed=None,
        sketch=None,
        inpaint_image=None,
        inpaint_mask=None,
    ):
        """float64 [B, out_channels, H, W], as the reference's forward."""
        x = x.double()
        half = self.model_channels // 2
        angles = t.double()[:, None] * torch.exp(
            -math.log(10000) * torch.arange(half, dtype=torch.float64, device=x.device) / half
        )
        c_emb = 4 * self.model_channels
        emb = self.linear("time_embed.0", torch.cat([angles.cos(), angles.sin()], 1), c_emb)
        emb = self.linear("time_embed.2", F.silu(emb), c_emb)
        if self.num_classes is not None:
            emb = emb + F.embedding(y, self.p("label_emb.weight", self.num_classes, c_emb))
        if self.xf_width:
            self.text, proj = self.encode(tokens, mask)
            emb = emb + proj
        if self.kind == "face":
            self.image_embed, self.twice = (
                image_embed.double(),
                self.device == "meta" or bool(image_embed.double().sum() != 0),
            )
            x = torch.cat(
                [x, self.conv("input_blocks_convert", torch.cat([face_map, hair_map], 1).double(), 3, padding=1)], 1
            )
        if self.kind == "sketch":
            x = torch.cat([x, sketch.double()], 1)
        if self.kind == "glide_inpaint":
            x = torch.cat([x, (inpaint_image * inpaint_mask).double(), inpaint_mask.double()], 1)
        if self.kind in ("superres", "glide_superres"):
            x = torch.cat([x, F.interpolate(low_res.double(), x.shape[-2:], mode="bilinear", align_corners=False)], 1)
        return self.body(x, emb)

    def body(self, x, emb):
        widths = [int(m * self.model_channels) for m in self.channel_mult]
        h = self.conv("input_blocks.0.0", x, widths[0], padding=1)
        ds = 1
        k = 1
        skips = [h]
        for level, width in enumerate(widths):
            for _ in range(self.num_res_blocks):
                h = self.res(f"input_blocks.{k}.0", h, emb, width)
                if ds in self.attention_resolutions:
                    h = self.attend(f"input_blocks.{k}.1", h)
                skips.append(h)
                k += 1
            if level + 1 < len(widths):
                h = self.resample(f"input_blocks.{k}.0", h, emb, "down")
                skips.append(h)
                k, ds = k + 1, 2 * ds
        h = self.res("middle_block.0", h, emb, h.shape[1])
        h = self.res("middle_block.2", self.attend("middle_block.1", h), emb, h.shape[1])
        k = 0
        for level, width in reversed(list(enumerate(widths))):
            for i in range(self.num_res_blocks + 1):
                h = self.res(f"output_blocks.{k}.0", torch.cat([h, skips.pop()], 1), emb, width)
                if ds in self.attention_resolutions:
                    h = self.attend(f"output_blocks.{k}.1", h)
                if level and i == self.num_res_blocks:
                    h = self.resample(f"output_blocks.{k}.{2 if ds in self.attention_resolutions else 1}", h, emb, "up")
                    ds //= 2
                k += 1
        return self.conv("out.2", F.silu(self.norm("out.0", h)), self.out_channels, padding=1)

    def resample(self, key, x, emb, direction):
        def up(x):
            return x.repeat_interleave(2, 2).repeat_interleave(2, 3)

        def down(x):
            return (x[..., ::2, ::2] + x[..., 1::2, ::2] + x[..., ::2, 1::2] + x[..., 1::2, 1::2]) / 4
        if self.resblock_updown:
            return self.res(key, x, emb, x.shape[1], up if direction == "up" else down)
        if not self.conv_resample:
            return up(x) if direction == "up" else down(x)
        if direction == "up":
            return self.conv(f"{key}.conv", up(x), x.shape[1], padding=1)
        return self.conv(f"{key}.op", x, x.shape[1], stride=2, padding=1)
