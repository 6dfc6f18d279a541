"""What runs come to, on folders of rows made by hand, and how it is written."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from analysis.comparison import (
    Arrival,
    Comparison,
    compared,
    count_text,
    difference_text,
    score_text,
    share_text,
)
from analysis.loading import load
from analysis.statistics import Interval
from sim.record.rows import ScoreRow, TraceRow
from tests.analysis.folders import Run, described, score, trace, write_run

NAN = math.nan
TARGET = "evaluation.target={metric: accuracy, value: 0.8}"

Looks = Mapping[float, Mapping[str, float]]
"""By time in seconds, the score of each node."""


def clients(*values: float) -> dict[str, float]:
    return {f"client_{index}": value for index, value in enumerate(values)}


def compared_runs(
    folder: Path,
    looks: Mapping[tuple[str, int], Looks],
    *changes: str,
    metric: str = "accuracy",
    events: Mapping[tuple[str, int], Sequence[TraceRow]] | None = None,
    failed: Sequence[Run] = (),
) -> Comparison:
    """The protocols and seeds of `looks`, with other nodes' rows where they are named."""
    protocols = ", ".join(
        f"{name}: {'{deadline: 1 min}' if name == 'fedavg' else '{}'}"
        for name in dict.fromkeys(name for name, _ in looks)
    )
    seeds = sorted({seed for _, seed in looks})
    scenario = described(f"seeds={seeds}", *changes, protocols=f"{{{protocols}}}")

    def rows(run: Run) -> tuple[Sequence[ScoreRow], Sequence[TraceRow]]:
        scores = [
            score(run, time_s, node, value, metric=metric)
            for time_s, nodes in looks[run[1], run[2]].items()
            for node, value in nodes.items()
        ]
        return scores, (events or {}).get((run[1], run[2]), [])

    return compared(load(write_run(folder, scenario, rows, failed=failed)))


def mean(found: Comparison, column: str, protocol: str) -> float:
    return found.means[column]["base", protocol].mean


def test_final_scores_are_of_the_last_look_with_student_s_interval_over_seeds(
    tmp_path: Path,
) -> None:
    looks = {
        ("local", 0): {0.0: clients(0.1, 0.1), 60.0: clients(0.5, 0.7) | {"server": 0.9}},
        ("local", 1): {0.0: clients(0.1, 0.1), 30.0: clients(0.7, 0.9)},
    }
    found = compared_runs(tmp_path, looks)
    one = found.means["mean"]["base", "local"]
    # The tables' quantile for 1 degree of freedom times the standard error of 0.6 and 0.8.
    assert (one.mean, one.high - one.mean) == pytest.approx((0.7, 12.7062 * 0.1), rel=1e-5)
    assert one.count == 2
    assert mean(found, "worst", "local") == pytest.approx(0.6)
    assert found.means["aggregate"]["base", "local"].count == 0


def test_aggregate_is_its_own_row_and_the_pooled_model_the_only_client(tmp_path: Path) -> None:
    looks = {
        ("braintorrent", 0): {0.0: clients(0.2, 0.4) | {"aggregate": 0.6}},
        ("pooled", 0): {0.0: {"pooled": 0.9}},
    }
    found = compared_runs(tmp_path, looks)
    assert mean(found, "mean", "braintorrent") == pytest.approx(0.3)
    assert mean(found, "aggregate", "braintorrent") == 0.6
    for column in ("mean", "worst"):
        one = found.means[column]["base", "pooled"]
        assert (one.mean, one.count, math.isnan(one.low)) == (0.9, 1, True)


@pytest.mark.parametrize(
    ("arrivals_s", "expected"),
    [
        ((60.0, None), Arrival(60.0, 2, 1)),
        ((60.0, 30.0, 30.0, 60.0), Arrival(30.0, 4, 4)),
        # The mean of those that got there would be 30 s.
        ((None, 30.0, None, None), Arrival(NAN, 4, 1)),
        ((None,), Arrival(NAN, 1, 0)),
    ],
)
def test_the_time_to_target_is_the_median_of_all_seeds(
    tmp_path: Path, arrivals_s: Sequence[float | None], expected: Arrival
) -> None:
    """From the first look that reaches it, even if a later one falls back."""
    looks = {
        ("local", seed): {
            time_s: clients(0.8 if time_s == at else 0.7) for time_s in (0.0, 30.0, 60.0, 90.0)
        }
        for seed, at in enumerate(arrivals_s)
    }
    arrival = compared_runs(tmp_path, looks, TARGET).arrivals["base", "local"]
    assert arrival.median_s == pytest.approx(expected.median_s, nan_ok=True)
    assert (arrival.count, arrival.reached) == (expected.count, expected.reached)


def test_a_loss_is_better_when_lower(tmp_path: Path) -> None:
    looks = {("local", 0): {0.0: clients(2.0, 2.2), 60.0: clients(0.4, 1.0)}}
    changes = (
        "evaluation.target={metric: loss, value: 0.75}",
        "faults={first: {kind: crash, node: client_1, at: 10 s}}",
    )
    found = compared_runs(tmp_path, looks, *changes, metric="loss")
    assert mean(found, "worst", "local") == 1.0
    assert found.arrivals["base", "local"] == Arrival(60.0, 1, 1)
    assert mean(found, "progress", "local") == pytest.approx(1.4)


@pytest.mark.parametrize(
    ("crash_s", "expected"), [(29, 0.6), (30, 0.4), (45, 0.4), (60, NAN), (500, NAN)]
)
def test_progress_after_the_crash_starts_at_the_last_look_before_it(
    tmp_path: Path, crash_s: int, expected: float
) -> None:
    looks = {("local", 0): {0.0: clients(0.1), 30.0: clients(0.3), 60.0: clients(0.7)}}
    faults = f"a: {{kind: crash, node: client_1, at: {crash_s} s}}"
    late = "b: {kind: crash, node: client_1, at: 900 s}"
    found = compared_runs(tmp_path, looks, f"faults={{{late}, {faults}}}")
    assert mean(found, "progress", "local") == pytest.approx(expected, nan_ok=True)


def test_work_is_counted_per_protocol_and_averaged_over_seeds(tmp_path: Path) -> None:
    run = ("base", "fedavg", 0)
    busy = [
        *[trace(run, 1.0, "client_0", "train")] * 3,
        trace(run, 1.0, "client_0", "train_lost"),
        trace(run, 1.0, "client_0", "transfer")._replace(bytes=1000),
        trace(run, 1.0, "client_0", "transfer_lost")._replace(bytes=500),
    ]
    looks = {(name, seed): {0.0: clients(0.1)} for name in ("fedavg", "local") for seed in (0, 1)}
    found = compared_runs(tmp_path, looks, events={("fedavg", 0): busy})
    columns = ("local_rounds", "local_rounds_lost", "bytes_received")
    assert [mean(found, column, "fedavg") for column in columns] == [1.5, 0.5, 500.0]
    assert [mean(found, column, "local") for column in columns] == [0.0, 0.0, 0.0]


def test_differences_are_taken_in_pairs_of_one_seed(tmp_path: Path) -> None:
    finals = {"braintorrent": (0.2, 0.6, 0.0), "fedavg": (0.1, 0.5, 0.9)}
    looks = {
        (name, seed): {0.0: clients(value)}
        for name, values in finals.items()
        for seed, value in enumerate(values)
    }
    failed = [("base", "braintorrent", 2)]
    found = compared_runs(tmp_path, looks, failed=failed)
    assert found.baseline == "fedavg" and set(found.differences) == {("base", "braintorrent")}
    one = found.differences["base", "braintorrent"]
    assert one.count == 2 and one.mean == pytest.approx(0.1)
    assert one.high - one.low == pytest.approx(0.0, abs=1e-12)


def test_a_diverged_client_leaves_its_seed_out_and_is_counted(tmp_path: Path) -> None:
    looks = {("local", 0): {0.0: clients(1.0, NAN)}, ("local", 1): {0.0: clients(0.5, 0.25)}}
    found = compared_runs(tmp_path, looks)
    for column, value in (("mean", 0.375), ("worst", 0.25)):
        one = found.means[column]["base", "local"]
        assert (one.mean, one.count, one.left_out) == (value, 1, 1)


NOTHING = Interval(math.nan, math.nan, math.nan, math.nan, 0, 1)
ONE = Interval(0.5, math.nan, math.nan, math.nan, 1, 0)
SURE = Interval(-0.12345, -0.2, -0.0469, 0.1, 5, 0)


def test_scores_and_differences() -> None:
    assert [score_text(one) for one in (NOTHING, ONE, SURE)] == ["–", "0.500", "-0.123 ±0.077"]
    assert [difference_text(one) for one in (NOTHING, ONE, SURE)] == [
        "–",
        "+0.500",
        "−0.123 ±0.077",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (count_text(1356.3), "1,356"),
        (count_text(math.nan), "–"),
        (share_text(0.0123), "1.2 %"),
        (share_text(math.nan), "–"),
    ],
)
def test_quantities(text: str, expected: str) -> None:
    assert text == expected
