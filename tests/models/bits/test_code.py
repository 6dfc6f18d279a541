"""Code is named by what it does, and libraries of an extra that are missing in one line."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from models.bits.code import digest, required
from sim.record.errors import Refusal

CODE = '''"""A module."""
class Kind(Settings):
    """A kind."""

    alpha: float = Field(default=1.0, description="a number")

    def deal(self, labels):
        # Why.
        return sorted(labels, key=len)
'''


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ('"""A module."""', "", True),
        ('"""A kind."""', '"""Another\n    text."""', True),
        ('description="a number"', 'description="the number " "of them"', True),
        (', description="a number"', "", True),
        ("        # Why.\n", "\n\n", True),
        ("sorted(labels, key=len)", "sorted(\n            labels, key=len,\n        )", True),
        ("default=1.0", "default=2.0", False),
        ("key=len", "key=max", False),
        ("class Kind", "class Other", False),
    ],
)
def test_only_what_runs_is_named(old: str, new: str, same: bool, tmp_path: Path) -> None:
    before, after = tmp_path / "before.py", tmp_path / "after.py"
    assert CODE.count(old) == 1
    before.write_text(CODE)
    after.write_text(CODE.replace(old, new))
    assert (digest(before) == digest(after)) is same


def test_a_module_that_is_there_is_imported() -> None:
    assert required("math", "brains", "counting", ("task",)) is math


def test_a_module_that_is_missing_is_named_by_its_extra() -> None:
    with pytest.raises(Refusal) as refusal:
        required("no_such_module.inner", "brains", "task `brains`", ("task", "name"))
    assert str(refusal.value) == (
        'task `brains` needs the extra `brains`; allowed: pip install ".[brains]", '
        "in the folder of its sources"
    )
    assert refusal.value.path == ("task", "name")
