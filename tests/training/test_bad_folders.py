"""`dev.py train FOLDER` of folders and arguments of every fault."""
import re
import shutil

import pytest
import torch
from PIL import Image

from support.drawings import drawing, folder, refused
from unite_and_conquer.training import cli, expert_file, loop
from unite_and_conquer.training.datasets import folder as folders
from unite_and_conquer.training.start import BUILTIN

pytestmark = pytest.mark.usefixtures("quick")


def broken(modality="class", count=12, spoil=lambda where: None):
    """What makes a folder of drawings and spoils it."""
    def build(where):
        spoil(folder(where, modality, count))
        return where
    return build


def file_instead(where):
    where.write_text("x")
    return where


def empty_folder(where):
    where.mkdir()
    return where


def spoil_all(where):
    for path in where.glob("*.png"):
        path.write_bytes(b"\x89PNG\r\n\x1a\n cut")


def single(where):
    (where / "lonely").mkdir()
    drawing(0)[0].save(where / "lonely" / "0.png")


def other_maps(where):
    for path in (where / "maps").iterdir():
        Image.new("L", (50, 50), 255).save(path)


def dark_maps(where):
    for path in (where / "maps").iterdir():
        Image.new("L", (80, 60), 1).save(path.with_suffix(".png"))
        path.unlink()


def unlink(pattern, keep=0):
    def spoil(where):
        for path in sorted(where.glob(pattern))[keep:]:
            path.unlink()
    return spoil


def rename(name):
    return lambda where: (where / "circle").rename(where / name)


def fillers(where):
    for path in where.glob("*.txt"):
        path.write_text("of the")


BAD = {             # {name: (what makes the folder, a sentence of the refusal)}
    "no folder": (lambda where: where, "is no folder"),
    "a file": (file_instead, "is no folder"),
    "empty": (empty_folder, "holds nothing"),
    "no pictures": (
        broken("text", 3, unlink("*.png")),
        r"no pictures, but 3 \.txt"),
    "all unreadable": (
        broken("sketch", 4, spoil_all),
        r"4 of 4 pictures cannot be read: 0\.png, 1\.png"),
    "one class": (
        broken(spoil=lambda where: shutil.rmtree(where / "circle")),
        r"one folder with pictures only \(square\)"),
    "a class of one": (
        broken(spoil=single),
        "the class lonely there is one picture only"),
    "classes alike": (
        broken(spoil=lambda where: shutil.copytree(where / "circle", where / "Circle")),
        "Circle, circle have the same name"),
    "pictures everywhere": (
        broken(spoil=lambda where: drawing(0)[0].save(where / "0.png")),
        "itself and in subfolders.*--modality"),
    "images and masks": (
        broken(spoil=rename("masks")),
        "masks, square, which look .* no classes. Maps"),
    "a split": (
        broken(spoil=rename("Train")),
        "Train, square, which look like no classes. Give one"),
    "hardly any text": (
        broken("text", 12, unlink("*.txt", 3)),
        r"9 of 12 pictures have no text beside them: .*and 4 more\. Put into"),
    "texts of fillers": (
        broken("text", 2, fillers),
        "name nothing.*'of the'"),
    "hardly any map": (
        broken("map", 12, unlink("maps/*", 2)),
        r"10 of 12 pictures have no map.*maps/x\.png"),
    "maps of another shape": (
        broken("map", 4, other_maps),
        r"4 of 4 .*shape than their maps: 0\.png \(80 x 60, its map 50 x 50\)"),
    "maps of zeros and ones": (
        broken("map", 4, dark_maps),
        r"black \(their brightest value is 1 of 255\)"),
    "a cut map": (
        broken("map", 4, lambda where: (where / "maps" / "1.jpg").write_bytes(b"x")),
        r"map '.*1\.jpg' cannot be read"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_folder_is_refused_before_any_training(tmp_path, monkeypatch, name):
    build, sentence = BAD[name]
    where = build(tmp_path / "drawings")
    monkeypatch.setattr(loop, "train", lambda *_, **__: pytest.fail("trained"))
    assert re.search(sentence, refused(where))
    assert not (tmp_path / "output").exists() and not (tmp_path / "experts").exists()


def test_a_modality_that_the_folder_lacks_is_refused(tmp_path):
    where = folder(tmp_path / "drawings", "sketch", 4)
    assert "no folder 'maps'" in refused(where, "--modality", "map")
    assert "have no text" in refused(where, "--modality", "text")
    assert "lie in no subfolder" in refused(where, "--modality", "class")


@pytest.mark.parametrize("modality, spoil, left, sentence", [
    ("sketch", lambda w: (w / "1.png").write_bytes(b"x"), 11, r"1 of 12 pictures cannot be read: 1\.png"),
    ("text", lambda w: (w / "1.txt").unlink(), 11, r"1 of 12 pictures have no text beside them: 1\.png"),
    ("text", lambda w: (w / "1.txt").write_text(" \n"), 11, r"1 of 12 pictures have no text beside them: 1\.png"),
    ("map", lambda w: (w / "maps" / "1.jpg").unlink(), 11, r"1 of 12 pictures have no map: 1\.png"),
    ("map", lambda w: Image.new("L", (30, 40), 255).save(w / "maps" / "1.jpg"), 11,
     r"1 of 12 pictures have another .*1\.png \(80 x 60, its map 30 x 40\)"),
    ("class", lambda w: (w / "empty").mkdir(), 12, "no pictures in empty"),
])
def test_a_few_bad_ones_are_named_and_left_out(tmp_path, capsys, modality, spoil, left, sentence):
    spoil(folder(tmp_path / "drawings", modality))
    assert len(folders.folder_dataset(tmp_path / "drawings").pictures) == left
    assert re.search(f"Warning: {sentence}", capsys.readouterr().err)


@pytest.mark.parametrize("words", [
    ["--minutes", "0"], ["--minutes", "nan"], ["--batch-size", "-1"], ["--modality", "sound"], ["--words", "0"],
])
def test_numbers_that_cannot_be_are_refused(tmp_path, capsys, words):
    with pytest.raises(SystemExit):
        cli.main([str(tmp_path), *words])
    told = capsys.readouterr().err
    refusals = {"--minutes": f"'{words[1]}' should be a number above 0", "--modality": "invalid choice: 'sound'"}
    refusal = refusals.get(words[0], f"'{words[1]}' should be a whole number above 0")
    assert f"argument {words[0]}: {refusal}" in told


def test_what_cannot_be_the_start_is_refused(tmp_path):
    where = folder(tmp_path / "drawings", "class", 4)
    (tmp_path / "cut.safetensors").write_bytes((BUILTIN / "faces_text.safetensors").read_bytes()[:5000])
    (tmp_path / "other.safetensors").write_bytes(expert_file.packed({"a": torch.zeros(2)}, {}))
    assert "no expert 'nobody'" in refused(where, start="nobody") and "faces_text" in refused(where, start="nobody")
    assert "no readable .safetensors" in refused(where, start=str(tmp_path / "cut.safetensors"))
    assert "no embedded expert of this design" in refused(where, start=str(tmp_path / "other.safetensors"))


def test_what_cannot_be_written_is_said_before_the_training(tmp_path):
    where = folder(tmp_path / "drawings", "class", 4)
    (tmp_path / "file").touch()
    for option in ("--out", "--work"):
        sentence = refused(where, option, tmp_path / "file" / "x.safetensors")
        assert re.search(f"Nothing can be written to .* give another {option}", sentence)


def test_a_finished_expert_is_not_overwritten_by_another_training(tmp_path):
    where = folder(tmp_path / "drawings", "class", 4)
    (tmp_path / "experts").mkdir()
    file = tmp_path / "experts" / "drawings.safetensors"
    file.write_bytes(b"precious")
    assert "exists already" in refused(where)
    assert file.read_bytes() == b"precious"
