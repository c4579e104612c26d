"""Every symbol of the host that the pack uses is there: with another version of the host, this says which one moved."""
import ast
import importlib
import inspect
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted(p for folder in ("mcdm", "nodes") for p in (ROOT / folder).rglob("*.py"))
HOST = ("comfy", "folder_paths", "latent_preview", "server")


def chains(path):
    """The dotted names of the host in a file: comfy.samplers.calc_cond_batch, ..."""
    tree = ast.parse(path.read_text("utf-8"))
    imports = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    modules = {name.split(".")[0] for name in imports} & set(HOST)          # not a parameter of the same name

    class Finder(ast.NodeVisitor):
        def __init__(self):
            self.names = set()

        def visit_Attribute(self, node):
            parts, top = [], node
            while isinstance(top, ast.Attribute):
                parts.append(top.attr)
                top = top.value
            if isinstance(top, ast.Name) and top.id in modules:
                self.names.add(".".join([top.id, *reversed(parts)]))
            else:
                self.generic_visit(node)

        def visit_ImportFrom(self, node):
            if not node.level and node.module.split(".")[0] in (*HOST, "comfy_api"):
                self.names |= {f"{node.module}.{alias.name}" for alias in node.names}
    finder = Finder()
    finder.visit(tree)
    return finder.names


def resolve(name):
    """The object of a dotted name, whatever part of it is a module."""
    parts = name.split(".")
    found = importlib.import_module(parts[0])
    for i, part in enumerate(parts[1:], 2):
        if not hasattr(found, part):
            importlib.import_module(".".join(parts[:i]))
        found = getattr(found, part)
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_symbol_is_there(comfy, path):
    gone = []
    for name in sorted(chains(path)):
        try:
            resolve(name)
        except (ImportError, AttributeError):
            gone.append(name)
    assert not gone, f"the host has moved {', '.join(gone)}"


@pytest.mark.parametrize("name, parameters", [
    ("comfy.samplers.CFGGuider.inner_sample",
     ["self", "noise", "latent_image", "device", "sampler", "sigmas",
      "denoise_mask", "callback", "disable_pbar", "seed"]),
    ("comfy.samplers.CFGGuider.predict_noise", ["self", "x", "timestep", "model_options", "seed"]),
    ("comfy.samplers.calc_cond_batch", ["model", "conds", "x_in", "timestep", "model_options"]),
    ("comfy.samplers.process_conds", ["model", "noise", "conds", "device", "latent_image", "denoise_mask", "seed"]),
    ("comfy.sampler_helpers.prepare_model_patcher", ["model", "conds", "model_options"]),
    ("comfy.sampler_helpers.estimate_memory", ["model", "noise_shape", "conds"]),
    ("comfy.model_patcher.ModelPatcher.set_additional_models", ["self", "key", "models"]),
])
def test_their_first_parameters_are_those_that_we_pass(comfy, name, parameters):
    assert list(inspect.signature(resolve(name)).parameters)[:len(parameters)] == parameters
