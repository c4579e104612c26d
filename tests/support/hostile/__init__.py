"""At least 200 damaged, hostile or merely unusual files, and whether each must load or be refused in one sentence.

`CASES` is {name: Case}; a case writes its file (and what belongs beside it) into a folder of its own. In tests/,

    python -m support.hostile FOLDER

writes them all there, to try by hand.
"""
from support.hostile import damage, pickles, unusual, weights  # noqa: F401  (they add their cases)
from support.hostile.cases import CANARY, CASES

__all__ = ["CANARY", "CASES"]
