"""Free text over a small vocabulary: which of an expert's words a description holds.

An entry of a vocabulary is a phrase ("bald", "no glasses"), a modifier and its noun ("red hair") or such a noun alone. Modifiers are bound to
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
    tokens = " ".join(synonyms.get(t, t) for t in re.findall(r"[^\W_]+|[,;.:=]", text.lower())).split()
    nouns: dict[str, list[str]] = {}
    for entry in vocabulary:
        modifier, _, noun = entry.partition(" ")
        if noun and modifier not in NEGATIONS and sum(v.endswith(" " + noun) for v in vocabulary) > 1:
            nouns.setdefault(noun, []).append(modifier)
    phrases = [e for e in vocabulary if e not in nouns and e.partition(" ")[2] not in nouns and e.split()[0] not in NEGATIONS]
    modifiers = {m for ms in nouns.values() for m in ms} | {k.split()[0] for k in synonyms if k.partition(" ")[2] in nouns}
    modifiers -= NEGATIONS
    found: list[str] = []
    unknown: list[str] = []
    pending: list[str] = []
    subject, negated, i = "", False, 0

    def take(words):
        entry = " ".join(words)
        entry = synonyms.get(entry, entry)
        (found if entry in vocabulary else unknown).append(entry)

    def bind(noun):
        if negated:                                             # "no hair"; "no red hair" is beyond the vocabulary
            take(["no", *pending, noun])
        else:
            for k, modifier in enumerate(pending):
                shade = f"{modifier} {noun}" not in vocabulary and k + 1 < len(pending)     # "dark brown hair" is brown
                if not shade:
                    take([modifier, noun])
            if noun in vocabulary:                              # "red circle" is a "circle" too, where that is an entry
                take([noun])
        pending.clear()

    while i < len(tokens):
        token = tokens[i]
        phrase = max((p for p in phrases if tokens[i:i + len(p.split())] == p.split()), key=len, default="")
        i += len(phrase.split()) or 1
        if phrase:
            take(["no", phrase] if negated else [phrase])
            negated = negated and tokens[i:i + 1] == ["or"]     # "no beard or glasses"
        elif token in nouns:
            bind(token)
            negated, subject = False, (token if tokens[i:i + 1] and tokens[i] in COPULAS else "")
        elif token in modifiers and subject:
            take([token, subject])
        elif token in modifiers:
            pending.append(token)
        elif token in NEGATIONS:
            negated = True
        elif token in BREAKS:
            subject, negated = "", False
        elif token not in FILLERS and token not in COPULAS:
            unknown.append(" ".join(["no"] * negated + [*pending, token]))      # "a purple elephant" says nothing of the hair
            pending.clear()
            negated = False
    if pending and nouns:           # "blond, glasses": a modifier that found no noun takes the first that knows it
        bind(next((n for n in nouns if pending[0] in nouns[n] or f"{pending[0]} {n}" in synonyms), next(iter(nouns))))
    return list(dict.fromkeys(found)), list(dict.fromkeys(unknown))
