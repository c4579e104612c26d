"""What `dev.py train` reads from a folder: pictures of every kind, and words out of texts."""
import re

import numpy as np
import pytest
import torch
from PIL import Image

from support.drawings import folder
from unite_and_conquer.mcdm.conditions.maps import center_resize
from unite_and_conquer.mcdm.conditions.words import parse
from unite_and_conquer.training.datasets import captions, folder_labels, picture_files
from unite_and_conquer.training.datasets import folder as folders

pytestmark = pytest.mark.usefixtures("quick")

def test_the_middle_is_cut_out_as_by_the_host(comfy):
    import comfy.utils
    rng = np.random.default_rng(0)
    for h, w in [(64, 64), (1, 1), (3, 200), *rng.integers(2, 300, (60, 2)).tolist()]:
        pixels = torch.rand(1, 3, h, w)
        expected = comfy.utils.common_upscale(pixels, 64, 64, "area", "center")
        assert torch.equal(center_resize(pixels, 64, 64), expected), (h, w)


# ------------------------------------------------------------------------------------------------------------ pictures

def test_pictures_of_every_kind_are_read(tmp_path):
    array = np.zeros((8, 12, 3), np.uint8)
    array[:4, :, 0], array[4:] = 255, (0, 0, 255)                               # red above blue
    image = Image.fromarray(array)
    turned = Image.Exif()
    turned[274] = 3                                                             # stored upside down
    image.rotate(180).save(tmp_path / "turned.png", exif=turned)
    image.convert("CMYK").save(tmp_path / "cmyk.tif")
    image.quantize(4).save(tmp_path / "palette.GIF")
    image.save(tmp_path / "plain.webp", lossless=True)
    image.save(tmp_path / "plain.bmp")
    for path in picture_files.list_pictures(tmp_path):
        opened = picture_files.open_picture(path)[0].permute(1, 2, 0) * 255
        assert (opened - torch.from_numpy(array).float()).abs().max() < 2, path.name
    assert len(picture_files.list_pictures(tmp_path)) == 5


def test_transparent_gray_and_deep_pictures(tmp_path):
    clear = Image.new("RGBA", (8, 8), (255, 0, 0, 0))
    clear.save(tmp_path / "clear.png")
    assert picture_files.open_picture(tmp_path / "clear.png").eq(1).all()             # over white
    assert picture_files.open_picture(tmp_path / "clear.png", over_white=False)[0, :, 0, 0].tolist() == [1, 0, 0]
    clear.convert("P").save(tmp_path / "key.png", transparency=clear.convert("P").getpixel((0, 0)))
    assert picture_files.open_picture(tmp_path / "key.png").eq(1).all()
    Image.fromarray(np.full((8, 8), 40000, np.uint16)).save(tmp_path / "deep.png")
    Image.new("L", (8, 8), 100).save(tmp_path / "gray.png")
    deep, gray = (picture_files.open_picture(tmp_path / name)[0, :, 0, 0].tolist() for name in ("deep.png", "gray.png"))
    assert deep == pytest.approx([40000 / 65535] * 3, abs=0.003)
    assert gray == pytest.approx([100 / 255] * 3)


def test_what_systems_leave_behind_is_no_picture(tmp_path):
    where = folder(tmp_path / "drawings", "sketch", 4)
    (where / "._0.png").write_bytes(b"x")
    (where / "__MACOSX").mkdir()
    (where / "__MACOSX" / "0.png").write_bytes(b"x")
    (where / ".thumbnails").mkdir()
    (where / ".thumbnails" / "0.png").write_bytes(b"x")
    assert len(folders.folder_dataset(where).pictures) == 4


@pytest.mark.parametrize("labels, mirror", [
    (("left", "right"), False), (("cat", "dog"), True), (("facing left", "front"), False),
])
def test_left_and_right_are_not_mirrored(tmp_path, labels, mirror):
    for i in range(8):
        path = tmp_path / labels[i % 2] / f"{i}.png"
        path.parent.mkdir(exist_ok=True)
        half = np.zeros((64, 64, 3), np.uint8)
        half[:, :32] = 255
        Image.fromarray(half).save(path)
    dataset = folders.folder_dataset(tmp_path)
    x, *_ = dataset.batch(np.random.default_rng(0), 64, labels=2)
    assert (x[:, 0, 0, 0] == -1).any().item() == mirror
    x, *_ = folders.folder_dataset(tmp_path, mirror=False).batch(np.random.default_rng(0), 64, labels=2)
    assert not (x[:, 0, 0, 0] == -1).any()


# --------------------------------------------------------------------------------------------------------------- words

@pytest.mark.parametrize("texts, most, wanted", [
    (["red hair, glasses", "blond hair", "blond hair, long hair"], 9,
     {"red hair", "blond hair", "long hair", "glasses", "hair"}),
    (["A small red circle on a blue ground.", "a big red square, on a red ground"], 20,
     {"small circle", "red circle", "circle", "blue ground", "red ground", "ground", "big square", "red square",
      "square"}),
    (["a dog running on a beach", "a dog: sleeping"], 9, {"dog", "running", "sleeping", "beach"}),
    (["Woman", "a man", "two women"], 9, {"woman", "man", "two women"}),
    (["7", "number 7", "8"], 9, {"7", "number", "8"}),
    (["red_hair, 1girl", "blue_hair, 1girl"], 9, {"red hair", "blue hair", "hair", "1girl"}),
    (["with the on", "and"], 9, set()),
    (["cat, tree", "cat, house", "cat"], 1, {"cat"}),
    (["\u732b, \u6728", "\u732b"], 9, {"\u732b", "\u6728"}),
])
def test_a_vocabulary_out_of_texts(texts, most, wanted):
    entries, bags = captions.vocabulary_of(texts, most)
    assert set(entries) == wanted
    for text, bag in zip(texts, bags, strict=True):
        in_the_bag = [entry for entry, there in zip(entries, bag, strict=True) if there]
        assert in_the_bag == sorted(parse(text, entries, {})[0], key=entries.index)
    for entry in entries:
        found, unknown = parse(entry, entries, {})
        assert entry in found and not unknown


def test_what_is_said_once_among_many_is_no_word():
    entries, bags = captions.vocabulary_of(["a cat", "a dog"] * 15 + ["a zebra with a cat"], 100)
    assert set(entries) == {"cat", "dog"} and bags.sum() == 31


@pytest.mark.parametrize("raw", [
    "r\u00f6d bil".encode(),
    b"\xef\xbb\xbfr\xc3\xb6d bil",
    "r\u00f6d bil".encode("utf-16"),
    b"r\xf6d bil\r\n",
    b"\nr\xf6d bil\n\n",
])
def test_texts_of_any_encoding(tmp_path, raw):
    (tmp_path / "x.txt").write_bytes(raw)
    assert re.fullmatch("r(\u00f6|\ufffd)d bil", folder_labels.caption(tmp_path / "x.png"))
    (tmp_path / "x.txt").write_text("red hair\n  glasses\n", "utf-8")
    assert folder_labels.caption(tmp_path / "x.png") == "red hair, glasses"
