"""Free text over a small vocabulary: which of an expert's words a description holds.

An entry of a vocabulary is a phrase ("bald", "no glasses") or a modifier and its noun ("red hair"). Modifiers are bound to
their noun wherever they stand: "long red hair", "hair: long and red", "red-haired". Everything else is named as unknown.
"""
import re

FILLERS = frozenset((
    "a", "an", "the", "and", "or", "with", "of", "on", "in", "at", "to", "for", "from", "his", "her", "their", "its", "my", "it", "he", "she",
    "they", "who", "this", "that", "there", "one", "person", "people", "face", "head", "portrait", "picture", "photo", "image", "drawing", "cartoon",
    "avatar", "man", "woman", "boy", "girl", "guy", "lady", "male", "female", "human", "wearing", "wears", "wear", "has", "have", "having", "is",
    "are", "be", "being", "before", "behind", "against", "front", "very",
))
COPULAS = frozenset(("is", "are", ":", "="))
BREAKS = frozenset((",", ";", ".", "with", "on", "wearing", "before", "behind", "against", "in"))
NEGATIONS = frozenset(("no", "without", "not"))


def parse(text, vocabulary, synonyms):
    """The entries of `vocabulary` that `text` names, and its words that the vocabulary lacks: (list, list).

    synonyms maps other words or phrases to words or entries of the vocabulary ("blonde" to "blond", "gray hair" to "white hair").
    """
    tokens = [synonyms.get(t, t) for t in re.findall(r"[^\W_]+|[,;.:=]", text.lower())]
    tokens = " ".join(tokens).split()
    nouns: dict[str, list[str]] = {}
    for entry in vocabulary:
        modifier, _, noun = entry.partition(" ")
        if noun and modifier not in NEGATIONS and sum(v.endswith(" " + noun) for v in vocabulary) > 1:
            nouns.setdefault(noun, []).append(modifier)
    phrases = [e for e in vocabulary if e.partition(" ")[2] not in nouns]
    modifiers = {m for ms in nouns.values() for m in ms} | {k.split()[0] for k in synonyms if k.partition(" ")[2] in nouns}
    modifiers -= NEGATIONS
    found: list[str] = []
    unknown: list[str] = []
    pending: list[str] = []
    subject, negated, i = "", "", 0

    def bind(modifier, noun):
        entry = synonyms.get(f"{modifier} {noun}", f"{modifier} {noun}")
        (found if entry in vocabulary else unknown).append(entry)

    while i < len(tokens):
        token = tokens[i]
        phrase = max((p for p in phrases if tokens[i:i + len(p.split())] == p.split()), key=len, default="")
        if phrase:
            opposite = synonyms.get(f"no {phrase}", f"no {phrase}")
            if not negated:
                found.append(phrase)
            else:
                (found if opposite in vocabulary else unknown).append(opposite)
            i, negated = i + len(phrase.split()), ""
            continue
        i += 1
        if token in nouns:
            if negated:
                bind("no", token)
                negated = ""
            for modifier in pending:
                bind(modifier, token)
            pending, subject = [], (token if i < len(tokens) and tokens[i] in COPULAS else "")
        elif token in modifiers and subject:
            bind(token, subject)
        elif token in modifiers:
            pending.append(token)
        elif token in NEGATIONS:
            negated = token
        elif token not in FILLERS and token not in COPULAS and token not in BREAKS:
            unknown.append(" ".join([*pending, token]))           # "a purple elephant" says nothing of the hair
            pending = []
        if token in BREAKS:
            subject = ""
    for modifier in pending:                    # "blond, glasses": a modifier that found no noun takes the first that knows it
        bind(modifier, next((n for n in nouns if modifier in nouns[n] or f"{modifier} {n}" in synonyms), next(iter(nouns))))
    return list(dict.fromkeys(found)), list(dict.fromkeys(unknown))
