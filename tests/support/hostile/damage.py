"""Files that are cut, damaged, or no weights at all."""
from __future__ import annotations

import random
import struct

from safetensors.torch import save

from support.hostile.cases import EITHER, add, saved, state

# ------------------------------------------------------------------------------------------------------------ cut short
for where in (0, 1, 7, 8, 9, 100, 0.001, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, -1000, -9, -1):
    def cut(content: bytes, where: float = where) -> bytes:
        return content[:int(where * len(content)) if isinstance(where, float) else where]
    add(f"safetensors cut at {where}", lambda cut=cut: cut(save(state())))
    add(f"pt cut at {where}", lambda cut=cut: cut(saved(state())), file="x.pt")
    add(f"legacy pt cut at {where}", lambda cut=cut: cut(saved(state(), legacy=True)), file="x.pth")


# ---------------------------------------------------------------------------------------------- safetensors' own header
HEADERS: dict[str, tuple[int | None, str]] = {  # length that is claimed (None = the right one), header
    "of 2^63 bytes": (1 << 63, "{}"),
    "of 2^40 bytes": (1 << 40, "{}"),
    "of 99 MB": (99_000_000, "{}"),
    "of 101 MB": (101_000_000, "{}"),
    "of 0 bytes": (0, "{}"),
    "shorter than it is": (5, '{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'),
    "empty": (None, "{}"),
    "a list": (None, "[]"),
    "a word": (None, '{"a"'),
    "no text": (None, "{\x00\x01}"),
    "deep": (None, '{"a":' * 20_000),
    "metadata alone": (None, '{"__metadata__":{"format":"pt"}}'),
    "metadata of numbers": (None, '{"__metadata__":{"num_heads":6}}'),
    "unknown dtype": (None, '{"a":{"dtype":"F1","shape":[1],"data_offsets":[0,4]}}'),
    "negative shape": (None, '{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}'),
    "negative offsets": (None, '{"a":{"dtype":"F32","shape":[1],"data_offsets":[-4,0]}}'),
    "offsets reversed": (None, '{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}'),
    "offsets outside": (None, '{"a":{"dtype":"F32","shape":[1],"data_offsets":[4096,4100]}}'),
    "a hole": (None, '{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}'),
    "overlap": (
        None,
        '{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}',
    ),
    "too few bytes": (None, '{"a":{"dtype":"F32","shape":[9],"data_offsets":[0,4]}}'),
    "shape that overflows": (None, '{"a":{"dtype":"F32","shape":[4294967296,4294967296,4],"data_offsets":[0,4]}}'),
    "huge numbers": (None, '{"a":{"dtype":"F32","shape":[' + "9" * 400 + '],"data_offsets":[0,4]}}'),
    "strange keys": (None, '{"../../etc/passwd":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'),
    "keys beyond ASCII": (None, '{"\\ud83d\\ude00\\n\\u0000":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'),
    "a key of 1 MB": (None, '{"' + "k" * 1_000_000 + '":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'),
}
for name, (length, header) in HEADERS.items():
    add(f"safetensors header {name}", lambda length=length, header=header:
        struct.pack("<Q", len(header.encode()) if length is None else length) + header.encode() + bytes(4))


def flipped(content: bytes, seed: int, start: int, stop: int, count: int = 8) -> bytes:
    damaged, choose = bytearray(content), random.Random(seed)
    for _ in range(count):
        damaged[choose.randrange(start, min(stop, len(damaged)))] ^= 1 << choose.randrange(8)
    return bytes(damaged)


for seed in range(14):
    add(f"safetensors header flipped {seed}", lambda seed=seed: flipped(save(state()), seed, 0, 4000), EITHER)
    add(f"safetensors data flipped {seed}", lambda seed=seed: flipped(save(state()), seed, 20_000, 1 << 40), EITHER)
    add(f"pt start flipped {seed}", lambda seed=seed: flipped(saved(state()), seed, 0, 8000), EITHER, "x.pt")
    add(
        f"pt end flipped {seed}",
        lambda seed=seed: flipped(c := saved(state()), seed, len(c) - 4000, len(c)),
        EITHER,
        "x.pt",
    )


# ---------------------------------------------------------------------------------------------------- no weights at all
for name, content in {
    "nothing": b"",
    "zeros": bytes(4096),
    "noise": random.Random(1).randbytes(100_000),
    "html": b"<!DOCTYPE html><html>404</html>" * 50,
    "a git lfs pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:abc\nsize 12\n",
    "json": b'{"family": "dit"}',
    "png": b"\x89PNG\r\n\x1a\n" + bytes(99),
    "gguf": b"GGUF" + bytes(999),
    "gzip": b"\x1f\x8b\x08" + bytes(99),
    "tar": b"x.pt".ljust(257, b"\0") + b"ustar" + bytes(250),
    "elf": b"\x7fELF" + bytes(999),
}.items():
    for file in ("x.safetensors", "x.pt"):
        add(f"{name} as {file}", lambda content=content: content, file=file)
