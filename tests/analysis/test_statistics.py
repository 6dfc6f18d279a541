"""Intervals by hand and how often they cover the truth; pairs of one seed; the fewest seeds."""

import math
from dataclasses import astuple, replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ttest_1samp

from analysis.statistics import (
    METHODS,
    Crossing,
    Interval,
    Method,
    crossings,
    differences,
    holm,
    mean_interval,
    more_seeds,
    over_seeds,
    p_value,
    paired_differences,
    seeds_needed,
    student_quantile,
)
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


def test_an_interval_is_cut_off_at_the_bounds() -> None:
    values = [0.9, 0.95, 1.0]
    free, bound = mean_interval(values), mean_interval(values, bounds=(0.0, 1.0))
    assert free.high > 1 and bound == replace(free, high=1.0)
    both = mean_interval([0.0, 1.0], bounds=(0.0, 1.0))
    assert (both.low, both.mean, both.high) == (0.0, 0.5, 1.0)


@pytest.mark.parametrize(("seeds", "least"), [(3, 0.88), (5, 0.88), (10, 0.9), (20, 0.92)])
def test_intervals_of_scores_near_their_top_cover_the_mean(seeds: int, least: float) -> None:
    """Of beta(5, 1.5), and of beta(8, 1), which piles up at 1: cutting off loses no cover."""
    draws = np.random.default_rng(7)
    for a, b in ((5.0, 1.5), (8.0, 1.0)):
        samples, truth = draws.beta(a, b, (4000, seeds)), a / (a + b)
        half = student_quantile(seeds - 1, 0.95) * samples.std(axis=1, ddof=1) / math.sqrt(seeds)
        means = samples.mean(axis=1)
        low, high = np.maximum(means - half, 0.0), np.minimum(means + half, 1.0)
        covers = (low <= truth) & (truth <= high)
        assert (covers == (np.abs(means - truth) <= half)).all()
        assert covers.mean() >= least
        # That is what the function gives.
        for place in range(3):
            found = mean_interval(samples[place], bounds=(0.0, 1.0))
            assert (found.low, found.high) == pytest.approx((low[place], high[place]))


def test_differences_of_bounded_values_stay_between_minus_one_and_one() -> None:
    frame = pd.DataFrame(
        {"point": "p", "seed": [0, 1, 2] * 2, "protocol": ["a"] * 3 + ["b"] * 3,
         "value": [1.0, 1.0, 0.0, 0.0, 0.1, 0.2]}
    )  # fmt: skip
    (row,) = paired_differences(frame, "value", "b", bounds=(0.0, 1.0)).to_dict("records")
    assert (row["mean"], row["high"]) == (pytest.approx(17 / 30), 1.0)
    assert -1.0 <= row["low"] < 0


def test_p_values_are_of_the_paired_test() -> None:
    values = [0.1, 0.3, 0.2, 0.4]
    assert p_value(mean_interval(values)) == pytest.approx(ttest_1samp(values, 0.0).pvalue)
    assert p_value(mean_interval([-0.1, -0.3, -0.2, -0.4])) == p_value(mean_interval(values))
    assert p_value(mean_interval([0.1, 0.1])) == 0 and p_value(mean_interval([0.0, 0.0])) == 1
    assert math.isnan(p_value(mean_interval([0.5])))


def test_holm_s_correction_by_hand() -> None:
    # Sorted 0.01, 0.02, 0.03, 0.04: times 4, 3, 2, 1, and never less than the one before.
    assert holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([0.5, NAN, 0.9]) == pytest.approx([1.0, NAN, 1.0], nan_ok=True)
    assert holm([]) == []


def around(mean: float, half: float) -> Interval:
    return Interval(mean, mean - half, mean + half, half, 3, 0)


@pytest.mark.parametrize(
    ("differences", "expected"),
    [
        # From +2 to -2 over two steps of 10; the upper end reaches zero a quarter later.
        ([around(2, 1), around(0, 1), around(-2, 1)], [Crossing(10.0, 5.0, 15.0)]),
        ([around(3, 1), around(-1, 0.5)], [Crossing(7.5, 20 / 3.5, 40 / 4.5)]),
        ([around(-3, 1), around(1, 1)], [Crossing(7.5, 5.0, INF)]),
        ([around(1, 2), around(-3, 1)], [Crossing(2.5, -INF, 6.0)]),
        ([around(1, 2), around(-1, 2)], [Crossing(5.0, -INF, INF)]),
        ([around(1, 0.5), around(2, 3)], []),
        ([around(0, 1), around(0, 1)], []),
        ([around(1, 0), around(0, 0), around(0, 0), around(-1, 0)], [Crossing(15.0, 10.0, 20.0)]),
        ([around(1, 0), around(-1, 0), around(1, 0)],
         [Crossing(5.0, 5.0, 5.0), Crossing(15.0, 15.0, 15.0)]),
        ([around(1, NAN), around(NAN, NAN), around(-1, NAN)], [Crossing(10.0, NAN, NAN)]),
        ([around(1, 1)], []),
    ],
)  # fmt: skip
def test_where_one_overtakes_the_other(
    differences: list[Interval], expected: list[Crossing]
) -> None:
    found = crossings([10.0 * place for place in range(len(differences))], differences)
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert astuple(one) == pytest.approx(astuple(other), nan_ok=True)


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
def test_a_bootstrap_covers_less_with_few_seeds_and_nearly_enough_with_many(method: Method) -> None:
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


def final(values: dict[str, dict[int, float]], point: str = "high") -> pd.DataFrame:
    """By protocol and seed the one score that there is."""
    return together(
        *(
            scores({"client_0": [value]}, protocol=protocol, seed=seed, point=point)
            for protocol, runs in values.items()
            for seed, value in runs.items()
        )
    )


def test_differences_are_of_one_seed() -> None:
    frame = final(
        {
            "fedavg": {0: 0.25, 1: 0.5, 2: 1.0},
            "swarm": {0: 0.5, 1: 0.5, 3: 0.75},
            "local": {2: 0.25},
        }
    )
    found = differences(frame, "value", "fedavg")
    assert plain(found, "protocol", "seed", "value", "baseline", "difference") == [
        ("swarm", 0, 0.5, 0.25, 0.25),
        ("swarm", 1, 0.5, 0.5, 0.0),
        ("local", 2, 0.25, 1.0, -0.75),
    ]
    means = paired_differences(frame, "value", "fedavg")
    # swarm: seeds 2 and 3 have no partner; local: seeds 0 and 1 of fedavg have none.
    assert plain(means, "protocol", "mean", "count", "left_out", "unpaired") == [
        ("swarm", 0.125, 2, 0, 2),
        ("local", -0.75, 1, 0, 2),
    ]
    # 0.125 ± t(1 degree of freedom) s / sqrt(2), with s = 0.25 / sqrt(2).
    assert means["high"][0] == pytest.approx(0.125 + 12.706205 * 0.125)
    assert math.isnan(means["high"][1])


def test_a_diverged_run_is_left_out_and_counted() -> None:
    frame = final({"fedavg": {0: 0.25, 1: 0.5}, "swarm": {0: math.nan, 1: 0.75}})
    found = paired_differences(frame, "value", "fedavg")
    columns = ("mean", "count", "left_out", "unpaired")
    assert plain(found, *columns) == [(0.25, 1, 1, 0)]


def test_points_are_apart_and_a_point_without_the_reference_is_there() -> None:
    frame = together(
        final({"fedavg": {0: 0.25}, "swarm": {0: 0.5}}),
        final({"swarm": {0: 0.5, 1: 0.5}}, point="low"),
    )
    found = paired_differences(frame, "value", "fedavg")
    assert plain(found, "point", "protocol", "count", "unpaired") == [
        ("high", "swarm", 1, 0),
        ("low", "swarm", 0, 2),
    ]
    assert found["mean"].isna().tolist() == [False, True]
    none = paired_differences(final({"fedavg": {0: 0.5}, "swarm": {1: 0.5}}), "value", "fedavg")
    assert plain(none, "count", "unpaired") == [(0, 2)] and none["mean"].isna().all()
    assert none["protocol"].dtype == found["protocol"].dtype


def test_a_single_protocol_has_nobody_to_differ_from() -> None:
    frame = final({"fedavg": {0: 0.5, 1: 0.75}})
    found = paired_differences(frame, "value", "fedavg")
    assert found.empty and list(found) == [
        *("point", "protocol", "mean", "low", "high", "std", "count", "left_out", "unpaired")
    ]


def test_looks_may_be_compared_one_by_one() -> None:
    frame = together(
        *(
            scores({"client_0": [0.0, value]}, protocol=protocol, seed=seed)
            for protocol, value in (("fedavg", 0.25), ("swarm", 0.75))
            for seed in (0, 1)
        )
    )
    found = paired_differences(frame, "value", "fedavg", by=["point", "time_s"])
    assert plain(found, "time_s", "mean", "low", "count") == [
        (0.0, 0.0, 0.0, 2),
        (60.0, 0.5, 0.5, 2),
    ]
    with pytest.raises(ResultError, match="several rows of one protocol and seed for each"):
        differences(frame, "value", "fedavg")
    with pytest.raises(ResultError, match="baseline: 'pooled' has no rows; allowed: fedavg, swarm"):
        differences(frame, "value", "pooled", by=["point", "time_s"])


@pytest.mark.slow
def test_pairs_cover_the_truth_and_are_narrower_than_two_means() -> None:
    rng = np.random.default_rng(7)
    hits, samples = 0, 400
    for _ in range(samples):
        # What a seed's failures do to both is ten times what is the protocols' own.
        shared, own = rng.normal(0.0, 1.0, 5), rng.normal(0.0, 0.1, (2, 5))
        frame = pd.DataFrame(
            {
                "point": "p",
                "protocol": ["fedavg"] * 5 + ["swarm"] * 5,
                "seed": [*range(5)] * 2,
                "value": np.concatenate([shared + own[0], shared + own[1] + 0.5]),
            }
        )
        found = paired_differences(frame, "value", "fedavg").iloc[0]
        hits += bool(found["low"] <= 0.5 <= found["high"])
    assert abs(hits / samples - 0.95) < 4 * math.sqrt(0.95 * 0.05 / samples)
    apart = over_seeds(frame, "value")
    assert found["high"] - found["low"] < (apart["high"] - apart["low"]).min() / 2


def half_width(std: float, seeds: int) -> float:
    return student_quantile(seeds - 1, 0.95) * std / math.sqrt(seeds)


@pytest.mark.parametrize("std", [1e-9, 0.01, 0.02, 0.1, 0.5, 3.0])
def test_the_fewest_that_do(std: float) -> None:
    needed = seeds_needed(std, 0.05)
    assert half_width(std, needed) <= 0.05
    assert needed == 2 or half_width(std, needed - 1) > 0.05


def test_numbers_of_a_textbook() -> None:
    # t(17 degrees of freedom) = 2.1098: 2.1098 * 0.1 / sqrt(18) = 0.0497; with 17 it is 0.0514.
    assert seeds_needed(0.1, 0.05) == 18
    assert seeds_needed(0.0, 0.05) == 2


def test_more_than_there_are() -> None:
    # Their standard deviation is 0.1.
    assert more_seeds([0.5, 0.6, 0.7], 0.05) == 18 - 3
    assert more_seeds([0.5, 0.6, 0.7, math.nan], 0.05) == 18 - 3
    assert more_seeds([0.5, 0.6, 0.7], 0.25) == 0
    assert more_seeds([0.5, 0.5], 0.05) == 0
    assert more_seeds([0.5], 0.05) is None and more_seeds([], 0.05) is None


def test_a_width_or_a_spread_that_is_none() -> None:
    for width in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(ResultError, match="half_width: is .*; allowed: a number above zero"):
            seeds_needed(0.1, width)
    with pytest.raises(ResultError, match="std: is nan; allowed: a number of zero or more"):
        seeds_needed(math.nan, 0.1)
