"""Texts by which a workflow might make a worker read a file outside its ComfyUI folders, and texts that must pass."""
from __future__ import annotations

import json
import os
from pathlib import Path
from urllib.parse import quote

import pytest


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """The folder of a worker."""
    for kind in ("input", "output", "temp", "files"):
        (tmp_path / "worker" / kind).mkdir(parents=True)
    return tmp_path / "worker"


@pytest.fixture
def secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file beside it, in the home of the user, whose folder is $VAULT."""
    file = tmp_path / "home" / "a secret.txt"
    file.parent.mkdir()
    file.write_text("secret")
    (file.parent / "plain.txt").write_text("secret")
    monkeypatch.setenv("HOME", str(file.parent))
    monkeypatch.setenv("VAULT", str(file.parent))
    return file


def checked(comfy, value, place):
    graph = {"7": {"class_type": "Reader", "inputs": {"text": value, "model": ["4", 0]}}}
    comfy.module("mcdm.workers.paths").check_paths(graph, place)


AROUND = {      # of the path, which has a blank in it
    "plain": "{}", "blanks": "  {} ", "a tab": "\t{}", "a line end": "{}\n", "a return": "{}\r\n",
    "a no-break space": "\u00a0{}\u00a0", "double quotes": '"{}"', "single quotes": "'{}'", "backquotes": "`{}`",
    "quotes in quotes": "'\"{}\"'", "blanks in quotes": "\" {} \"", "quotes in blanks": ' "{}" ', "one quote": '"{}',
    "the first line": "{}\na cat", "the last line": "a cat\n{}", "a line between": "a\n {} \nb",
    "quoted lines": "a\n'{}'\nb", "an annotation": "{} [input]", "quotes and an annotation": '"{}" [output]',
    "a URL": "file://{}", "a short URL": "file:{}", "a URL in capitals": "FILE://{}",
    "a URL of here": "file://localhost{}", "a URL in quotes": '"file://{}"',
    "dots": "/./{}", "slashes": "//{}", "up": "/x/../{}", "long": "/." * 3000 + "{}",
    "a long text": "a cat. " * 1000 + "\n{}\n" + "a dog. " * 1000,
}


FROM_THE_ROOT = {
    "a URL", "a short URL", "a URL in capitals", "a URL of here", "a URL in quotes", "dots", "slashes", "up", "long",
}


@pytest.mark.parametrize("around", AROUND)
def test_around_a_path(comfy, place, secret, around):
    for path in (str(secret), os.path.relpath(secret, place / "input"))[:1 if around in FROM_THE_ROOT else 2]:
        with pytest.raises(ValueError, match=r"node 7 \(Reader\) names .* outside the worker's ComfyUI folders"):
            checked(comfy, AROUND[around].format(path), place)


WRITTEN = {
    "home": lambda path: "~/plain.txt",
    "home in quotes": lambda path: "'~/a secret.txt'",
    "a variable": lambda path: "$VAULT/plain.txt",
    "a variable in braces": lambda path: "${VAULT}/a secret.txt",
    "percent": lambda path: quote(path),
    "percent throughout": lambda path: "".join(f"%{ord(c):02X}" for c in path),
    "percent twice": lambda path: quote(quote(path, safe=""), safe=""),
    "a URL with percent": lambda path: Path(path).as_uri(),
    "a URL of home": lambda path: "file:~/plain.txt",
    "backslashes": lambda path: path.replace("/", "\\"),
    "a pattern": lambda path: str(Path(path).parent / "*.txt"),
    "a deep pattern": lambda path: str(Path(path).parent / "**" / "pl?in.txt"),
    "a set": lambda path: str(Path(path).parent / "[p]lain.txt"),
    "the folder": lambda path: str(Path(path).parent),
    "the folder with a slash": lambda path: str(Path(path).parent) + "/",
    "the folder above": lambda path: "..",
    "a list": lambda path: ["a cat", path],
    "a wire in a list": lambda path: [[path, 0]],
    "a wire in a mapping": lambda path: {"image": [path, 0]},
    "a key": lambda path: {path: 1},
    "a key below": lambda path: {"a": [{path: True}]},
    "a tuple of three": lambda path: [path, 0, 1],
    "JSON": lambda path: json.dumps({"path": path.replace("a secret", "plain")}),
    "names with commas": lambda path: "a.png," + path.replace("a secret", "plain") + ",b.png",
    "names with semicolons": lambda path: "a.png;" + path.replace("a secret", "plain"),
    "an argument": lambda path: "-i " + path.replace("a secret", "plain"),
    "a name and its value": lambda path: "<lora:" + path.replace("a secret", "plain") + ">",
}


@pytest.mark.parametrize("written", WRITTEN)
def test_in_other_words(comfy, place, secret, written):
    with pytest.raises(ValueError, match="outside the worker's ComfyUI folders"):
        checked(comfy, WRITTEN[written](str(secret)), place)


@pytest.mark.parametrize("text", [
    "a cat", "black / white", "a house .. and a tree", "and/or", "1/2", "w/o ~ 50%", "$5 or 5$", "(cat:1.2), [dog|cow]",
    "a\nb", "https://example.org/a.png", "sub/face.png", "face.png [output]", "/imagine a cat", "a" * 10000,
    "a/ " * 9000, "100 %/day", "C:/x", "<lora:style:0.8>", "what?/who*", "{a|b}/c", "\0",
])
def test_what_is_no_path_passes(comfy, place, text):
    checked(comfy, text, place)
    checked(comfy, {"a": [text, [text, 0]]}, place)


def test_files_in_its_folders_pass(comfy, place):
    for folder in (place / "input", Path(comfy.base) / "models" / "loras"):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "a file.txt").write_text("")
        checked(comfy, f'"{folder / "a file.txt"}"\n', place)
