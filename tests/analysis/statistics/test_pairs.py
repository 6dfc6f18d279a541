"""Pairs: differences by hand, unpaired seeds that are counted, and what pairing is worth."""

import math

import numpy as np
import pandas as pd
import pytest

from analysis.statistics import differences, over_seeds, paired_differences
from sim.record.errors import ResultError
from tests.analysis.made import plain, scores, together


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
    assert plain(found, "protocol", "seed", "value", "reference", "difference") == [
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
        *("point", "protocol", "mean", "low", "high", "std", "count", "left_out", "unpaired"),
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
    with pytest.raises(
        ResultError, match="reference: 'pooled' has no rows; allowed: fedavg, swarm"
    ):
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
