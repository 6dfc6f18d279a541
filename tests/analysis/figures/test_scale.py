"""Units of axes."""

from analysis.figures.scale import Scale, path_name, size_scale, time_scale


def test_scales_follow_the_largest() -> None:
    assert [time_scale(s).unit for s in (30.0, 600.0, 1e5)] == ["s", "min", "h"]
    assert [size_scale(b).unit for b in (3, 3e3, 3e6, 3e9)] == ["B", "kB", "MB", "GB"]


def test_labels() -> None:
    assert Scale(3600.0, "per hour").label("rate") == "rate (per hour)"
    assert Scale(1.0, "").label("alpha") == "alpha"
    assert path_name("faults.churn.failure_rate") == "churn failure rate"
