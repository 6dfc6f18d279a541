"""Tuned sweeps: each run has its best value by validation data, and never by test data."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from analysis.comparison import compared
from analysis.loading import load
from analysis.report.tables import tables_of
from analysis.results import Results
from analysis.tuning import chosen_texts, tuned
from sim.record.errors import ResultError
from sim.record.rows import ScoreRow, TraceRow
from tests.analysis.folders import (
    RATE,
    Run,
    score,
    swept,
    trace,
    tuned_by,
    write_sweep,
)
from tests.analysis.made import plain

LEARNING = "training.learning_rate"
BOTH = "{braintorrent: {}, fedavg: {deadline: 1 min}}"
VALUES = ("0.01", "0.1", "1")
BEST = {
    ("braintorrent", 0): "0.1", ("braintorrent", 1): "0.01", ("fedavg", 0): "1", ("fedavg", 1): "1"
}  # fmt: skip
Value = Callable[[Run, str], float]


def by_best(run: Run, value: str) -> float:
    """Higher where the value is the run's best."""
    return 0.7 if BEST[run[1], run[2]] == value else 0.2


def made(
    folder: Path,
    value: Value = by_best,
    *vary: str,
    failed: Sequence[Run] = (),
    unfinished: Sequence[str] = (),
) -> Results:
    """Scores on test data are the other way round."""

    def rows(run: Run) -> tuple[Sequence[ScoreRow], Sequence[TraceRow]]:
        own = value(run, run[0].split("learning_rate-")[1])
        found = []
        for time_s, good in ((0.0, 0.5), (60.0, own)):
            row = score(run, time_s, "client_0", good, metric="accuracy_validation")
            found += [row, score(run, time_s, "client_0", 1 - good)]
        return found, [trace(run, own, "client_0", "train")]

    sweep = swept(*vary, f"{LEARNING}={','.join(VALUES)}", protocols=BOTH)
    write_sweep(folder, sweep, rows, failed=failed, unfinished=unfinished)
    return load(tuned_by(LEARNING, folder))


def test_a_choice_at_the_end_of_the_grid_says_so(tmp_path: Path) -> None:
    results = tuned(made(tmp_path, by_best))
    assert results.grid_ends == {LEARNING: {"0.01", "1"}}
    assert chosen_texts(results, LEARNING) == {
        ("base", "braintorrent"): "0.1 (1 of 2)",
        ("base", "fedavg"): "1 (2 of 2), end",
    }
    *_, work = tables_of(results, compared(results)).values()
    assert [row[-1] for row in work.rows] == ["0.1 (1 of 2)", "1 (2 of 2), end"]


def test_each_run_has_its_best_value(tmp_path: Path) -> None:
    results = made(tmp_path, by_best, f"{RATE}=0 / h,1 / h")
    found = tuned(results)
    assert (found.paths, found.tune) == ((RATE,), (LEARNING,))
    names = ["churn.failure_rate-0perh", "churn.failure_rate-1perh"]
    assert plain(found.points) == [(names[0], 0.0), (names[1], 1 / 3600)]
    assert plain(found.written, RATE) == ["0 / h", "1 / h"]
    assert list(found.conditions.index) == names and found.target is not None
    assert found.chosen_values is not None and plain(found.chosen_values) == [
        (name, *run, value) for name in names for run, value in BEST.items()
    ]
    expected = [(name, *run) for name in names for run in BEST]
    assert plain(found.runs, "point", "protocol", "seed") == expected
    assert found.missing.empty and list(found.runs) == [
        name for name in results.runs if name != LEARNING
    ]
    # The rows are those of the chosen runs, in the scenario's order.
    scores = found.scores(metric="accuracy_validation")
    last = scores[scores["time_s"] == 60]
    assert plain(last, "point", "protocol", "seed") == expected
    assert set(last["value"]) == {0.7} and LEARNING not in scores
    assert set(found.trace()["time_s"]) == {0.7}
    assert plain(found.scores(columns=["value"], points=names[1], protocols="fedavg"), "value") == [
        0.5, 0.5, 0.7, 1 - 0.7, 0.5, 0.5, 0.7, 1 - 0.7
    ]  # fmt: skip
    assert tuned(found) is found


def test_without_another_setting_one_point_is_left(tmp_path: Path) -> None:
    found = tuned(made(tmp_path))
    assert (found.paths, plain(found.points), found.is_sweep) == ((), [("base",)], True)
    assert len(found.runs) == 4 and set(found.scores(metric="accuracy")["point"]) == {"base"}


def test_what_tunes_nothing_is_what_it_was(tmp_path: Path) -> None:
    results = load(write_sweep(tmp_path, swept(f"{RATE}=0 / h")))
    assert tuned(results) is results


def test_of_equal_values_the_first_counts_and_a_diverged_one_never_does(tmp_path: Path) -> None:
    values = {"0.01": float("nan"), "0.1": 0.3, "1": 0.3}
    found = tuned(made(tmp_path, lambda run, value: values[value]))
    assert found.chosen_values is not None and set(found.chosen_values[LEARNING]) == {"0.1"}


def test_a_run_with_a_missing_trial_is_missing(tmp_path: Path) -> None:
    point = f"{LEARNING}-0.1"
    found = tuned(made(tmp_path, failed=[(point, "fedavg", 1)]))
    columns = ("protocol", "seed", "status", "cause")
    cause = f"1 of 3 trials of {LEARNING} are not finished"
    assert plain(found.missing, *columns) == [("fedavg", 1, "missing", cause)]
    assert plain(found.scores(metric="accuracy"), "seed", "protocol").count((1, "fedavg")) == 0
    everything = tuned(made(tmp_path / "none", unfinished=[point]))
    assert len(everything.missing) == 4


def test_without_scores_of_validation_data_nothing_is_tuned(tmp_path: Path) -> None:
    sweep = swept(f"{LEARNING}=0.01,0.1", protocols=BOTH)
    results = load(tuned_by(LEARNING, write_sweep(tmp_path, sweep)))
    with pytest.raises(ResultError, match="has no metric 'accuracy_validation'"):
        tuned(results)
