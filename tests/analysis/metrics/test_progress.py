"""One number per curve: its end, its mean height, its gain after a crash."""

import math
from typing import Any

import pandas as pd
import pytest

from analysis.metrics.clients import over_clients
from analysis.metrics.progress import area_under_curve, final, progress_after_crash
from sim.record.errors import ResultError
from tests.analysis.made import plain, scores, together

NAN = math.nan


def curve(*values: float, **run: Any) -> pd.DataFrame:
    """One client's scores are its federation's mean."""
    return over_clients(scores({"client_0": values}, **run))


def test_the_final_look_is_each_run_s_own() -> None:
    frame = together(curve(0.1, 0.2, 0.3), curve(0.4, 0.5, seed=1))
    found = final(frame.sample(frac=1, random_state=1))
    assert plain(found, "seed", "time_s", "mean") == [(0, 120.0, 0.3), (1, 60.0, 0.5)]
    assert list(found) == list(frame)


def test_the_area_is_the_mean_height() -> None:
    # Trapezoids: (0 + 0.5) / 2 and (0.5 + 0.5) / 2, each for 60 s of 120.
    found = area_under_curve(curve(0.0, 0.5, 0.5))
    assert plain(found, "value", "span_s") == [(0.375, 120.0)]


def test_a_run_that_was_stopped_early_may_be_held() -> None:
    frame = together(curve(0.0, 1.0), curve(0.0, 0.0, 0.0, seed=1))
    assert plain(area_under_curve(frame), "value", "span_s") == [(0.5, 60.0), (0.0, 120.0)]
    # 0.5 for 60 s, then 1.0 for 60 s.
    held = area_under_curve(frame, duration_s=120.0)
    assert plain(held, "value", "span_s") == [(0.75, 120.0), (0.0, 120.0)]
    points = pd.Series({"high": 60.0, "low": 1.0})
    assert area_under_curve(frame, duration_s=points)["value"].tolist() == [0.5, 0.0]


def test_an_area_with_nan_is_nan_and_one_look_is_its_value() -> None:
    frame = together(curve(NAN, 0.5, 0.5), curve(0.5, seed=1), curve(0.5, NAN, seed=2))
    found = area_under_curve(frame)["value"]
    assert found.isna().tolist() == [True, False, True] and found[1] == 0.5
    assert area_under_curve(frame, duration_s=600.0)["value"].isna().tolist() == [True, False, True]


def test_progress_is_since_the_last_look_before_the_crash() -> None:
    found = progress_after_crash(curve(0.0, 0.25, 0.5, 0.75), 119.0)
    assert plain(found, "before", "final", "value") == [(0.25, 0.75, 0.5)]
    # A look at the crash's own instant is before it, as on the command line.
    assert progress_after_crash(curve(0.0, 0.25, 0.5, 0.75), 120.0)["value"].tolist() == [0.25]


def test_progress_of_a_loss_is_positive_where_it_falls() -> None:
    assert progress_after_crash(curve(2.0, 0.5, metric="loss"), 0.0)["value"].tolist() == [1.5]


def test_progress_without_a_before_or_an_after_is_nan() -> None:
    for crash_s in (-1.0, 60.0, 61.0, NAN):
        found = progress_after_crash(curve(0.0, 0.5), crash_s)
        assert found["value"].isna().all() and found["final"].tolist() == [0.5]


def test_a_crash_may_differ_between_points() -> None:
    frame = together(curve(0.0, 0.25, 1.0), curve(0.0, 0.25, 1.0, point="low"))
    found = progress_after_crash(frame, {"high": 0.0, "low": 60.0})
    assert found["value"].tolist() == [1.0, 0.75]
    with pytest.raises(ResultError, match="crash_s: lacks the points low"):
        progress_after_crash(frame, {"high": 0.0})
    with pytest.raises(ResultError, match="crash_s: is None; allowed: a number, or one for each"):
        progress_after_crash(frame, None)  # type: ignore[arg-type]
