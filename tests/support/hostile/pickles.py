"""Files of torch that run code or unpack without end."""
from __future__ import annotations

import argparse
import builtins
import io
import os
import pickle
import sys
import zipfile
from collections.abc import Callable
from typing import Any

import torch

from support.hostile.cases import CANARY, add, saved, state


# ----------------------------------------------------------------------------------------------------------------- code
class Runs:
    """Pickles as a call of a function."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return self.call


class Builds:
    """Pickles as an object with a state of its own."""

    def __init__(self) -> None:
        self.__dict__ = {"weights": 1}


SET = f"__import__('os').environ.__setitem__({CANARY!r}, '1')"
PAYLOADS: dict[str, Callable[[], Any]] = {
    "exec": lambda: Runs(builtins.exec, SET),
    "eval": lambda: Runs(builtins.eval, SET),
    "system": lambda: Runs(os.system, "exit 0"),
    "putenv": lambda: Runs(os.putenv, CANARY, "1"),
    "getattr": lambda: Runs(getattr, "text", "upper"),
    "import": lambda: Runs(__import__, "antigravity"),
    "breakpoint": lambda: Runs(builtins.breakpoint),
    "exit": lambda: Runs(sys.exit, 0),
    "open": lambda: Runs(builtins.open, "/tmp/mcdm_canary", "w"),
    "torch.load": lambda: Runs(torch.load, "/dev/zero"),
    "torch.set_num_threads": lambda: Runs(torch.set_num_threads, 1),
    "a class": Builds,
    "a lambda's module": lambda: Runs(pickle.loads, pickle.dumps(1)),
    "namespace that calls": lambda: Runs(argparse.ArgumentParser),
}
for name, payload in PAYLOADS.items():
    add(f"code: {name} in a value", lambda payload=payload: saved({**state(), "extra": payload()}), file="x.pt")
    add(f"code: {name} in legacy", lambda payload=payload: saved({"x": payload()}, legacy=True), file="x.ckpt")
    add(f"code: {name} bare", lambda payload=payload: pickle.dumps(payload(), 2), file="x.bin")
for protocol in range(6):
    add(f"pickle of protocol {protocol}", lambda protocol=protocol: pickle.dumps({"a": [1, 2]}, protocol), file="x.pt")


# ------------------------------------------------------------------------------------------------------------- archives
def archive(entries: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as file:
        for name, content in entries.items():
            file.writestr(name, content)
    return buffer.getvalue()


def repacked(compression: int) -> bytes:
    with zipfile.ZipFile(io.BytesIO(saved(state()))) as file:
        return archive({e.filename: file.read(e) for e in file.infolist()}, compression)


def overlapping() -> bytes:
    """One megabyte that the central directory lists forty times."""
    content = bytearray(archive({f"a/data/{i:02}": bytes(1 << 20 if i == 0 else 0) for i in range(40)}))
    first = content.index(b"PK\x01\x02")
    sizes = content[first + 16:first + 28]
    place, entry = content[first + 42:first + 46], first
    while (entry := content.find(b"PK\x01\x02", entry)) != -1:
        content[entry + 16:entry + 28], content[entry + 42:entry + 46] = sizes, place
        entry += 4
    return bytes(content)


add(
    "zip bomb",
    lambda: archive({"a/data.pkl": bytes(200_000_000), "a/version": b"3"}, zipfile.ZIP_DEFLATED),
    file="x.pt",
)
add(
    "zip bomb of a storage",
    lambda: archive({"a/data.pkl": pickle.dumps({}, 2), "a/data/0": bytes(200_000_000)}, zipfile.ZIP_DEFLATED),
    file="x.pt",
)
add("zip bomb in bzip2", lambda: archive({"a/data.pkl": bytes(50_000_000)}, zipfile.ZIP_BZIP2), file="x.pt")
add("zip deflated", lambda: repacked(zipfile.ZIP_DEFLATED), file="x.pt")
add("zip with entries that overlap", overlapping, file="x.pt")
add("zip of nothing", lambda: archive({}), file="x.pt")
add("zip of a text", lambda: archive({"readme.txt": b"hello"}), file="x.pt")
add("zip of 5000 entries", lambda: archive({f"a/{i}": b"" for i in range(5000)}), file="x.pt")
add("zip that climbs", lambda: archive({"../../data.pkl": pickle.dumps({}, 2)}), file="x.pt")
add("zip in a zip", lambda: archive({"x.pt": saved(state())}), file="x.pt")
add("zip after other bytes", lambda: b"MZ" + bytes(510) + saved(state()), file="x.pt")
add(
    "torchscript",
    lambda: archive(
        {"a/data.pkl": b"\x80\x02}.", "a/constants.pkl": b"\x80\x02).", "a/code/x.py": b"pass", "a/version": b"3"}
    ),
    file="x.pt",
)
