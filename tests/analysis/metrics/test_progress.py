"""One number per curve: its end, its mean height, and when it reached or regained a score."""

import math
from typing import Any

import pandas as pd
import pytest

from analysis.metrics.clients import over_clients
from analysis.metrics.common import LOOK
from analysis.metrics.progress import (
    area_under_curve,
    final,
    progress_after_crash,
    recovery_of_score,
    to_target,
)
from analysis.metrics.work import cumulated, with_work
from sim.record.errors import ResultError
from tests.analysis.made import plain, scores, together, trace, train

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


def test_the_first_look_that_is_good_enough() -> None:
    frame = together(
        over_clients(scores({"client_0": [0.1, 0.5, 0.4, 0.9]})),
        over_clients(scores({"client_0": [0.1, 0.2]}, seed=1)),
    )
    found = to_target(frame, 0.5)
    assert list(found) == ["point", "protocol", "seed", "metric", "value", "reached"]
    # Seed 1 never gets there: it is censored at its end.
    assert plain(found, "seed", "value", "reached") == [(0, 60.0, True), (1, 60.0, False)]
    assert plain(to_target(frame, 0.0), "value", "reached") == [(0.0, True), (0.0, True)]


def test_a_loss_has_to_fall_to_it() -> None:
    frame = over_clients(scores({"client_0": [2.0, 0.5]}, metric="loss"))
    assert plain(to_target(frame, 1.0), "value", "reached") == [(60.0, True)]


def test_what_is_no_number_reaches_nothing() -> None:
    frame = over_clients(scores({"client_0": [math.nan, 0.9], "client_1": [1.0, 0.9]}))
    assert plain(to_target(frame, 0.5), "value", "reached") == [(60.0, True)]
    assert plain(to_target(frame, math.nan), "value", "reached") == [(60.0, False)]


def test_other_columns_and_targets_by_point() -> None:
    frame = together(
        over_clients(scores({"client_0": [0.5, 1.0], "client_1": [0.0, 0.5]})),
        over_clients(scores({"client_0": [0.5, 1.0], "client_1": [0.0, 0.5]}, point="low")),
    )
    found = to_target(frame, {"high": 0.25, "low": 0.75}, column="worst")
    assert plain(found, "value", "reached") == [(60.0, True), (60.0, False)]


def test_other_costs_than_time() -> None:
    looks = scores({"client_0": [0.0, 0.5, 0.9], "client_1": [0.0, 0.5, 0.9]})
    happened = trace(
        train(0.0, 30.0, "client_0"), train(0.0, 50.0, "client_1"), train(60.0, 30.0, "client_0")
    )
    frame = with_work(over_clients(looks), cumulated(happened, looks, epochs_per_round=2))
    for target, rounds, reached in ((0.5, 2, True), (0.9, 3, True), (1.0, 3, False)):
        found = to_target(frame, target, cost="local_rounds")
        assert plain(found, "value", "reached") == [(rounds, reached)]
    assert to_target(frame, 0.9, cost="local_epochs")["value"].tolist() == [6.0]
    assert list(frame)[:7] == [*LOOK, "clients", "up"] and "local_rounds" in frame


def test_work_has_to_be_of_the_same_runs() -> None:
    looks = scores({"client_0": [0.0, 0.5], "client_1": [0.0, 0.5]})
    with pytest.raises(ResultError, match="work: has several rows of one look; allowed: one"):
        with_work(over_clients(looks), cumulated(trace(), looks, by_node=True))
    with pytest.raises(ResultError, match="work: lacks looks of over_time"):
        with_work(over_clients(looks), cumulated(trace(), looks).query("time_s == 0"))


def test_a_score_is_back_when_it_is_as_good_as_before() -> None:
    # 0.5 at 60 s, the crash at 70 s, down to 0.25, back at 180 s.
    found = recovery_of_score(curve(0.0, 0.5, 0.25, 0.5, 0.75), 70.0)
    assert plain(found, "before", "drop", "value", "reached") == [(0.5, 0.25, 110.0, True)]


def test_a_score_that_first_rises_and_then_falls() -> None:
    found = recovery_of_score(curve(0.5, 0.75, 0.25, 0.5), 0.0)
    assert plain(found, "before", "drop", "value", "reached") == [(0.5, 0.25, 180.0, True)]


def test_a_loss_is_back_when_it_has_fallen() -> None:
    found = recovery_of_score(curve(1.0, 3.0, 1.0, metric="loss"), 0.0)
    assert plain(found, "before", "drop", "value", "reached") == [(1.0, 2.0, 120.0, True)]


def test_no_fall_takes_no_time_and_no_return_is_censored() -> None:
    frame = together(curve(0.5, 0.5, 0.75), curve(0.5, 0.25, 0.375, seed=1))
    found = recovery_of_score(frame, 0.0)
    assert plain(found, "drop", "value", "reached") == [(0.0, 0.0, True), (0.25, 120.0, False)]


def test_a_diverged_score_is_worse_than_any() -> None:
    frame = together(curve(0.5, math.nan, 0.5), curve(0.5, math.nan, math.nan, seed=1))
    found = recovery_of_score(frame, 0.0)
    assert plain(found, "value", "reached") == [(120.0, True), (120.0, False)]
    assert found["drop"].isna().all()


def test_without_a_look_before_or_after_nothing_is_known() -> None:
    frame = together(curve(0.5, 0.75), curve(math.nan, 0.75, seed=1))
    for crash_s in (-1.0, 60.0, math.nan):
        found = recovery_of_score(frame, crash_s)
        assert found[["drop", "value"]].isna().all(axis=None) and not found["reached"].any()
    found = recovery_of_score(frame, 0.0)
    assert found["reached"].tolist() == [True, False] and math.isnan(found["value"][1])
