"""From the texts beside pictures to a vocabulary, and which of its entries each of them holds."""
import collections
import re

import torch

from ..mcdm.conditions.words import BREAKS, COPULAS, FILLERS, NEGATIONS, parse

PEOPLE = frozenset((             # fillers in a face's description, but elsewhere they may tell pictures apart
    "man", "woman", "boy", "girl", "guy", "lady", "male", "female", "human", "person", "people", "cartoon", "avatar", "photo", "drawing", "portrait",
))
RELATIONS = frozenset((
    "near", "under", "over", "by", "next", "above", "below", "beside", "between", "through", "into", "onto", "as", "while", "off", "around", "along", "across",
))
ENDS = (BREAKS | COPULAS | FILLERS | NEGATIONS | RELATIONS) - PEOPLE            # of a run of modifiers and their noun
NOUNS = frozenset(("building", "ceiling", "clothing", "earring", "evening", "morning", "painting", "spring", "string"))


def phrases(text):
    """Candidates for a vocabulary: each noun (the last of a run of words) alone and with each of its modifiers."""
    found: set[str] = set()
    run: list[str] = []
    for token in [*re.findall(r"[^\W_]+|[,;.:=]", text.lower()), "."]:
        alone = token.isdecimal() or (token.endswith("ing") and len(token) > 4 and token not in NOUNS)        # "a dog running"
        if alone or token in ENDS or not token[0].isalnum():
            found |= {f"{modifier} {run[-1]}" for modifier in run[:-1]} | set(run[-1:]) | ({token} if alone else set())
            run = []
        else:
            run.append(token)
    return found


def words(captions, most):
    """(vocabulary, bags) of captions: at most so many phrases, the commonest, each found in captions by `parse` itself."""
    said = [phrases(text) for text in captions]
    counts = collections.Counter(p for ps in said for p in sorted(ps))
    least = 2 if len(captions) >= 20 else 1
    entries = [p for p, n in counts.most_common() if n >= least and (p.split()[-1] not in FILLERS or counts[p.split()[-1]] <= 0.8 * len(captions))][:most]
    while True:
        found = [set(parse(text, entries, {})[0]) for text in captions]
        counts = collections.Counter(e for es in found for e in es)
        if all(counts[e] >= least for e in entries):
            return entries, torch.tensor([[e in es for e in entries] for es in found], dtype=torch.uint8)
        entries = [e for e in entries if counts[e] >= least]    # what nobody says would never be learnt
