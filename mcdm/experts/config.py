"""What the shapes of a state dict do not tell: head counts, schedules, the family where two share every key.

A value comes from the first of these that has it: metadata in the file, the sidecar NAME.json beside it, the JSON files
of a diffusers folder, the table of known released checkpoints. Otherwise it is missing, and never guessed.
"""
from __future__ import annotations

import contextlib
import json
import math
from typing import Any, TypeVar, overload

T = TypeVar("T")

Source = dict[str, Any]

KINDS: dict[type, tuple[str, Any]] = {  # how an error calls a type, and its example
    int: ("a whole number", 8),
    float: ("a number", 1.0),
    bool: ("true or false", True),
    str: ("a word", "..."),
    list: ("a list", []),
}


class Config:
    """Typed answers from several dictionaries; the first that holds a key counts.

    Metadata of safetensors are strings: they are read as JSON. stem: the file's name without folder and extension.
    fast_fp8: whether fp8 weights are multiplied as fp8 where the device can.
    """

    def __init__(self, metadata: Source | None = None, sidecar: Source | None = None, folder: Source | None = None,
                 stem: str = "", fast_fp8: bool = False) -> None:
        self.sources = [metadata or {}, sidecar or {}, folder or {}]
        self.sidecar = sidecar or {}
        self.stem = stem
        self.fast_fp8 = fast_fp8
        self._asked = {"family"}

    @property
    def family(self) -> str | None:
        """The family that the file or its sidecar names, None if neither does."""
        return self.get("family", "") or None

    def known(self, row: Source | None) -> None:
        """Adds a row of a table of released checkpoints (None = not in the table) behind all other sources."""
        self.sources.append(row or {})

    def __contains__(self, key: str) -> bool:
        return any(source.get(key) is not None for source in self.sources)

    def __getitem__(self, key: str) -> Any:
        """The value as it was written. Raises KeyError if no source has it."""
        self._asked.add(key)
        for source in self.sources:
            if source.get(key) is not None:
                return source[key]
        raise KeyError(key)

    def is_null(self, key: str) -> bool:
        """Whether a source has null for a key and none has a value."""
        return key not in self and any(key in source for source in self.sources)

    def ignore(self, key: str) -> None:
        """Counts a key as known although its value is not needed, so that `unknown` does not name it."""
        self._asked.add(key)

    @overload
    def get(self, key: str) -> Any: ...

    @overload
    def get(self, key: str, default: T) -> T: ...

    def get(self, key: str, default: Any = None) -> Any:
        """The value in the type of `default` (None: of any type), for settings with a harmless default.

        Raises ValueError for a value of another type.
        """
        self._asked.add(key)
        if key not in self:
            return default
        return self[key] if default is None else _typed(key, self[key], type(default))

    def need(self, key: str, candidates: type[T] | tuple[T, ...]) -> T:
        """The value, which is one of the tuple `candidates` or of the type `candidates`.

        Raises ValueError, saying how to give it, where it is missing, not among the candidates or of another type.
        """
        self._asked.add(key)
        if key not in self:
            line = json.dumps({key: _example(candidates)})
            raise ValueError(f"its weights do not reveal {key} ({_words(candidates)}); write {line} with the right "
                             f"value into {self.stem or 'NAME'}.json beside it, or into the file's metadata")
        if isinstance(candidates, type):
            return _typed(key, self[key], candidates)
        value = _typed(key, self[key], type(candidates[0]))
        if value not in candidates:
            raise ValueError(f"its {key} is {json.dumps(value)[:60]}, but must be {_words(candidates)}")
        return value

    def unknown(self) -> list[str]:
        """The keys of the sidecar that were never asked for."""
        return [key for key in self.sidecar if key not in self._asked]


def _typed(key: str, value: Any, kind: type[T]) -> T:
    """A value as that type, read as JSON where it is a string. Raises ValueError if it is of another."""
    if isinstance(value, str) and kind is not str:
        with contextlib.suppress(ValueError, RecursionError):  # then it stays a string, of another type than `kind`
            value = json.loads(value.lower() if kind is bool else value)
    if kind is float and type(value) is int and abs(value) < 1 << 53:
        value = float(value)
    if type(value) is not kind or (isinstance(value, float) and not math.isfinite(value)):
        raise ValueError(f"its {key} is {str(value)[:60]!r}, but must be {_words(kind)}")
    return value


def _words(candidates: Any) -> str:
    """A type or some candidates as a part of a sentence."""
    if isinstance(candidates, type):
        return KINDS[candidates][0]
    return " or ".join(json.dumps(candidate).strip('"') for candidate in candidates)


def _example(candidates: Any) -> Any:
    """A value that could stand in the JSON."""
    return KINDS[candidates][1] if isinstance(candidates, type) else candidates[0]
