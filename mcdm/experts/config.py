"""What the shapes of a state dict do not tell: head counts, schedules, the family where two share every key.

A value comes from the first of these that has it: metadata in the file, the sidecar NAME.json beside it, the JSON files of a
diffusers folder, the table of known released checkpoints. Otherwise it is missing, and a missing choice is never guessed.
"""
import contextlib
import json
import math


class Config:
    """Typed answers from several dictionaries; the first that holds a key counts. Metadata of safetensors are strings: they are read as JSON.

    stem: the file's name without folder and extension. fast_fp8: whether fp8 weights are multiplied as fp8 where the device can.
    """

    def __init__(self, metadata=None, sidecar=None, folder=None, stem="", fast_fp8=False):
        self.sources = [metadata or {}, sidecar or {}, folder or {}]
        self.sidecar, self.stem, self.fast_fp8 = sidecar or {}, stem, fast_fp8
        self._asked = {"family"}

    @property
    def family(self):
        """The family that the file or its sidecar names, None if neither does."""
        return self.get("family", "") or None

    def known(self, row):
        """Adds a row of a table of released checkpoints (None = not in the table), behind all other sources; returns self."""
        self.sources.append(row or {})
        return self

    def __contains__(self, key):
        return any(source.get(key) is not None for source in self.sources)

    def __getitem__(self, key):
        """The value as it was written. Raises KeyError where nobody has it."""
        self._asked.add(key)
        for source in self.sources:
            if source.get(key) is not None:
                return source[key]
        raise KeyError(key)

    def null(self, key):
        """Whether somebody wrote null."""
        return key not in self and any(key in source for source in self.sources)

    def get(self, key, default=None):
        """The value in the type of `default` (None: of any type); for what has a harmless default. Raises ValueError for another type."""
        self._asked.add(key)
        if key not in self:
            return default
        return self[key] if default is None else _typed(key, self[key], type(default))

    def need(self, key, candidates):
        """The value, one of the tuple `candidates` or of the type `candidates`.

        Raises ValueError, saying how to give it, where it is missing, not among the candidates or of another type.
        """
        self._asked.add(key)
        if key not in self:
            raise ValueError(f"its weights do not tell {key} ({_words(candidates)}); write {json.dumps({key: _example(candidates)})} with the right value "
                             f"into {self.stem or 'NAME'}.json beside it, or into the file's metadata")
        if isinstance(candidates, type):
            return _typed(key, self[key], candidates)
        value = _typed(key, self[key], type(candidates[0]))
        if value not in candidates:
            raise ValueError(f"its {key} is {json.dumps(value)[:60]}, but must be {_words(candidates)}")
        return value

    def unknown(self):
        """The keys of the sidecar that nobody asked for."""
        return [key for key in self.sidecar if key not in self._asked]


def _typed(key, value, kind):
    if isinstance(value, str) and kind is not str:
        with contextlib.suppress(ValueError, RecursionError):           # then it stays a string, of another type than `kind`
            value = json.loads(value.lower() if kind is bool else value)
    if kind is float and type(value) is int and abs(value) < 1 << 53:
        value = float(value)
    if type(value) is not kind or (kind is float and not math.isfinite(value)):
        raise ValueError(f"its {key} is {str(value)[:60]!r}, but must be {_words(kind)}")
    return value


def _words(candidates):
    names = {int: "a whole number", float: "a number", bool: "true or false", str: "a word", list: "a list"}
    return names[candidates] if isinstance(candidates, type) else " or ".join(json.dumps(c).strip('"') for c in candidates)


def _example(candidates):
    return {int: 8, float: 1.0, bool: True, str: "...", list: []}[candidates] if isinstance(candidates, type) else candidates[0]
