"""A small text encoder of GLIDE, and prompts for it."""
from __future__ import annotations

import torch

# Its size, as arguments of Reference (support/reference_unet.py).
TEXT = {"text_ctx": 8, "xf_width": 64, "xf_layers": 2, "xf_heads": 8, "n_vocab": 260, "num_head_channels": 16}


def prompt(batch: int = 2, length: int = 8, size: int = 260) -> dict[str, torch.Tensor]:
    """tokens and mask [batch, length]; the second prompt has three tokens. size: of the vocabulary, its end last."""
    generator = torch.Generator().manual_seed(5)
    mask = torch.arange(length) < torch.tensor([[length], [3]])[:batch]
    return {
        "tokens": torch.randint(0, size - 1, (batch, length), generator=generator).where(mask, size - 1),
        "mask": mask,
    }
