"""From the texts beside pictures to a vocabulary, and which of its entries each text holds."""
from __future__ import annotations

import collections
import re
from collections.abc import Sequence

import torch

from ...mcdm.conditions.words import BREAKS, COPULAS, FILLERS, NEGATIONS, parse

PEOPLE = frozenset((        # fillers in a face's description, but elsewhere they may tell pictures apart
    "man", "woman", "boy", "girl", "guy", "lady", "male", "female", "human", "person", "people", "cartoon", "avatar",
    "photo", "drawing", "portrait",
))
RELATIONS = frozenset((
    "near", "under", "over", "by", "next", "above", "below", "beside", "between", "through", "into", "onto", "as",
    "while", "off", "around", "along", "across",
))
ENDS = (BREAKS | COPULAS | FILLERS | NEGATIONS | RELATIONS) - PEOPLE            # of a run of modifiers and their noun
NOUNS = frozenset((         # in spite of their -ing
    "building", "ceiling", "clothing", "earring", "evening", "morning", "painting", "spring", "string",
))
COMMON = 0.8                # a filler is an entry only if at most so many of the texts hold it


def phrases(text: str) -> set[str]:
    """Candidates for a vocabulary: each noun (the last of a run of words) alone and with each of its modifiers."""
    found: set[str] = set()
    run: list[str] = []
    for token in [*re.findall(r"[^\W_]+|[,;.:=]", text.lower()), "."]:
        alone = token.isdecimal() or is_participle(token)
        if not alone and token not in ENDS and token[0].isalnum():
            run.append(token)
            continue
        if run:
            noun = run[-1]
            found.add(noun)
            found.update(f"{modifier} {noun}" for modifier in run[:-1])
        if alone:
            found.add(token)
        run = []
    return found


def is_participle(token: str) -> bool:
    """Whether a token is like "running" in "a dog running", which is an entry of its own."""
    return token.endswith("ing") and len(token) > 4 and token not in NOUNS


def vocabulary_of(captions: Sequence[str], most: int) -> tuple[list[str], torch.Tensor]:
    """The commonest phrases of N captions, at most so many, and which of them each caption holds.

    Returns (vocabulary, bags [N, len(vocabulary)] uint8). The bags are what `parse`, which Text Condition uses, finds.
    """
    least = 2 if len(captions) >= 20 else 1
    entries = candidates(captions, least)[:most]
    while True:
        found = [set(parse(text, entries, {})[0]) for text in captions]
        counts = collections.Counter(entry for held in found for entry in held)
        kept = [entry for entry in entries if counts[entry] >= least]           # the others would never be learnt
        if kept == entries:
            bags = []
            for held in found:
                bags.append([entry in held for entry in entries])
            return entries, torch.tensor(bags, dtype=torch.uint8)
        entries = kept


def candidates(captions: Sequence[str], least: int) -> list[str]:
    """The phrases that at least so many captions hold, the commonest first."""
    counts: collections.Counter[str] = collections.Counter()
    for text in captions:
        counts.update(sorted(phrases(text)))

    def tells(phrase: str) -> bool:
        noun = phrase.split()[-1]
        return noun not in FILLERS or counts[noun] <= COMMON * len(captions)

    return [phrase for phrase, count in counts.most_common() if count >= least and tells(phrase)]
