"""Code is named by what it does: what people alone read changes no content name."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.bits.source import digest

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
