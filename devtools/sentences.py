"""What the nodes say to a user, read from their sources: keys of locales/*/main.json, beside those of web/js."""
from __future__ import annotations

import ast
from collections.abc import Iterator

from .paths import ROOT

# Where sentences are made that a user meets in the page. What is wrong with an expert's file, and what happens to a
# worker on another machine, is told in English.
ROOMS = ("nodes/*.py", "mcdm/*.py", "mcdm/experts/model.py", "mcdm/conditions/*.py", "mcdm/host/**/*.py",
         "mcdm/grids/*.py", "mcdm/reports/*.py", "mcdm/tuning/*.py")
# Parts of a sentence, which another one quotes.
QUOTED = {"the VAE from {0}", "the VAE of its checkpoint", "pixel_space from ComfyUI's Load VAE", "pixels",
          "automatic masks", "the bands of '{0}'", "the CFG functions of '{0}'", "the picture", "file '{0}'",
          "the text's pooled output", "Shares", "Reliabilities"}


def said_by_nodes() -> set[str]:
    """Errors, the answers of checks, and messages, with {0}, {1} ... for what is filled in."""
    found = set(QUOTED)
    for room in ROOMS:
        for path in ROOT.glob(room):
            texts = _spoken(ast.parse(path.read_text("utf-8")), checks=path.parent.name == "nodes")
            found |= {template(text) for text in texts}
    return found - {""}


def _spoken(tree: ast.Module, checks: bool) -> Iterator[ast.expr]:
    """checks: whether a sentence that a function returns is told, too."""
    for node in ast.walk(tree):
        match node:
            case ast.Raise(exc=ast.Call(func=ast.Name(id="ValueError" | "MissingNull"), args=[text])):
                yield text
            case ast.Assign(targets=[ast.Name(id="message" | "sentence")], value=text):
                yield text
            case ast.Return(value=ast.BoolOp(values=[_, text]) | (ast.JoinedStr() as text)):
                if checks and template(text).endswith("."):
                    yield text


def template(text: ast.expr) -> str:
    """The text "Expert '{0}' ..." of an f-string; empty for what is not text."""
    if isinstance(text, ast.Constant):
        return str(text.value)
    parts, count = "", 0
    for part in text.values if isinstance(text, ast.JoinedStr) else ():
        if isinstance(part, ast.Constant):
            parts += str(part.value)
        else:
            parts, count = f"{parts}{{{count}}}", count + 1
    return parts
