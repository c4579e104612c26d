"""`dev.py train FOLDER`.

Folders of every layout and of every fault, the files that come out in the host, and trainings that break off.
"""
import io
import json
import os
import re
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from safetensors import safe_open

from support.mixtures import sampled, settings
from unite_and_conquer import dev
from unite_and_conquer.devtools import commands
from unite_and_conquer.devtools.paths import ROOT
from unite_and_conquer.devtools.setup import Comfy
from unite_and_conquer.mcdm.conditions.maps import center_resize
from unite_and_conquer.mcdm.conditions.words import parse
from unite_and_conquer.mcdm.experts.networks.embedded import EmbeddedUNet
from unite_and_conquer.training import cli, expert_file, loop, previews
from unite_and_conquer.training.datasets import captions, folder_labels, picture_files
from unite_and_conquer.training.datasets import folder as folders
from unite_and_conquer.training.datasets.dataset import Dataset
from unite_and_conquer.training.start import BUILTIN, begin

COLOURS = {"red": (220, 30, 30), "green": (30, 180, 60), "blue": (40, 60, 220)}
SHAPES = ("circle", "square")
STATE = Path("output", "training", "drawings", "state.pt")
NODES = {"class": "ClassCondition", "text": "TextCondition", "map": "MapCondition", "sketch": "MapCondition"}


@pytest.fixture(autouse=True)
def quick(monkeypatch, tmp_path):
    """No preview worth waiting for, nothing written outside tmp_path, the threads as they were.

    Ctrl-C as in a terminal.
    """
    threads, euler = torch.get_num_threads(), previews.euler
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    monkeypatch.setattr(previews, "euler", lambda net, noise, **condition: euler(net, noise, steps=1, **condition))
    monkeypatch.setattr(cli, "ROOT", tmp_path)
    monkeypatch.setenv("MCDM_EXPERTS", str(tmp_path / "experts"))
    yield
    torch.set_num_threads(threads)
    signal.signal(signal.SIGINT, handler)


def drawing(i, size=(80, 60)):
    """(picture, map, words) of one shape somewhere on gray."""
    colour, shape = [*COLOURS][i % 3], SHAPES[i % 2]
    picture, region = Image.new("RGB", size, (200, 200, 200)), Image.new("L", size)
    box = (24 + i % 5, 14 + i % 4, 48 + i % 5, 38 + i % 4)
    for image, fill in ((picture, COLOURS[colour]), (region, 255)):
        getattr(ImageDraw.Draw(image), {"circle": "ellipse", "square": "rectangle"}[shape])(box, fill=fill)
    return picture, region, (colour, shape)


def folder(where, modality, count=12):
    """A folder of drawings labelled with one modality."""
    for i in range(count):
        picture, region, (colour, shape) = drawing(i)
        path = where / shape / f"{i}.png" if modality == "class" else where / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        picture.save(path)
        if modality == "text":
            path.with_suffix(".txt").write_text(f"A {colour} {shape} on a plain ground.", "utf-8")
        if modality == "map":
            (where / "maps").mkdir(exist_ok=True)
            region.resize((40, 30)).save(where / "maps" / f"{i}.jpg")
    return where


def run(*words, steps=3, start="none"):
    """The command, with little to do."""
    cli.main([*map(str, words), "--steps", str(steps), "--batch-size", "2", "--start", start])


def contents(file):
    """(tensors, metadata) of an expert's file."""
    with safe_open(file, "pt") as opened:
        return {k: opened.get_tensor(k) for k in opened.keys()}, opened.metadata()  # noqa: SIM118


def refused(*words, **options):
    """The sentence with which the command refuses."""
    with pytest.raises(SystemExit) as stop:
        run(*words, **options)
    sentence = str(stop.value)
    assert "\n" not in sentence and sentence.endswith(".") and sentence[0] in "'/O" + sentence[0].upper()
    return sentence


# ------------------------------------------------------------------------------------------- a file that works at once
@pytest.mark.parametrize("modality", ["class", "text", "map", "sketch"])
def test_from_a_folder_to_a_picture(comfy, tmp_path, capsys, modality):
    where = folder(tmp_path / f"my {modality}", modality)
    out = Path(comfy.base) / "models" / "experts" / f"{modality}.safetensors"
    run(where, "--out", out)
    assert str(out) in capsys.readouterr().out
    model = comfy.call("LoadExpert", expert=out.name)[0]
    picture = np.asarray(drawing(1)[0], dtype=np.float32) / 255
    given = {"class": {"label": "Square"}, "text": {"text": "some green square"}}
    inputs = given.get(modality, {"image": torch.from_numpy(picture)[None]})
    condition = comfy.call(NODES[modality], model=model, **inputs)[0]
    text = comfy.call("LoadExpert", expert="builtin/faces_text.safetensors")[0]
    words = comfy.call("TextCondition", model=text, text="red hair")[0]
    experts = [comfy.call("ConditionExpert", model=m, condition=c)[0] for m, c in ((model, condition), (text, words))]
    mixture = comfy.call("ReliabilityMixer", expert_1=experts[0], expert_2=experts[1])[0]
    latent = comfy.call("EmptyExpertLatent", mixture=mixture, width=64, height=64, batch_size=1)[0]
    with torch.inference_mode():
        samples = sampled(comfy, mixture, **settings(0, 2, scheduler="karras", latent_image=latent))
    assert samples.shape == (1, 3, 64, 64) and torch.isfinite(samples).all()


def test_what_it_was_trained_on_is_what_the_nodes_give(comfy, tmp_path):
    """The condition of every training picture, from its own label or map by the host's LoadImage and our nodes."""
    import folder_paths
    conditions = comfy.module("mcdm.experts.modality").CONDITION
    for modality, node in NODES.items():
        where = folder(tmp_path / modality, modality)
        if modality == "class":
            where.joinpath("circle").rename(where / "2")       # a name that is another class's number
            where.joinpath("square").rename(where / "0")
        out = Path(comfy.base) / "models" / "experts" / f"agrees {modality}.safetensors"
        run(where, "--out", out, steps=1)
        dataset, model = folders.folder_dataset(where), comfy.call("LoadExpert", expert=out.name)[0]
        paths = [path for path in picture_files.list_pictures(where) if "maps" not in path.parts]
        for path, wanted in zip(paths, dataset.condition.float(), strict=True):
            if node == "MapCondition":
                source = path if modality == "sketch" else where / "maps" / f"{path.stem}.jpg"
                shutil.copy(source, folder_paths.get_input_directory())
                image = comfy.call("LoadImage", image=source.name)[0]
                got = comfy.call(node, model=model, image=image)[0][0][1][conditions]["condition_map"][0, 0]
                assert torch.equal(got, 2 * wanted - 1) and 0 < wanted.mean() < 1
            else:
                said = {"label": path.parent.name}
                if modality == "text":
                    said = {"text": path.with_suffix(".txt").read_text("utf-8")}
                got = comfy.call(node, model=model, **said)[0][0][1][conditions]["labels"][0]
                assert torch.equal(got, wanted) and wanted.any()


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
    x, _ = dataset.batch(np.random.default_rng(0), 64, labels=2)
    assert (x[:, 0, 0, 0] == -1).any().item() == mirror
    x, _ = folders.folder_dataset(tmp_path, mirror=False).batch(np.random.default_rng(0), 64, labels=2)
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


# ----------------------------------------------------------------------------------------------------------- bad input
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
    assert f"argument {words[0]}: invalid" in capsys.readouterr().err


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


# ---------------------------------------------------------------------------------------------- breaking off, going on
class Breaks(Dataset):
    """Asks its own process to stop, as Ctrl-C does, in the middle of the step `at`."""
    at = 3

    def batch(self, *words, **more):
        Breaks.at -= 1
        if Breaks.at == 0:
            os.kill(os.getpid(), signal.SIGINT)
        return super().batch(*words, **more)


def interrupted(monkeypatch, where, *words, at=3, **options):
    with monkeypatch.context() as patch:
        patch.setattr(folders, "Dataset", Breaks)
        Breaks.at = at
        return refused(where, *words, **options)


def test_interrupted_and_resumed_is_as_if_nothing_had_been(tmp_path, monkeypatch):
    where, usual = folder(tmp_path / "drawings", "class"), signal.getsignal(signal.SIGINT)
    run(where, "--name", "whole", steps=6)
    sentence = interrupted(monkeypatch, where, "--name", "parts", steps=6)
    assert "Stopped after 3 steps, 50% of the training; the same command goes on" in sentence
    assert signal.getsignal(signal.SIGINT) is usual
    assert not (tmp_path / "experts" / "parts.safetensors").exists()
    run(where, "--name", "parts", steps=6)
    run(where, "--name", "half", steps=3)
    run(where, "--name", "whole", "--out", tmp_path / "again", "--work", tmp_path / "elsewhere", steps=6)
    assert (tmp_path / "again.safetensors").read_bytes() == (tmp_path / "experts" / "whole.safetensors").read_bytes()
    whole, parts, half = (
        contents(tmp_path / "experts" / f"{name}.safetensors")[0] for name in ("whole", "parts", "half"))
    assert whole.keys() == parts.keys() and all(torch.equal(whole[k], parts[k]) for k in whole)
    assert not torch.equal(whole["stem.weight"], half["stem.weight"])
    before = (tmp_path / "experts" / "parts.safetensors").read_bytes()
    (tmp_path / "experts" / "parts.safetensors").unlink()
    run(where, "--name", "parts", steps=6)                                      # nothing left to do but the file
    assert (tmp_path / "experts" / "parts.safetensors").read_bytes() == before


def test_a_kill_in_the_middle_of_a_write_loses_nothing(tmp_path, monkeypatch):
    where, state = folder(tmp_path / "drawings", "class", 4), tmp_path / STATE
    interrupted(monkeypatch, where, at=2, steps=4)
    kept, write = state.read_bytes(), torch.save

    class Killed(BaseException):
        pass

    def killed(what, file):
        whole = io.BytesIO()
        write(what, whole)
        file.write(whole.getvalue()[:len(kept) // 2])
        file.flush()
        raise Killed
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(torch, "save", killed)
        run(where, steps=4)
    assert state.read_bytes() == kept and state.with_suffix(".part").stat().st_size == len(kept) // 2
    run(where, steps=4)
    assert torch.load(state, weights_only=True)["step"] == 4 and not state.with_suffix(".part").exists()


def test_a_state_that_is_cut_foreign_or_of_other_pictures_stays_as_it_is(tmp_path, monkeypatch):
    where, state = folder(tmp_path / "drawings", "class", 4), tmp_path / STATE
    interrupted(monkeypatch, where, at=1, steps=4)
    whole = state.read_bytes()
    assert "another design" in refused(where, "--modality", "sketch")
    drawing(7)[0].save(where / "circle" / "new.png")
    assert "other pictures or labels" in refused(where)
    (where / "circle" / "new.png").unlink()
    assert state.read_bytes() == whole
    foreign = io.BytesIO()
    torch.save({"epoch": 1}, foreign)
    for raw in (b"", whole[:len(whole) // 2], b"hello", foreign.getvalue()):
        state.write_bytes(raw)
        assert "cannot be read as the state of a training" in refused(where)
        assert state.read_bytes() == raw
    state.write_bytes(whole)
    run(where, steps=4)


def test_states_from_before_have_no_seconds_and_no_data(tmp_path, monkeypatch):
    where, state = folder(tmp_path / "drawings", "class", 4), tmp_path / STATE
    interrupted(monkeypatch, where, at=1, steps=3)
    old = torch.load(state, weights_only=True)
    torch.save({k: old[k] for k in ("design", "net", "average", "optimizer", "step")}, state)
    run(where, steps=3)
    assert torch.load(state, weights_only=True)["step"] == 3


def test_minutes_are_kept_and_annealed_to_their_end(tmp_path, monkeypatch):
    """With a clock that gives every look at it a tenth of a minute.

    The learning rate falls to its end, over an interruption too.
    """
    clock = iter(range(10 ** 6))
    rates = []
    rate = loop.rate

    def noted(step, share):
        rates.append((share, rate(1000, share)))
        return rate(step, share)
    monkeypatch.setattr(loop.time, "monotonic", lambda: 6.0 * next(clock))
    monkeypatch.setattr(loop, "rate", noted)
    where = folder(tmp_path / "drawings", "class", 4)
    arguments = [str(where), "--minutes", "1.5", "--batch-size", "2", "--start", "none"]
    with monkeypatch.context() as patch, pytest.raises(SystemExit, match="Stopped"):
        patch.setattr(folders, "Dataset", Breaks)
        Breaks.at = 3
        cli.main(arguments)
    cli.main(arguments)
    shares, rates = zip(*rates, strict=True)
    assert 5 <= len(shares) <= 15 and list(shares) == sorted(shares) and shares[0] < 0.2 and 0.85 < shares[-1] < 1
    assert rates[0] == pytest.approx(1e-3) and rates[-1] < 0.15e-3
    facts = contents(tmp_path / "experts" / "drawings.safetensors")[1]
    assert int(facts["steps"]) == len(shares) and json.loads(facts["vocabulary"]) == ["circle", "square"]


def test_the_rate_of_a_training_counted_in_steps():
    assert [loop.rate(s, s / 1000) for s in (0, 49, 300, 650, 1000)] == pytest.approx([1e-5, 5e-4, 1e-3, 5.1e-4, 2e-5])


# ----------------------------------------------------------------------------------------------- what a start hands on
def test_a_start_hands_on_what_fits():
    file = BUILTIN / "faces_text.safetensors"
    given, facts = contents(file)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = EmbeddedUNet(map_channels=1)
        begin(net, file)
        own = net.state_dict()
        assert all(torch.equal(own[k], given[k].float()) for k in own if k != "stem.weight")
        stem = own["stem.weight"]
        assert torch.equal(stem[:, :12], given["stem.weight"].float()) and stem[:, 12:].abs().sum() > 0
        net = EmbeddedUNet(labels=3)
        fresh = net.label_embed.weight.clone()
        begin(net, file, ("zebra", "glasses", "red hair"))
        words = net.label_embed.weight
        known = json.loads(facts["vocabulary"])
        assert torch.equal(words[:, 0], fresh[:, 0])
        assert torch.equal(words[:, 1], given["label_embed.weight"][:, known.index("glasses")].float())
        assert torch.equal(words[:, 2], given["label_embed.weight"][:, known.index("red hair")].float())


# -------------------------------------------------------------------------------------------------------------- dev.py
@pytest.mark.parametrize("gpus, own", [(0, False), (1, True), (4, False)])
def test_the_command_runs_in_the_users_folder_on_every_gpu(tmp_path, monkeypatch, gpus, own):
    calls = []
    words = [
        "drawings", "--modality", "class", "--start", "none", "--minutes", "2", "--steps", "5", "--batch-size", "4",
        "--words", "7", "--no-mirror", "--name", "n", "--out", "o", "--work", "w",
    ]

    def noted(command, **more):
        calls.append((command, more))
        return commands.subprocess.CompletedProcess(command, 7)
    monkeypatch.setattr(commands, "with_tools", lambda: ("python", {"MCDM_COMFYUI": "there"}))
    monkeypatch.setattr(commands, "find_comfy", lambda: Comfy(Path("python"), tmp_path / "ComfyUI", own=own))
    monkeypatch.setattr(commands, "gpu_count", lambda _: gpus)
    monkeypatch.setenv("MCDM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(commands.signal, "signal", lambda *_: None)
    monkeypatch.setattr(commands.subprocess, "run", noted)
    assert dev.main(["train", *words]) == 7
    (command, more), = calls
    script = ROOT / "training" / "__main__.py"
    assert command[0] == "python" and command[-len(words) - 1:] == [script, *words] and "cwd" not in more
    assert (("--multi_gpu" in command) == (gpus > 1)
            and (gpus < 2 or command[command.index("--num_processes") + 1] == "4"))
    if gpus > 1:
        from accelerate.commands.launch import launch_command_parser
        parsed = launch_command_parser().parse_args([str(word) for word in command[3:]])  # as the system hands them on
        assert (parsed.num_processes, parsed.multi_gpu, bool(parsed.module)) == (4, True, False)
        assert (parsed.training_script, parsed.training_script_args) == (str(script), words)
    models = tmp_path / "ComfyUI" / "models" if own else tmp_path / "cache" / "serve" / "models"
    assert more["env"]["MCDM_EXPERTS"] == str(models / "experts")
