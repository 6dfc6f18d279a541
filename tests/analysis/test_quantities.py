"""Quantities: the floats that the simulator gets from the same text."""

import pytest

from analysis.quantities import quantity
from sim.record.settings.quantities import parse


@pytest.mark.parametrize(
    ("text", "base"),
    [
        ("3 min", "second"),
        ("150ms", "second"),
        ("1e-3 s", "second"),
        ("2 hours", "second"),
        ("0.1 d", "second"),
        ("2 weeks", "second"),
        ("7 us", "second"),
        ("0.5 / h", "1 / second"),
        ("1 1/h", "1 / second"),
        ("0.0011111111111111111 / s", "1 / second"),
        ("20 Mbit/s", "byte / second"),
        ("5 KiB/s", "byte / second"),
        ("7 MB / min", "byte / second"),
        ("3 bits/s", "byte / second"),
        ("0.3 gigabytes", "byte"),
        ("3 kB", "byte"),
    ],
)
def test_a_quantity_is_the_simulator_s_float(text: str, base: str) -> None:
    assert quantity(text) == parse(text, base, "")


@pytest.mark.parametrize(
    "text", ["", "3", "independent", "min", "3 parsecs", "3 / 2", "1 s / B", "1e999 s", "{a: 3 s}"]
)
def test_other_text_is_none(text: str) -> None:
    assert quantity(text) is None
