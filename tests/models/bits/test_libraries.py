"""Libraries of an extra: imported by name, and said in one line when they are missing."""

from __future__ import annotations

import math

import pytest

from models.bits.libraries import required
from sim.record.errors import Refusal


def test_a_module_that_is_there_is_imported() -> None:
    assert required("math", "brains", "counting", ("task",)) is math


def test_a_module_that_is_missing_is_named_by_its_extra() -> None:
    with pytest.raises(Refusal) as refusal:
        required("no_such_module.inner", "brains", "task `brains`", ("task", "name"))
    assert str(refusal.value) == (
        'task `brains` needs the extra `brains`; allowed: pip install "braintorrent[brains]"'
    )
    assert refusal.value.path == ("task", "name")
