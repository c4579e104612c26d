"""Expert Regions over HTTP: a picture in two parts, and a bad text that is told once, at its node, with its line."""
import re

import numpy as np

from support.tensors import pixels
from unite_and_conquer.devtools.host import error_of
from unite_and_conquer.devtools.prompts import edited, face, node


def regional(text, **inputs):
    graph = face() | {"regions": node("ExpertRegions", mixture=["mix", 0], regions=text, **inputs)}
    return edited(graph, {"sample": {"mixture": ["regions", 0]}})


def test_without_text_it_changes_nothing(host):
    plain, = host.images(host.run(regional("")))
    same, = host.images(host.run(face()))
    assert np.array_equal(pixels(plain), pixels(same))


def test_the_whole_canvas_for_one_is_the_picture_of_that_one(host):
    whole, = host.images(host.run(regional("words: box 0 0 1 1")))
    graph = face()
    del graph["mix"]["inputs"]["expert_2"]
    alone, = host.images(host.run(graph))
    assert np.array_equal(pixels(whole), pixels(alone))


def test_halves_differ_from_the_whole_where_they_say(host):
    """The other expert changes its half, and less of the first one's."""
    whole, = host.images(host.run(regional("words: box 0 0 1 1", rest="hair")))
    halves, = host.images(host.run(regional("words: box 0 0 0.5 1", rest="2")))
    changed = np.abs(pixels(whole).astype(float) - pixels(halves).astype(float))
    assert changed[:, 32:].mean() > 2.0 * changed[:, :32].mean() > 0.0


def test_a_bad_text_is_told_once_at_its_node_with_its_line(host):
    entry = host.wait(host.post_prompt(regional("words: box 0 0 0.5 1\nnobody: box 0.5 0 1 1")))
    told = [data for event, data in entry["status"]["messages"] if event == "execution_error"]
    assert [data["node_id"] for data in told] == ["regions"]
    assert error_of(entry) == (
        "regions, line 2: 'nobody' is not the name or the slot of an expert; these are 'words' (1), 'hair' (2).")


CROPPED = "words: box 0 0 0.5 1 crop"
BAD = [
    "words", "words box 0 0 1 1", ": box 0 0 1 1", "nobody: box 0 0 1 1", "9 9: box 0 0 1 1", "0: box 0 0 1 1",
    "words:", "words: ;", "words: box 0 0 1 1;", "words: circle 0 0 1", "words: BOX 0 0 1 1", "words: box",
    "words: box 0 0 1", "words: box 0 0 1 1 1", "words: box 0 0 2 1", "words: box -0.1 0 1 1", "words: box 0,5 0 1 1",
    "words: box a b c d", "words: box nan 0 1 1", "words: box inf 0 1 1", "words: box 0.5 0 0.5 1",
    "words: box 0.6 0 0.4 1", "words: ellipse 0.5 0.5 0 0.2", "words: ellipse 0.5 0.5 0.2", "words: brush 0.1",
    "words: brush 0 0.5,0.5", "words: brush 0.1 0.5", "words: brush 0.1 0.5,0.5,0.5", "words: brush 0.1 0.5,1.5",
    "words: erase 0.1 0.5,0.5", "words: box 0 0 1 1; erase 0.1 0.5,0.5 crop", "words: box 0 0 1 1 @5-2",
    "words: box 0 0 1 1 @5", "words: box 0 0 1 1 @0-2 @3-4", "words: box 0 0 0.5 1 crop; box 0.5 0 1 1",
    CROPPED, "words: box 0 0 1 1\n\nhair; box 0 0 1 1", "words: box 0 0 1 1 crop centred",
    "words: box 0 0 1 1 centered", "# words: left", "words: box 0 0 1 1  # left", "words: box 0 0 1e400 1",
    "words: box \uff10 0 1 1", "words: brush 0.1 ,", "hair: box 0 0 0.5 1 centred",
]


def test_each_of_many_bad_texts_is_told_once_in_one_sentence(host):
    for text in BAD:
        entry = host.wait(host.post_prompt(regional(text)))
        told = [data for event, data in entry["status"]["messages"] if event == "execution_error"]
        assert [data["node_id"] for data in told] == ["regions"], text
        said = error_of(entry)
        line = 3 if "\n" in text else 1
        where = {BAD[-1]: "regions: the condition of expert 'hair' ", CROPPED: "regions: expert 'words' "}
        assert said.startswith(where.get(text, f"regions, line {line}: ")) and said.endswith("."), said
        assert not re.search(r"\.\s+[A-Z]|\n", said), said
