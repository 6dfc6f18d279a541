"""Kaplan-Meier: a textbook's table by hand, runs that never arrive, and the interval's rate."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy.stats import CensoredData, ecdf

from analysis.metrics.clients import over_clients
from analysis.metrics.progress import to_target
from analysis.statistics import kaplan_meier, median_time
from sim.record.errors import ResultError
from tests.analysis.made import plain, scores, together

COLUMNS = ("time", "survival", "at_risk", "events")


def arrivals(*runs: float, protocol: str = "swarm") -> pd.DataFrame:
    """Runs that got there at a positive time, and those that gave up at a negative one."""
    return pd.DataFrame(
        {
            "point": "p",
            "protocol": protocol,
            "value": np.abs(runs),
            "reached": [run >= 0 for run in runs],
        }
    )


def test_the_estimate_by_hand() -> None:
    # At 1 one of 6 arrives, at 2 one of 5 (another gives up), at 3 one of 3: the share that has not
    # arrived is 5/6, then 5/6 * 4/5 = 2/3, then 2/3 * 2/3 = 4/9.
    found = kaplan_meier(arrivals(1, 2, -2, 3, -4, -5))
    assert plain(found, *COLUMNS) == [
        (0.0, 1.0, 6, 0),
        (1.0, pytest.approx(5 / 6), 6, 1),
        (2.0, pytest.approx(2 / 3), 5, 1),
        (3.0, pytest.approx(4 / 9), 3, 1),
        (4.0, pytest.approx(4 / 9), 2, 0),
        (5.0, pytest.approx(4 / 9), 1, 0),
    ]
    # Greenwood's sum at 3 is 1/(6*5) + 1/(5*4) + 1/(3*2) = 1/4, so the error of log(-log S) is
    # sqrt(1/4) / log(9/4), and the bounds are S to the power of exp(± 1.96 of those).
    power = math.exp(1.959964 * 0.5 / math.log(9 / 4))
    assert found["low"][3] == pytest.approx((4 / 9) ** power, abs=1e-6)
    assert found["high"][3] == pytest.approx((4 / 9) ** (1 / power), abs=1e-6)
    assert plain(median_time(arrivals(1, 2, -2, 3, -4, -5)), "median", "count", "reached") == [
        (3.0, 6, 3)
    ]


def test_without_censoring_it_is_the_share_that_is_left() -> None:
    found = kaplan_meier(arrivals(1, 2, 2, 4))
    assert found["survival"].tolist() == pytest.approx([1.0, 0.75, 0.25, 0.0])
    # Where the share is 1 or 0 there is no interval.
    assert found["low"].isna().tolist() == [True, False, False, True]
    assert median_time(arrivals(1, 2, 2, 4))["median"].tolist() == [2.0]


@pytest.mark.filterwarnings("ignore:The confidence interval is undefined")
def test_it_is_scipy_s() -> None:
    rng = np.random.default_rng(12)
    for _ in range(20):
        runs = rng.integers(1, 6, 12) * rng.choice([-1.0, 1.0], 12)
        censored = CensoredData(np.abs(runs[runs > 0]), right=np.abs(runs[runs < 0]))
        expected = ecdf(censored).sf
        interval = expected.confidence_interval(0.9, method="log-log")
        found = kaplan_meier(arrivals(*runs), confidence=0.9).iloc[1:]
        np.testing.assert_array_equal(found["time"], expected.quantiles)
        for name, one in {"survival": expected, "low": interval.low, "high": interval.high}.items():
            np.testing.assert_allclose(found[name], one.probabilities, atol=1e-12)


def test_nobody_arrives_and_all_arrive_at_once() -> None:
    found = kaplan_meier(arrivals(-3, -3))
    assert plain(found, *COLUMNS) == [(0.0, 1.0, 2, 0), (3.0, 1.0, 2, 0)]
    assert found[["low", "high"]].isna().all(axis=None)
    assert math.isnan(median_time(arrivals(-3, -3))["median"][0])
    assert plain(kaplan_meier(arrivals(0, 0)), *COLUMNS) == [(0.0, 0.0, 2, 2)]
    assert plain(kaplan_meier(arrivals(5)), *COLUMNS) == [(0.0, 1.0, 1, 0), (5.0, 0.0, 1, 1)]


def test_what_is_no_time_is_left_out_and_counted() -> None:
    frame = together(arrivals(1, math.nan, 3), arrivals(math.nan, protocol="fedavg"))
    found = kaplan_meier(frame)
    assert plain(found, "protocol", "time", "at_risk", "left_out") == [
        ("fedavg", 0.0, 0, 1),
        ("swarm", 0.0, 2, 1),
        ("swarm", 1.0, 2, 1),
        ("swarm", 3.0, 1, 1),
    ]
    assert math.isnan(found["survival"][0])
    assert plain(median_time(frame), "protocol", "count", "reached", "left_out") == [
        ("fedavg", 0, 0, 1),
        ("swarm", 2, 2, 1),
    ]


def test_times_to_target_go_in_as_they_are() -> None:
    frame = together(
        *(
            over_clients(scores({"client_0": [0.0, value, 0.9]}, protocol=protocol, seed=seed))
            for protocol in ("local", "swarm")
            for seed, value in enumerate((0.25, 0.5))
        )
    )
    found = kaplan_meier(to_target(frame, 0.5))
    assert plain(found, "protocol", "time", "survival") == [
        (protocol, *step)
        for protocol in ("swarm", "local")
        for step in ((0.0, 1.0), (60.0, 0.5), (120.0, 0.0))
    ]
    assert found["protocol"].dtype == frame["protocol"].dtype


@pytest.mark.slow
def test_the_interval_covers_the_truth_at_its_rate() -> None:
    rng, hits, samples = np.random.default_rng(11), 0, 500
    for _ in range(samples):
        # Half have arrived by log 2; those that take longer than their limit are censored.
        times, limits = rng.exponential(1.0, 40), rng.uniform(0.5, 3.0, 40)
        frame = arrivals(*np.where(times <= limits, times, -limits))
        at_half = kaplan_meier(frame).query("time <= 0.6931471805599453").iloc[-1]
        hits += bool(at_half["low"] <= 0.5 <= at_half["high"])
    # It is right for many runs only, so it may miss by another hundredth with forty.
    assert abs(hits / samples - 0.95) < 0.01 + 4 * math.sqrt(0.95 * 0.05 / samples)


def test_mistakes_are_one_line() -> None:
    with pytest.raises(ResultError, match="frame: lacks the column reached"):
        kaplan_meier(arrivals(1).drop(columns="reached"))
    with pytest.raises(ResultError, match="confidence: is 0; allowed: between 0 and 1"):
        kaplan_meier(arrivals(1), confidence=0)
