"""What the pack uses of the host is there: with another version of the host, this says what has moved.

docs/host.md lists it, by `python3 dev.py symbols`.
"""
from __future__ import annotations

import inspect
import re

import pytest

from unite_and_conquer.devtools import read_ahead, symbols

ROW = re.compile(r"^\| (\(?)`([\w.]+)`\)? \| (.*) \| (.+) \|$", re.MULTILINE)


@pytest.fixture(scope="module")
def rows():
    """{name: (whether it has to be there, [parameters that it is given], [files])} of the page."""
    return {name: (not bracket, [each for each in given.split(", ") if each], files.split(", "))
            for bracket, name, given, files in ROW.findall(symbols.PAGE.read_text("utf-8"))}


def test_the_page_names_what_the_pack_uses(rows):
    used = {name: (use.needed, use.files) for name, use in symbols.used().items()}
    assert {name: (needed, files) for name, (needed, _, files) in rows.items()} == used, "run `dev.py symbols`"


def test_every_file_of_them_was_read_ahead_or_could_not_be_had(rows):
    files = {path for path, _, _ in read_ahead.READ} | set(read_ahead.NO_NEWER)
    for name in rows:
        package, part = name.split(".")[:2]
        places = f"{package}.py", f"{package}/{part}.py", f"{package}/{part}/"
        assert any(path.startswith(places) for path in files), name


def test_every_name_is_there_and_takes_what_it_is_given(comfy, rows):
    wrong, used = [], symbols.used()
    for name, (needed, given, files) in rows.items():
        try:
            found = symbols.parameters(symbols.resolved(name))
        except (ImportError, AttributeError):
            if needed:
                wrong.append(f"{name} is gone ({', '.join(files)})")
            continue
        if symbols.given(used[name], found) != given and needed:
            wrong.append(f"{name} takes {', '.join(found)}, and is given {', '.join(given)} ({', '.join(files)})")
    assert not wrong, "\n".join(wrong)


def test_a_name_that_is_gone_is_noticed(comfy):
    for name in ("comfy.samplers.no_such_thing", "comfy.no_such_module", "comfy.model_patcher.ModelPatcher.no_such"):
        with pytest.raises((ImportError, AttributeError)):
            symbols.resolved(name)


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
    assert list(inspect.signature(symbols.resolved(name)).parameters)[:len(parameters)] == parameters
