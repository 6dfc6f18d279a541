"""Intervals: Student's by hand, bootstraps that repeat, and how often they cover the truth."""

import math

import numpy as np
import pandas as pd
import pytest

from analysis.statistics import METHODS, Interval, Method, mean_interval, over_seeds
from sim.record.errors import ResultError
from tests.analysis.made import plain, scores, together

NAN, INF = math.nan, math.inf


def test_student_s_interval_by_hand() -> None:
    found = mean_interval([0.5, 0.7, 0.9])
    # The tables' quantile for 2 degrees of freedom times the standard error 0.2 / sqrt(3).
    half_width = 4.302653 * 0.2 / math.sqrt(3)
    assert found.mean == pytest.approx(0.7) and found.std == pytest.approx(0.2)
    assert (found.low, found.high) == pytest.approx((0.7 - half_width, 0.7 + half_width))
    assert (found.count, found.left_out) == (3, 0)
    # For 90 % the tables have 2.919986.
    assert mean_interval([0.5, 0.7, 0.9], confidence=0.9).high == pytest.approx(
        0.7 + 2.919986 * 0.2 / math.sqrt(3)
    )


@pytest.mark.parametrize("method", METHODS)
def test_what_has_no_interval(method: Method) -> None:
    for values, mean, count, left_out in (
        ([], NAN, 0, 0),
        ([NAN, INF], NAN, 0, 2),
        ([0.25], 0.25, 1, 0),
        ([NAN, 0.25], 0.25, 1, 1),
    ):
        found = mean_interval(values, method=method)
        assert found.mean == pytest.approx(mean, nan_ok=True)
        assert (found.count, found.left_out) == (count, left_out)
        assert math.isnan(found.low) and math.isnan(found.high) and math.isnan(found.std)
    # Ten times 0.1 does not add up to 1, but it is known exactly.
    assert mean_interval([0.1] * 10, method=method) == Interval(0.1, 0.1, 0.1, 0.0, 10, 0)


@pytest.mark.parametrize("method", ["percentile", "bca"])
def test_a_bootstrap_depends_on_its_values_and_its_seed_alone(method: Method) -> None:
    values = np.random.default_rng(3).random(9).tolist()
    found = mean_interval(values, method=method)
    assert found == mean_interval(values, method=method)
    assert found != mean_interval(values, method=method, seed=1)
    assert min(values) <= found.low < found.mean < found.high <= max(values)
    # With two values there is nothing between "both lower" and "both upper".
    two = mean_interval([1.0, 2.0], method=method)
    assert (two.low, two.high) == (1.0, 2.0)


def covered(method: Method, seeds: int, samples: int, resamples: int = 999) -> float:
    """How often the interval holds the true mean of normal values, 0."""
    draws = np.random.default_rng(20_240_601).standard_normal((samples, seeds))
    found = [mean_interval(row, method=method, resamples=resamples) for row in draws]
    return float(np.mean([one.low <= 0.0 <= one.high for one in found]))


@pytest.mark.parametrize("seeds", [2, 3, 5, 10])
def test_student_s_interval_covers_the_truth_at_its_rate(seeds: int) -> None:
    samples = 4_000
    # Four standard errors of a share of 95 %.
    tolerance = 4 * math.sqrt(0.95 * 0.05 / samples)
    assert abs(covered("t", seeds, samples) - 0.95) < tolerance


@pytest.mark.parametrize("method", ["percentile", "bca"])
def test_a_bootstrap_covers_less_with_few_seeds_and_nearly_enough_with_many(
    method: Method,
) -> None:
    samples = 1_000
    error = math.sqrt(0.95 * 0.05 / samples)
    assert covered(method, 3, samples) < 0.8
    assert 0.95 - 0.02 - 4 * error < covered(method, 40, samples) < 0.95 + 4 * error


def test_over_seeds_keeps_groups_apart_and_in_order() -> None:
    frame = together(
        *(
            scores({"client_0": [value]}, protocol=protocol, seed=seed)
            for protocol, values in (("local", [0.5, NAN]), ("swarm", [0.25, 0.75]))
            for seed, value in enumerate(values)
        )
    )
    found = over_seeds(frame, "value")
    assert list(found) == ["point", "protocol", "mean", "low", "high", "std", "count", "left_out"]
    assert plain(found, "protocol", "mean", "count", "left_out") == [
        ("swarm", 0.5, 2, 0),
        ("local", 0.5, 1, 1),
    ]
    assert found["protocol"].dtype == frame["protocol"].dtype
    assert math.isnan(found["low"][1]) and found["low"][0] < 0.25


def test_several_looks_need_to_be_named() -> None:
    frame = together(scores({"client_0": [0.0, 1.0]}), scores({"client_0": [0.0, 0.5]}, seed=1))
    by = ["point", "protocol", "time_s"]
    assert plain(over_seeds(frame, "value", by=by), "time_s", "mean") == [(0.0, 0.0), (60.0, 0.75)]
    with pytest.raises(ResultError, match=r"several rows of one seed .* and metric, time_s, node"):
        over_seeds(frame, "value")


def test_mistakes_are_one_line() -> None:
    with pytest.raises(ResultError, match="method: is 'normal'; allowed: t, percentile, bca"):
        mean_interval([1.0], method="normal")  # type: ignore[arg-type]
    with pytest.raises(ResultError, match="confidence: is 95; allowed: between 0 and 1"):
        mean_interval([1.0], confidence=95)
    frame = scores({"client_0": [0.5]})
    with pytest.raises(ResultError, match="frame: lacks the column mean"):
        over_seeds(frame, "mean")
    with pytest.raises(ResultError, match="frame: has no rows"):
        over_seeds(pd.DataFrame(frame.iloc[:0]), "value")
