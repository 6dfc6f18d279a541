"""Units of axes, from how a user writes values."""

import pytest

from analysis.figures.scale import Scale, dimension, path_name, size_scale, time_scale


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (["0.5", "1e-3"], ""),
        (["0", "2 / h"], "1/s"),
        (["1e-3 1/s"], "1/s"),
        (["5 min", "10 min"], "s"),
        (["20 Mbit/s"], "B/s"),
        (["3 kilobytes / s"], "B/s"),
        (["4 KiB"], "B"),
        (["10 Mbits"], "B"),
    ],
)
def test_dimensions(written: list[str], expected: str) -> None:
    assert dimension(written) == expected


def test_scales_follow_the_largest() -> None:
    assert [time_scale(s).unit for s in (30.0, 600.0, 1e5)] == ["s", "min", "h"]
    assert [size_scale(b).unit for b in (3, 3e3, 3e6, 3e9)] == ["B", "kB", "MB", "GB"]


def test_labels() -> None:
    assert Scale(3600.0, "per hour").label("rate") == "rate (per hour)"
    assert Scale(1.0, "").label("alpha") == "alpha"
    assert path_name("faults.churn.failure_rate") == "churn failure rate"
