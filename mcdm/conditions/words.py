"""Free text to the entries of an expert's small vocabulary that it names.

An entry is a phrase ("bald", "no glasses"), a modifier and its noun ("red hair"), or such a noun alone. Modifiers are
bound to their noun wherever they are: "long red hair", "hair: long and red", "red-haired". Everything else is reported
as unknown.
"""
from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from ..experts.modality import Modality

FILLERS = frozenset((
    "a", "an", "the", "and", "or", "with", "of", "on", "in", "at", "to", "for", "from", "his", "her", "their", "its",
    "my", "it", "he", "she", "they", "who", "this", "that", "there", "one", "person", "people", "face", "head",
    "portrait", "picture", "photo", "image", "drawing", "cartoon", "avatar", "man", "woman", "boy", "girl", "guy",
    "lady", "male", "female", "human", "wearing", "wears", "wear", "has", "have", "having", "is", "are", "be", "being",
    "before", "behind", "against", "front", "very",
))
COPULAS = frozenset(("is", "are", ":", "="))
BREAKS = frozenset((",", ";", ".", "with", "on", "wearing", "before", "behind", "against", "in"))
NEGATIONS = frozenset(("no", "without", "not"))

logger = logging.getLogger("mcdm")


def encode(text: str, modality: Modality) -> tuple[dict[str, Tensor], str]:
    """({input of the network: bag of words [1, V], or its vector [1, width]}, a line for the user).

    modality: with labels; its encoder makes the vector, if it has one. The line says which word was taken for an entry
    of another name, as in "thing (penguin)". Raises ValueError if no word is known.
    """
    reader = _read(text, modality.labels, modality.synonyms)
    found, unknown = reader.found, reader.unknown
    known = f"{', '.join(modality.labels)}."
    if not found:
        raise ValueError(f"The text expert knows none of the words in '{text}'. It knows: {known}")
    read = ", ".join(f"{entry} ({reader.said[entry]})" if entry in reader.said else entry for entry in found)
    message = f"understood: {read}"
    if unknown:
        message = f"understood: {read}; not known: {', '.join(unknown)}"
        logger.warning(f"MCDM: Text Condition {message}. The expert knows: {known}")
    bag = torch.tensor([[float(label in found) for label in modality.labels]])
    return {modality.key: modality.encoder.text(bag) if modality.encoder else bag}, message


def parse(text: str, vocabulary: Sequence[str], synonyms: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """(the entries of `vocabulary` that `text` names, its words that the vocabulary lacks).

    synonyms: other words or phrases to words or entries of the vocabulary: "blonde" to "blond", "gray hair" to
    "white hair".
    """
    reader = _read(text, vocabulary, synonyms)
    return reader.found, reader.unknown


def _read(text: str, vocabulary: Sequence[str], synonyms: Mapping[str, str]) -> _Reader:
    words = re.findall(r"[^\W_]+|[,;.:=]", text.lower())
    reader = _Reader(_Lexicon(vocabulary, synonyms))
    others = [word for word in words if word in synonyms and synonyms[word] not in words]
    reader.said = {synonyms[word]: word for word in reversed(others)}
    reader.read(" ".join(synonyms.get(word, word) for word in words).split())
    return reader


class _Lexicon:
    """A vocabulary by its parts of speech.

    nouns: {noun: its modifiers}, of nouns that end several entries. modifiers: of any noun, also those that only
    synonyms have. phrases: [entry, its words] of the other entries.
    """

    def __init__(self, vocabulary: Sequence[str], synonyms: Mapping[str, str]) -> None:
        self.vocabulary, self.synonyms = vocabulary, synonyms
        self.nouns: dict[str, list[str]] = {}
        for entry in vocabulary:
            modifier, _, noun = entry.partition(" ")
            shared = noun and sum(other.endswith(" " + noun) for other in vocabulary) > 1
            if shared and modifier not in NEGATIONS:
                self.nouns.setdefault(noun, []).append(modifier)
        self.modifiers = {phrase.split()[0] for phrase in synonyms if phrase.partition(" ")[2] in self.nouns}
        self.modifiers = self.modifiers.union(*self.nouns.values()) - NEGATIONS
        self.phrases = [(entry, entry.split()) for entry in vocabulary if self._is_phrase(entry)]

    def _is_phrase(self, entry: str) -> bool:
        about_noun = entry in self.nouns or entry.partition(" ")[2] in self.nouns
        return not about_noun and entry.split()[0] not in NEGATIONS

    def phrase_at(self, tokens: list[str]) -> str:
        """The longest phrase with which the tokens begin, "" if there is none."""
        beginning = [entry for entry, words in self.phrases if tokens[:len(words)] == words]
        return max(beginning, key=len, default="")

    def noun_of(self, modifier: str) -> str:
        """The first noun that knows a modifier, else the first of all."""
        for noun, modifiers in self.nouns.items():
            if modifier in modifiers or f"{modifier} {noun}" in self.synonyms:
                return noun
        return next(iter(self.nouns))


class _Reader:
    """Reads tokens from left to right into `found` and `unknown`.

    pending: modifiers that have not met their noun. subject: the noun of "hair is ..." and "hair: ...", until a break.
    negated: whether a negation waits for its noun. said: {entry: the other words that were taken for it}.
    """

    def __init__(self, lexicon: _Lexicon) -> None:
        self.lexicon = lexicon
        self.found: list[str] = []
        self.unknown: list[str] = []
        self.said: dict[str, str] = {}
        self.pending: list[str] = []
        self.subject, self.negated = "", False

    def read(self, tokens: list[str]) -> None:
        while tokens:
            token, phrase = tokens[0], self.lexicon.phrase_at(tokens)
            tokens = tokens[len(phrase.split()) or 1:]
            following = tokens[0] if tokens else ""
            if phrase:
                self._take(f"no {phrase}" if self.negated else phrase)
                self.negated = self.negated and following == "or"  # "no beard or glasses"
            elif token in self.lexicon.nouns:
                self._bind(token)
                self.negated, self.subject = False, token if following in COPULAS else ""
            elif token in self.lexicon.modifiers:
                self._modifier(token)
            elif token in NEGATIONS:
                self.negated = True
            elif token in BREAKS:
                self.negated, self.subject = False, ""
            elif token not in FILLERS and token not in COPULAS:
                self._stranger(token)
        if self.pending and self.lexicon.nouns:  # "blond, glasses": a modifier that met no noun
            self._bind(self.lexicon.noun_of(self.pending[0]))
        self.found, self.unknown = list(dict.fromkeys(self.found)), list(dict.fromkeys(self.unknown))

    def _take(self, said: str) -> None:
        """Notes an entry, or a synonym of one, as found; anything else as unknown."""
        entry = self.lexicon.synonyms.get(said, said)
        if entry != said:
            self.said.setdefault(entry, said)
        (self.found if entry in self.lexicon.vocabulary else self.unknown).append(entry)

    def _bind(self, noun: str) -> None:
        """A noun takes the modifiers before it."""
        if self.negated:  # "no hair"; "no red hair" is beyond the vocabulary
            self._take(" ".join(["no", *self.pending, noun]))
        else:
            for k, modifier in enumerate(self.pending):
                entry, last = f"{modifier} {noun}", k + 1 == len(self.pending)
                if last or entry in self.lexicon.vocabulary:  # "dark brown hair" is brown
                    self._take(entry)
            if noun in self.lexicon.vocabulary:  # "red circle" is a "circle" too, where that is an entry
                self._take(noun)
        self.pending.clear()

    def _modifier(self, word: str) -> None:
        """After "hair is" a modifier belongs to that noun, elsewhere to the next."""
        if self.subject:
            self._take(f"{word} {self.subject}")
        else:
            self.pending.append(word)

    def _stranger(self, word: str) -> None:
        """An unknown word takes the words before it with it: "a purple elephant" says nothing about the hair."""
        negation = ["no"] if self.negated else []
        self.unknown.append(" ".join([*negation, *self.pending, word]))
        self.pending.clear()
        self.negated = False
