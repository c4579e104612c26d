"""torch for dev.py's environments: that of the called Python where it has one, and never CUDA's without a card."""
from __future__ import annotations

import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from unite_and_conquer.devtools import apt, base_python, base_torch, setup
from unite_and_conquer.devtools.base_python import Base
from unite_and_conquer.devtools.terminal import Trouble

DEBIANS = Base("/usr/bin/python3", (3, 13))
NAMES = ["torch", "torchvision"]


@pytest.fixture
def base(tmp_path, monkeypatch):
    """A Python that is called, and has no packages: its folder for them."""
    home = tmp_path / "a base"
    venv.create(home, symlinks=sys.platform != "win32")
    base_python.base_python.cache_clear()
    monkeypatch.setenv("MCDM_PYTHON", str(setup.venv_python(home)))
    yield next(home.rglob("site-packages"))
    base_python.base_python.cache_clear()


def install(packages: Path, version: str, names: list[str], cuda: str | None = None) -> None:
    """Packages with nothing inside but what is asked of them."""
    for name in names:
        (packages / name).mkdir()
        (packages / name / "__init__.py").write_text(f"class version:\n    cuda, hip = {cuda!r}, None\n", "utf-8")
        (packages / f"{name}.dist-info").mkdir()
        (packages / f"{name}.dist-info" / "METADATA").write_text(f"Name: {name}\nVersion: {version}\n", "utf-8")


@pytest.fixture
def environment(base, tmp_path):
    """An environment of that Python, without pip."""
    home = tmp_path / "an environment"
    subprocess.run([base_python.base_python().path, "-m", "venv", "--without-pip", home], check=True)
    return setup.venv_python(home)


def test_an_environment_takes_torch_from_the_called_python(base, environment):
    install(base, "2.6.0+debian", NAMES)
    assert base_torch.borrow_torch(environment, NAMES, card=False) == {"torch": "2.6.0", "torchvision": "2.6.0"}
    where = "import torch, torchvision; print(torch.__file__)"
    assert Path(subprocess.check_output([environment, "-c", where], text=True).strip()).parent == base / "torch"
    pip = [sys.executable, "-m", "pip", "--python", environment, "install", "--no-index", "torch==2.6.0"]
    assert b"already satisfied" in subprocess.run(pip, capture_output=True, check=True).stdout
    assert base_torch.usable(environment)
    shutil.rmtree(base / "torch")
    assert not base_torch.usable(environment)


@pytest.mark.parametrize(("version", "names", "cuda", "card", "taken"), [
    ("2.6.0", ["torch"], None, False, False), ("2.3.1", NAMES, None, False, False),
    ("2.10.0", NAMES, None, True, False), ("2.10.0", NAMES, "12.8", True, True),
], ids=["without torchvision", "too old", "not for the card", "for the card"])
def test_but_only_one_that_will_do(base, environment, version, names, cuda, card, taken):
    install(base, version, names, cuda)
    assert bool(base_torch.borrow_torch(environment, NAMES, card)) == taken


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """The last words of all commands of an install_requirements where no torch is at hand: a list and the call."""
    ran = []

    def run(label, *command):
        ran.append(command[-1])
        if label.startswith("Trying"):
            raise Trouble("not here")

    (tmp_path / "requirements.txt").write_text("scipy\ntorch\n")
    for module in (setup, apt):
        monkeypatch.setattr(module, "run", run)
    monkeypatch.setattr(setup, "torch_sources", lambda: iter([["--no-index"]]))
    monkeypatch.setattr(setup, "borrow_torch", lambda *_, **__: {})
    monkeypatch.setattr(setup, "nvidia_driver", lambda: False)
    monkeypatch.setattr(setup.sys, "platform", "linux")
    monkeypatch.setattr(setup.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(base_torch, "is_root", lambda: False)
    monkeypatch.delenv("MCDM_CUDA", raising=False)
    return ran, lambda: setup.install_requirements(Path(sys.executable), tmp_path)


def test_what_is_borrowed_stays_as_it_is(installed, monkeypatch):
    ran, install_all = installed
    monkeypatch.setattr(setup, "borrow_torch", lambda *_, **__: {"torch": "2.6.0"})
    install_all()
    assert ran == ["torch==2.6.0"]


@pytest.mark.parametrize("there_is", ["nothing", "a card", "consent", "no CUDA at PyPI"])
def test_cuda_is_not_fetched_where_there_is_no_card(installed, monkeypatch, there_is):
    ran, install_all = installed
    if there_is == "a card":
        monkeypatch.setattr(setup, "nvidia_driver", lambda: True)
    elif there_is == "consent":
        monkeypatch.setenv("MCDM_CUDA", "1")
    elif there_is == "no CUDA at PyPI":
        monkeypatch.setattr(setup.sys, "platform", "darwin")
    if there_is == "nothing":
        with pytest.raises(Trouble, match="no torch without CUDA for .* Python that has torch .* MCDM_CUDA=1"):
            install_all()
    else:
        install_all()
    assert ran == ["torch"] * (1 if there_is == "nothing" else 2)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no apt-get")
@pytest.mark.parametrize("root", [True, False])
def test_debians_own_python_has_debians_torch(installed, monkeypatch, root):
    ran, install_all = installed
    for module in (setup, base_torch):
        monkeypatch.setattr(module, "base_python", lambda: DEBIANS)
    monkeypatch.setattr(base_torch.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(base_torch, "is_root", lambda: root)
    monkeypatch.setattr(base_torch, "borrow_torch", lambda *_, **__: {"torch": "2.6.0"})
    if root:
        install_all()
        assert ran == ["torch", "update", "python3-torch", "torch==2.6.0"]
    else:
        with pytest.raises(Trouble, match="Python 3.13 within reach, .*: install python3-torch with apt-get, call"):
            install_all()
