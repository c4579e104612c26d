"""What a new expert takes over from the expert that it starts from."""
from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors import safe_open

from ..mcdm.experts.networks.embedded import EmbeddedUNet
from ..mcdm.experts.quantize import dequantize
from .support.messages import few

BUILTIN = Path(__file__).parents[1] / "mcdm" / "builtin"
STEM, WORDS = "stem.weight", "label_embed.weight"
DESIGN = {"position", "mid.0.conv1.weight", "mid.1.out.weight"}  # weights that depend on no condition, nor on a space


def start_file(name: str, experts: Path) -> Path:
    """The file of the expert to start from: a path, or a name as LoadExpert lists it.

    experts: the folder of the user's own. Raises SystemExit where there is none.
    """
    stem = name.removeprefix("builtin/").removesuffix(".safetensors")
    for path in (Path(name), BUILTIN / f"{stem}.safetensors", experts / f"{stem}.safetensors"):
        if path.is_file():
            return path
    known = few(sorted(path.stem for path in BUILTIN.glob("*.safetensors")), 20)
    raise SystemExit(f"There is no expert '{name}' to start from: give a file, none, or one of {known}.")


def begin(net: EmbeddedUNet, path: Path, vocabulary: Sequence[str] = ()) -> None:
    """Takes over the weights of another expert wherever name and shape agree.

    That is everything but what meets the condition; of that, the picture's channels of the stem and the words that both
    know (vocabulary: those of `net`). What meets the picture stays new in another latent space. Raises
    SystemExit where the file is not an embedded expert of this design.
    """
    given, known = read_expert(path)
    own = net.state_dict()
    fitting = {key: weight for key, weight in given.items() if key in own and own[key].shape == weight.shape}
    if not fitting.keys() >= DESIGN or STEM not in given:
        raise SystemExit(f"{path} cannot be the start: it is no embedded expert of this design.")
    if STEM not in fitting and given["linear_skip.weight"].shape == own["linear_skip.weight"].shape:
        channels = len(own["linear_skip.weight"])               # the picture's come first, the map's behind them
        fitting[STEM] = own[STEM].clone()
        fitting[STEM][:, :channels] = given[STEM][:, :channels]
    if WORDS in own and own[WORDS].shape[1] == len(vocabulary):
        fitting[WORDS] = own[WORDS].clone()
        for i, word in enumerate(vocabulary):
            if word in known:
                fitting[WORDS][:, i] = known[word]
    net.load_state_dict(own | fitting)


def read_expert(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """The weights of an expert's file, and its words with their embeddings.

    Raises SystemExit where it cannot be read.
    """
    try:
        with safe_open(path, "pt") as file:
            weights = dequantize({key: file.get_tensor(key) for key in file.keys()})  # noqa: SIM118
            vocabulary = json.loads((file.metadata() or {}).get("vocabulary", "[]"))
        embeddings = weights.get(WORDS, torch.empty(0)).unbind(-1)
        return weights, dict(zip(vocabulary, embeddings, strict=False))
    except Exception as error:                                  # whatever a stranger's file breaks
        raise SystemExit(f"{path} cannot be the start: it is no readable .safetensors file ({error}).") from None
