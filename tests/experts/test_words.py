"""Free text for the embedded text experts, with the vocabulary that dataset faces was trained on."""
import pytest
import torch

from unite_and_conquer.mcdm.conditions.words import encode, parse
from unite_and_conquer.mcdm.experts.modality import Modality
from unite_and_conquer.training.datasets import scenes
from unite_and_conquer.training.datasets.faces import SYNONYMS, VOCABULARY


@pytest.mark.parametrize(
    "text, wanted",
    [
        (
            "long black hair, glasses, smiling, tan skin, blue background, red shirt",
            "long hair|black hair|glasses|smiling|tan skin|blue background|red shirt",
        ),
        (
            "A woman with curly blonde hair and no glasses, in a green sweater.",
            "curly hair|blond hair|no glasses|green shirt",
        ),
        ("her hair is long and black, blue shirt", "long hair|black hair|blue shirt"),
        ("hair: pink; glasses", "pink hair|glasses"),
        ("red-haired man without a beard", "red hair|no beard"),
        ("grey hair, grey wall", "white hair|gray background"),
        ("bald guy with sunglasses, dark-skinned", "bald|sunglasses|dark skin"),
        ("dark brown hair", "brown hair"),
        ("long dark hair", "long hair|black hair"),
        ("no beard or glasses", "no beard|no glasses"),
        ("no beard, glasses", "no beard|glasses"),
        ("not smiling", "serious"),
        ("no sunglasses", "no glasses"),
        ("no hair", "bald"),
        *[(word, f"{word} hair") for word in ("black", "brown", "blond", "red", "blue", "pink", "white")],
    ],
)
def test_descriptions_are_understood(text, wanted):
    found, unknown = parse(text, VOCABULARY, SYNONYMS)
    assert set(found) == set(wanted.split("|")) and not unknown


@pytest.mark.parametrize(
    "text, found, unknown",
    [
        ("a purple elephant", [], ["purple elephant"]),
        ("zzz", [], ["zzz"]),
        ("", [], []),
        ("red hair and a monocle", ["red hair"], ["monocle"]),
        ("tan hair", [], ["tan hair"]),
        ("no hat, glasses", ["glasses"], ["no hat"]),
        ("no hat and a beard", ["beard"], ["no hat"]),
        ("no hat, no beard", ["no beard"], ["no hat"]),
        ("no purple hair", [], ["no purple hair"]),
        ("not blond hair", [], ["no blond hair"]),
        ("no red shirt, glasses", ["glasses"], ["no red shirt"]),
    ],
)
def test_words_beyond_the_vocabulary_are_named(text, found, unknown):
    assert parse(text, VOCABULARY, SYNONYMS) == (found, unknown)


def test_every_word_of_the_vocabulary_means_itself():
    for entry in VOCABULARY:
        assert parse(entry, VOCABULARY, SYNONYMS) == ([entry], [])


def test_every_synonym_leads_into_the_vocabulary():
    for phrase in SYNONYMS:
        found, _ = parse(phrase, VOCABULARY, SYNONYMS)
        assert (
            found
            or phrase
            in (
                "haired",
                "hairs",
                "hairstyle",
                "skinned",
                "complexion",
                "backdrop",
                "wall",
                "sweater",
                "tshirt",
                "jumper",
                "top",
                "jacket",
                "clothes",
                "clothing",
                "dress",
                "golden",
            )
            or parse(f"{phrase} hair", VOCABULARY, SYNONYMS)[0]
        ), phrase


@pytest.mark.parametrize("vocabulary, synonyms, text, line", [
    (scenes.VOCABULARY, scenes.SYNONYMS, "a penguin on the beach at sunset",
     "understood: thing (penguin), beach, sunset"),
    (scenes.VOCABULARY, scenes.SYNONYMS, "a beach and the sea, a dragon", "understood: beach; not known: dragon"),
    (VOCABULARY, SYNONYMS, "purple hair, no hat, glasses",
     "understood: pink hair (purple hair), glasses; not known: no hat"),
    (VOCABULARY, SYNONYMS, "a blonde woman, smiling", "understood: smiling, blond hair"),
])
def test_the_line_says_what_a_word_was_taken_for(vocabulary, synonyms, text, line):
    modality = Modality("text", "text", "words", torch.zeros(1, 1), labels=tuple(vocabulary), synonyms=synonyms)
    assert encode(text, modality)[1] == line
