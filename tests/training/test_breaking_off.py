"""Trainings that break off and go on."""
import io
import json
import os
import signal
from pathlib import Path

import pytest
import torch

from support.drawings import contents, drawing, folder, refused, run
from unite_and_conquer.training import cli, loop
from unite_and_conquer.training.datasets import folder as folders
from unite_and_conquer.training.datasets.dataset import Dataset

pytestmark = pytest.mark.usefixtures("quick")

STATE = Path("output", "training", "drawings", "state.pt")


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
