"""The face and sketch networks of Unite and Conquer (Nithin-GK/UniteandConquer).

Maps are channels beside the picture. Section 7.3: an embedding (of an image in training, of a text in sampling) acts by
adaptive group normalisation, after that of time.
"""
from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from .adm import MULT_256, released
from .config import Config
from .modality import CONDITION, Conditioning, Modality, conditioning
from .model import ExpertModel, Family, State
from .networks.openai_table import Table
from .networks.unc import FaceUNet, SketchUNet
from .pixel import PixelExpert, build_expert, input_channels, picture, with_heads

COMMON = {
    "num_head_channels": 64,
    "use_new_attention_order": False,
    "noise_schedule": "linear",
    "diffusion_steps": 1000,
    "rescale_timesteps": True,
    "prediction": "eps",
}

# What the shapes do not tell of the released checkpoints (face_utils/script_util.py).
KNOWN: dict[Table, dict[str, Any]] = {
    released(192, MULT_256, 3, in_channels=6, vector_width=512): COMMON,  # model_latest.pt
    released(192, MULT_256, 3, in_channels=6): COMMON | {"family": "unc_sketch"},  # model_sketch.pt
}


class FaceExpert(PixelExpert):
    """Says of each row whether it is normalised twice: conditions with an embedding, and the nulls to them.

    That is how the authors evaluate the two in one batch.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.null_twice = _flagged(self.null)

    def null_conditioning(self, condition: Conditioning | None = None) -> Conditioning:
        """One of two nulls, once or twice normalised as the condition is."""
        return self.null_twice if _embedded(condition or []) else self.null

    def pair(self, condition: Conditioning, null: Conditioning) -> tuple[Conditioning, Conditioning]:
        """Both are normalised twice where one of them holds an embedding."""
        if not _embedded(condition) and not _embedded(null):
            return condition, null
        return _flagged(condition), null if null is self.null_twice else _flagged(null)

    def extra_conds(self, **kwargs: Any) -> dict[str, Any]:
        """As the other experts', with the flag of each row that has an embedding."""
        given = kwargs.get(CONDITION, {})
        if "image_embed" in given and "twice" not in given:
            given = given | {"twice": _is_embedding(given["image_embed"]).float()}
        return super().extra_conds(**kwargs | {CONDITION: given})


def _is_embedding(image_embed: Tensor) -> Tensor:
    """[B, width] -> [B, 1] bool: whether a row holds an embedding, by the authors' rule: its sum is not zero."""
    return image_embed.float().sum(1, keepdim=True) != 0


def _flagged(condition: Conditioning) -> Conditioning:
    return conditioning({"twice": torch.ones(1, 1)}, into=condition)


def _embedded(condition: Conditioning) -> bool:
    """Whether any row of a CONDITIONING holds an embedding, or is said to be normalised twice."""
    for _, rest in condition:
        held = rest.get(CONDITION, {})
        if "twice" in held:
            flags = held["twice"]
        elif "image_embed" in held:
            flags = _is_embedding(held["image_embed"])
        else:
            continue
        if bool(flags.any()):
            return True
    return False


def _recognises_face(state: State, config: Config) -> bool:
    own = {"input_blocks_convert.weight", "middle_block.0.cond_emb_layers.1.weight"}
    return input_channels(state) == 6 and state.keys() >= own


def _recognises_sketch(state: State, config: Config) -> bool:
    others = {"token_embedding.weight", "input_blocks_convert.weight", "label_emb.weight"}
    return input_channels(state) == 6 and not others & state.keys()


def build_face(state: State, config: Config, weight_dtype: torch.dtype | None) -> ExpertModel:
    """The model of two maps and an embedding. Raises ValueError or KeyError if file or config is incomplete."""
    table = _table(state, config)
    embedding = Modality("embedding", "vector", "image_embed", torch.zeros(1, table.vector_width), encoding="unit",
                         parts={"twice": torch.zeros(1, 1)})
    modalities = [picture("face", "face_map"), picture("hair", "hair_map"), embedding]
    return build_expert(FaceUNet, table, modalities, state, config, weight_dtype, FaceExpert)


def build_sketch(state: State, config: Config, weight_dtype: torch.dtype | None) -> ExpertModel:
    """The model of a sketch. Raises ValueError or KeyError if file or config is incomplete."""
    table = _table(state, config)
    config.need("family", ("unc_sketch", "adm_superres"))  # the keys are those of an upsampler without classes
    sketch = picture("sketch", "sketch", trained_null=False)
    return build_expert(SketchUNet, table, [sketch], state, config, weight_dtype)


def _table(state: State, config: Config) -> Table:
    shape = Table.read(state)
    table = with_heads(shape, config, KNOWN.get(shape))
    return replace(table, new_attention_order=config.get("use_new_attention_order", False))


FAMILIES = (
    Family("unc_face", _recognises_face, build_face),
    Family("unc_sketch", _recognises_sketch, build_sketch),
)
