"""Quantities: exact values, what is refused, and that written ones read back the same."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from sim.record.settings.quantities import (
    Bytes,
    BytesPerSecond,
    PerSecond,
    PositiveSeconds,
    Seconds,
)
from sim.record.units import quantity

SECONDS = TypeAdapter(Seconds)
BANDWIDTH = TypeAdapter(BytesPerSecond)
RATE = TypeAdapter(PerSecond)
SIZE = TypeAdapter(Bytes)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("20 s", 20.0),
        ("20s", 20.0),
        (" 150 ms ", 0.15),
        ("0.1 s", 0.1),
        ("7 us", 7e-6),
        ("30 min", 1800.0),
        ("1.5 h", 5400.0),
        ("2 days", 172800.0),
        ("3 mins", 180.0),
        ("1 week", 604800.0),
        ("250 \N{MICRO SIGN}s", 250e-6),
        ("250 \N{GREEK SMALL LETTER MU}s", 250e-6),
        ("8 ns", 8e-9),
        ("20\N{NO-BREAK SPACE}s", 20.0),
        ("20\N{NARROW NO-BREAK SPACE}s", 20.0),
        ("20\N{THIN SPACE}s", 20.0),
        ("1e-3 s", 0.001),
        ("0 s", 0.0),
    ],
)
def test_durations_become_seconds(text: str, seconds: float) -> None:
    assert SECONDS.validate_python(text) == seconds


@pytest.mark.parametrize(
    ("text", "bytes_per_s"),
    [
        ("8 bit/s", 1.0),
        ("20 Mbit/s", 2_500_000.0),
        ("1 Gbit/s", 125_000_000.0),
        ("3 kB / s", 3000.0),
        ("1 MiB/s", 1_048_576.0),
        ("60 B/min", 1.0),
    ],
)
def test_bandwidths_become_bytes_per_second(text: str, bytes_per_s: float) -> None:
    assert BANDWIDTH.validate_python(text) == bytes_per_s


@pytest.mark.parametrize(
    ("text", "per_s"), [("0 / h", 0.0), ("3600 / h", 1.0), ("2/s", 2.0), ("0.5 1/min", 1 / 120)]
)
def test_rates_become_events_per_second(text: str, per_s: float) -> None:
    assert RATE.validate_python(text) == per_s


def test_sizes_become_bytes() -> None:
    assert SIZE.validate_python("20 kB") == 20_000.0
    assert SIZE.validate_python("2 KiB") == 2048.0
    assert SIZE.validate_python("1.5 TB") == 1.5e12


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        (20, "needs a unit"),
        ("20", "needs a unit"),
        (0.5, "needs a unit"),
        (True, "not a quantity"),
        (None, "not a quantity"),
        ([1], "not a quantity"),
        ("soon", "is not a quantity"),
        ("inf s", "is not a quantity"),
        ("nan s", "is not a quantity"),
        ("", "is not a quantity"),
        ("1 s 2 s", "is not a quantity"),
        ("1 Mbit", "not a unit"),
        ("1 m", "not a unit"),
        ("1 s**2", "is not a quantity"),
        ("50 Ms", "not a unit that fits here, did you mean '50 ms'"),
        ("50 msec", "not a unit that fits here, did you mean '50 ms'"),
        ("50 USecs", "not a unit that fits here, did you mean '50 us'"),
        ("20 Sec", "not a unit that fits here, did you mean '20 sec'"),
        ("2 Hours", "not a unit that fits here, did you mean '2 hours'"),
        (
            "1 kmin",
            "not a unit that fits here; allowed: ns, us, ms, s, min, h, d, week, e.g. '20 s'",
        ),
        ("1 ks", "not a unit"),
        ("1 kilosecond", "not a unit"),
        ("3 mss", "not a unit"),
        ("1,5 s", r"is not a quantity, did you mean '1\.5 s'"),
        ("1_000 s", "is not a quantity, did you mean '1000 s'"),
        ("1'000.5 s", r"is not a quantity, did you mean '1000\.5 s'"),
        ("1,000 s", "is not a quantity; allowed"),
        ("0x10 s", "is not a quantity"),
        ("\N{FULLWIDTH DIGIT ONE} s", "is not a quantity, did you mean '1 s'"),
        ("\N{MINUS SIGN}1 s", "is not a quantity, did you mean '-1 s'"),
        ("1 / s", "not a unit"),
        ("3 hs", "not a unit"),
        ("-1 s", "is negative"),
        ("1e999 s", "too large"),
        ("1e99999999 s", "is not a quantity"),
        ("9" * 100_000 + " s", "is not a quantity"),
        ("٣ s", "is not a quantity"),
    ],
)
def test_what_is_no_duration_is_refused(value: object, complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        SECONDS.validate_python(value)


@pytest.mark.parametrize(
    ("adapter", "text", "complaint"),
    [
        (
            BANDWIDTH,
            "20 Mbit/Ms",
            "'Mbit/Ms' is not a unit that fits here; allowed: kbit/s, Mbit/s",
        ),
        (BANDWIDTH, "20 mbit/s", "did you mean '20 Mbit/s'"),
        (BANDWIDTH, "20 Mbit/kmin", "not a unit"),
        (
            RATE,
            "3 / Ms",
            "not a unit that fits here; allowed: / s, / min, / h, / d, e.g. '0.5 / h'",
        ),
        (RATE, "2", "'2' needs a unit; allowed: / s, / min, / h, / d, e.g. '2 / h'"),
        (SIZE, "1 mB", "did you mean '1 MB'"),
        (SIZE, "1 Mb", "did you mean '1 Mbit'"),
        (SIZE, "1 Tb", "did you mean '1 Tbit'"),
        (SIZE, "1 Bs", "not a unit"),
        (SIZE, 14, "14 needs a unit; allowed: B, kB, MB, GB, TB, e.g. '14 MB'"),
    ],
)
def test_a_unit_that_does_not_fit_is_told_which_do(
    adapter: TypeAdapter[float], text: str, complaint: str
) -> None:
    with pytest.raises(ValidationError, match=complaint):
        adapter.validate_python(text)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("150ms", (0.15, "s")),
        ("1e-3 1/s", (1e-3, "1/s")),
        ("2 / h", (2 / 3600, "1/s")),
        ("3 kilobytes / s", (3000.0, "B/s")),
        ("10 Mbits", (1_250_000.0, "B")),
        *[(text, None) for text in ("", "3", "min", "3 parsecs", "3 / 2", "1 s / B", "{a: 3 s}")],
        *[(text, None) for text in ("1e999 s", "-1 s", "1 s / s", "3 /W")],
    ],
)
def test_a_quantity_tells_its_unit(text: str, found: tuple[float, str] | None) -> None:
    assert quantity(text) == found


def test_zero_is_refused_where_it_would_stop_the_world() -> None:
    with pytest.raises(ValidationError, match="is zero"):
        TypeAdapter(PositiveSeconds).validate_python("0 ms")
    with pytest.raises(ValidationError, match="is zero"):
        BANDWIDTH.validate_python("0 bit/s")


@pytest.mark.parametrize(
    ("text", "kind", "allowed"),
    [
        ("1.1e12 s", Seconds, "is too large; allowed: at most 1e\\+12 s"),
        ("0.9e-9 s", PositiveSeconds, "is too small; allowed: at least 1e-09 s"),
        ("1e-12 / min", PerSecond, "is too small; allowed: at least 1e-12 / s"),
        ("1e19 B/s", BytesPerSecond, "is too large; allowed: at most 1e\\+18 B/s"),
        ("1 bit/h", BytesPerSecond, "is too small; allowed: at least 0.001 B/s"),
    ],
)
def test_what_no_clock_can_bear_is_refused(text: str, kind: Any, allowed: str) -> None:
    with pytest.raises(ValidationError, match=allowed):
        TypeAdapter(kind).validate_python(text)


def test_an_infinite_rate_is_refused_by_its_unit() -> None:
    # No number that a float holds is infinite, but one divided by a millisecond might be.
    with pytest.raises(ValidationError, match="too large"):
        RATE.validate_python("1e308 / ms")


@pytest.mark.parametrize("adapter", [SECONDS, RATE])
@given(value=st.just(0.0) | st.floats(min_value=1e-12, max_value=1e12))
def test_a_written_quantity_reads_back_to_the_same_float(
    adapter: TypeAdapter[float], value: float
) -> None:
    text = adapter.dump_python(value, mode="json")
    assert math.isclose(adapter.validate_python(text), value, rel_tol=0, abs_tol=0)
