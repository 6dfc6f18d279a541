"""Fairness: Jain's own bounds, and NaN where the index is not defined."""

import math

import pytest

from analysis.metrics.clients import fairness_over_time
from tests.analysis.made import plain, scores, together


def jain(*values: float, metric: str = "accuracy") -> float:
    made = {f"client_{number}": [value] for number, value in enumerate(values)}
    return float(fairness_over_time(scores(made, metric=metric))["jain"].iloc[0])


def test_jain_s_index_is_between_one_nth_and_one() -> None:
    assert jain(0.25, 0.25, 0.25, 0.25) == 1.0
    assert jain(0.5, 0.0, 0.0, 0.0) == 0.25
    # (1 + 2 + 3)^2 / (3 (1 + 4 + 9))
    assert jain(1.0, 2.0, 3.0) == pytest.approx(36 / 42)
    assert jain(0.5) == 1.0


def test_where_the_index_is_not_defined() -> None:
    for values in ((0.0, 0.0), (-1.0, 1.0), (math.nan, 0.5), (math.inf, 0.5)):
        assert math.isnan(jain(*values))


def test_gap_and_spread_point_the_same_way_in_any_metric() -> None:
    made = {"client_0": [0.2, 0.5], "client_1": [0.6, 0.5], "server": [9.0, 9.0]}
    found = fairness_over_time(together(scores(made), scores(made, metric="loss")))
    assert plain(found, "metric", "time_s", "clients") == [
        ("accuracy", 0.0, 2),
        ("accuracy", 60.0, 2),
        ("loss", 0.0, 2),
        ("loss", 60.0, 2),
    ]
    assert found["gap"].tolist() == pytest.approx([0.4, 0.0, 0.4, 0.0])
    assert found["std"].tolist() == pytest.approx([0.2, 0.0, 0.2, 0.0])
