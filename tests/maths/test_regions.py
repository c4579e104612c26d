"""mcdm/regions.py and region_text.py: masks against a second implementation, and texts that make no sense."""
import random

import pytest
import torch

from support.eq10 import regions as by_hand
from unite_and_conquer.mcdm.region_text import parse_layers, parse_rest
from unite_and_conquer.mcdm.regions import SHARE, TOP, Canvas, Regions

NAMES = {1: "photo", 2: "anime", 4: "third: a name"}
ONES = {slot: torch.ones(1, 1, 1, 1) for slot in NAMES}


def canvas(text, size, rest="all", feather=0.0, overlap=SHARE, stride=1):
    return Canvas(Regions(parse_layers(text, NAMES), parse_rest(rest, NAMES), feather, overlap), size, stride)


def masks_of(text, *size, **more):
    return canvas(text, size, **more).within(dict.fromkeys(NAMES, 1.0))


@pytest.mark.parametrize("seed", range(200))
def test_a_random_text_by_hand(seed):
    luck = random.Random(seed)
    height, width = luck.choice(((8, 8), (8, 12), (10, 6)))
    frames = luck.choice((0, 0, 3))
    stride = luck.choice((1, 4))
    text = by_hand.written(luck, NAMES, 1 + 2 * stride if frames else 0)
    present = luck.sample(sorted(NAMES), luck.choice((1, 2, 3, 3)))
    size = (frames, height, width) if frames else (height, width)
    own = {slot: luck.choice((torch.ones(1, 1, 1, 1), torch.rand(2, 1, *size))) for slot in present}
    drawn = canvas(text.regions, size, text.rest, text.feather, text.overlap, stride)
    found = drawn.within(own)
    wanted = by_hand.masks(text, NAMES, own, size, stride)
    for slot in present:
        assert (torch.as_tensor(found[slot]) - wanted[slot]).abs().max() <= 1e-6
    assert (sum(found.values()) - torch.ones(())).abs().max() <= 1e-6


def test_halves_share_no_cell_and_a_whole_canvas_is_the_number_1():
    halves = masks_of("photo: box 0 0 0.5 1\nanime: box 0.5 0 1 1", 6, 8)
    left = torch.zeros(1, 1, 6, 8)
    left[..., :4] = 1.0
    assert torch.equal(halves[1], left) and torch.equal(halves[2], 1.0 - left) and halves[4] == 0.0
    for feather in (0.0, 0.1, 1.0):
        assert masks_of("anime: box 0 0 1 1", 6, 8, feather=feather) == {1: 0.0, 2: 1.0, 4: 0.0}


def test_a_half_covered_cell_is_half_and_a_feather_reaches_no_further_than_it_says():
    field = masks_of("photo: box 0 0 0.3125 1", 8, 8, rest="anime")[1]
    assert field[0, 0, 0].tolist() == [1.0, 1.0, 0.5, 0.0, 0.0, 0.0, 0.0, 0.0]
    soft = masks_of("photo: box 0 0 0.5 1", 8, 8, rest="anime", feather=0.25)[1][0, 0, 0]
    assert soft[:2].tolist() == [1.0, 1.0] and soft[6:].tolist() == [0.0, 0.0]
    assert (soft + soft.flip(0) - 1.0).abs().max() <= 1e-6 and soft[2] > soft[3] > 0.5 > soft[4] > soft[5] > 0.0


@pytest.mark.parametrize("overlap, wanted", [(SHARE, [1.0, 0.5, 0.5, 0.0]), (TOP, [1.0, 0.0, 0.0, 0.0])])
def test_who_has_an_overlap(overlap, wanted):
    found = masks_of("photo: box 0 0 0.75 1\nanime: box 0.25 0 1 1", 1, 4, overlap=overlap)
    assert found[1][0, 0, 0].tolist() == wanted
    assert (found[1] + found[2]).flatten().tolist() == [1.0] * 4


def test_a_brush_is_round_on_a_canvas_of_any_proportions_and_erase_acts_within_its_line():
    drawn = canvas("photo: brush 0.5 0.25,0.5", (16, 32))
    field = drawn.claims({1})[1]
    assert torch.equal(field[:, 16:], torch.zeros(16, 16, dtype=torch.float64))
    assert torch.equal(field[:, :16], field[:, :16].T)
    assert abs(float(field.sum()) / 16 ** 2 - torch.pi / 4) <= 0.005
    erased = masks_of("photo: box 0 0 1 1\nanime: box 0 0 1 1; erase 1 0.5,0.5", 4, 4)
    assert erased == {1: 1.0, 2: 0.0, 4: 0.0}


def test_some_frames_of_a_video():
    """Frames of the latent hold frames 0, 1 to 4 and 5 to 8 of the video."""
    found = masks_of("photo: box 0 0 1 1 @0-2", 3, 2, 2, rest="anime", stride=4)
    assert found[1][0, 0, :, 0, 0].tolist() == [1.0, 0.5, 0.0]
    with pytest.raises(ValueError, match="line 2: @ chooses frames of a video, and this latent is a picture"):
        masks_of("\nphoto: box 0 0 1 1 @0-2", 2, 2)


def test_a_rectangle_is_grown_by_the_feather_to_whole_cells():
    text = "photo: box 0.25 0.5 0.5 1 crop; ellipse 0.75 0.25 0.1 0.1 crop"
    assert canvas(text, (8, 8)).areas(1) == [(4, 2, 4, 2), (2, 2, 1, 5)]
    assert canvas(text, (8, 8), feather=0.125).areas(1) == [(5, 4, 3, 1), (4, 4, 0, 4)]
    drawn = canvas(text, (8, 8), rest="anime", feather=0.125)
    assert not (drawn.within(dict.fromkeys(NAMES, 1.0))[1] * (1.0 - drawn.reach(1))).any()
    assert canvas("photo: box 0 0 1 1 crop", (8, 8)).areas(1) == []
    assert canvas("photo: box 0.5 0.99999999 0.50000001 1 crop", (8, 8)).areas(1) == [(1, 1, 7, 4)]


def test_who_is_asked_about_rectangles_has_no_part_of_what_is_left_for_all():
    found = masks_of("photo: box 0 0 0.5 1 crop", 1, 2)
    assert found[1].flatten().tolist() == [1.0, 0.0]
    assert found[2].flatten().tolist() == found[4].flatten().tolist() == [0.0, 0.5]


def test_shapes_of_those_who_do_not_arrive_are_passed_over(caplog):
    caplog.set_level("INFO")
    layers = parse_layers("3: box 0 0 1 1\n\naway: box 0 0 1 1\n4: box 0 0 1 1", NAMES, absent={"away"})
    assert [(layer.slot, layer.line) for layer in layers] == [(4, 4)]
    assert [record.getMessage().split(":")[1] for record in caplog.records] == [" regions, line 1", " regions, line 3"]
    assert parse_rest("away", NAMES, {"away"}) == parse_rest("3", NAMES) == parse_rest("all", NAMES) == 0


BAD = {
    "photo box 0 0 1 1": "has no colon", ": box 0 0 1 1": "'' is not the name",
    "foto: box 0 0 1 1": "'foto' is not the", "0: box 0 0 1 1": "'0' is not the name",
    "-1: box 0 0 1 1": "'-1' is not the name", "photo:": "there is no shape",
    "photo: box 0 0 1 1;": "there is no shape", "photo: circle 0.5 0.5 0.1": "does not begin with box, ellipse",
    "photo: Box 0 0 1 1": "does not begin with", "photo: box 0 0 1": "3 numbers instead of 4",
    "photo: box 0 0 1 1 1": "5 numbers instead of 4", "photo: box left 0 1 1": "'left' where a number from 0 to 1",
    "photo: box nan 0 1 1": "'nan' where a number", "photo: box 0 0 1.5 1": "'1.5' where",
    "photo: box -0.1 0 1 1": "'-0.1'", "photo: box 0,5 0 1 1": "'0,5' where a number",
    "photo: box 1_0 0 1 1": "'1_0' where", "photo: box 0 0 inf 1": "'inf'", "photo: box 0.5 0 0.5 1": "is empty",
    "photo: box 0.6 0 0.5 1": "is empty", "photo: ellipse 0.5 0.5 0 0.1": "is empty", "photo: brush 0.1": "is empty",
    "photo: brush": "0 numbers instead of 1", "photo: brush 0 0.1,0.1": "is empty",
    "photo: brush 0.1 0.5": "'0.5' where a point", "photo: brush 0.1 0.5,0.5,0.5": "'0.5,0.5,0.5' where a point",
    "photo: brush 0.1,0.1": "'0.1,0.1' where a number",
    "photo: erase 0.1 0.5,0.5": "erase takes away from the shapes",
    "photo: box 0 0 1 1; erase 0.1 0.5,0.5 crop": "cannot have crop", "photo: box 0 0 1 1 @5": "'@5' for its frames",
    "photo: box 0 0 1 1 @9-3": "ends at frame 3", "photo: box 0 0 1 1 @1-2 @3-4": "'@1-2 @3-4' for its frames",
    "photo: box 0 0 .5 1 crop; box .5 0 1 1": "with crop and others without",
    "photo: box 0 0 1 1; erase 0.1 0.5,0.5 centred": "cannot have centred",
    "photo: box 0 0 1 1 crop; box 0 0 1 1 crop centred": "has both crop and centred",
    "photo: box 0 0 1 1 soft": "'soft' where",
}


@pytest.mark.parametrize("text", BAD)
def test_a_bad_text_is_answered_in_one_sentence_with_its_line(text):
    with pytest.raises(ValueError) as caught:
        parse_layers(f"anime: box 0 0 1 1\n\n{text}\n2: box 0 0 1 1", NAMES)
    words = str(caught.value)
    assert words.startswith("regions, line 3: ") and BAD[text] in words and words.endswith(".") and "\n" not in words


def test_lines_end_as_any_system_ends_them():
    for end in ("\n", "\r\n", "\r"):
        layers = parse_layers(f"photo: box 0 0 1 1{end}{end}anime: box 0 0 1 1 crop crop{end}", NAMES)
        assert [(layer.slot, layer.line, layer.shapes[0].crop) for layer in layers] == [(1, 1, False), (2, 3, True)]


def test_other_settings_that_make_no_sense():
    with pytest.raises(ValueError, match="line 1: 'twin' is the name of 2 experts.*1, 3"):
        parse_layers("twin: box 0 0 1 1", {1: "twin", 3: "twin"})
    with pytest.raises(ValueError, match="rest: 'nobody' is not the name or the slot"):
        parse_rest("nobody", NAMES)
    with pytest.raises(ValueError, match="feather of regions must be a part .* not nan"):
        Regions((), feather=float("nan"))
    with pytest.raises(ValueError, match="one of share, top one wins, not 'both'"):
        Regions((), overlap="both")
