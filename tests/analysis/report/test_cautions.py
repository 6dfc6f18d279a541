"""Each warning, where it is due and only there."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from analysis.comparison import compared
from analysis.loading import load
from analysis.report.cautions import Caution, cautions
from analysis.results import Results
from analysis.statistics import seeds_needed
from tests.analysis.figures.looked_at import a_run, a_sweep, linear
from tests.analysis.folders import RATE, Run, described, edit_record, swept, write_run, write_sweep


def said(results: Results) -> tuple[Caution, ...]:
    return cautions(results, compared(results))


def test_all_is_well(tmp_path: Path) -> None:
    assert said(a_run(tmp_path)) == ()


def test_failed_and_missing_runs(tmp_path: Path) -> None:
    folder = write_sweep(
        tmp_path,
        swept(f"{RATE}=0 / h,1 / h,2 / h"),
        failed=[("churn.failure_rate-0perh", "local", 1)],
        unfinished=["churn.failure_rate-1perh"],
    )
    failed, missing, *_ = said(load(folder))
    assert failed == Caution(
        "1 of 12 runs have failed; figures and tables are without them.",
        ("churn failure rate 0 / h: local seed 1: out of memory",),
    )
    assert missing.text == "4 of 12 runs are missing; figures and tables are without them."
    assert len(missing.details) == 4


def test_one_seed_is_told_of_by_its_record(tmp_path: Path) -> None:
    assert said(a_run(tmp_path, changes=["seeds=[0]"])) == ()


def told(folder: Path, *cautions: Mapping[str, Any]) -> None:
    """Write cautions into a run's record."""
    edit_record(folder / "run.json", cautions=cautions)


LATE = {"kind": "late updates", "protocol": "fedavg", "text": "fedavg: 3 came late", "seeds": [1]}
DOWN = {"kind": "down", "protocol": None, "text": "server: down", "seeds": [0, 1]}


def test_what_the_runs_tell_of_themselves(tmp_path: Path) -> None:
    a_run(tmp_path)
    told(tmp_path, DOWN, LATE)
    assert said(load(tmp_path)) == (
        Caution("server: down"),
        Caution("fedavg: 3 came late (seed 1)"),
    )


def test_what_returns_at_other_points_is_told_once(tmp_path: Path) -> None:
    results = a_sweep(tmp_path, f"{RATE}=0 / h,1 / h,2 / h")
    for point in list(results.points["point"])[1:]:
        told(results.folder_at(point), LATE)
    (found,) = said(load(tmp_path))
    assert found.text == "fedavg: late updates, at 2 of 3 points."
    assert found.details[0] == "churn failure rate 1 / h: fedavg: 3 came late (seed 1)"


def apart(run: Run) -> Mapping[str, Sequence[float]]:
    """Local is 0.1 better in seed 0, and 0.2 in seed 1."""
    value = (0.1 + 0.1 * run[2]) * (run[1] == "local")
    return {"client_0": [value] * 3}


def test_too_few_seeds_and_how_many_more(tmp_path: Path) -> None:
    (found,) = said(results := a_run(tmp_path, apart))
    assert found.text == (
        "1 of 1 differences to fedavg cannot be told from zero with these seeds: their "
        "95 % intervals hold it."
    )
    # 0.15 with a standard deviation of 0.1 / sqrt 2: t of 3 degrees, 3.18, times 0.0354 is enough.
    assert seeds_needed(0.1 / math.sqrt(2), 0.15) == 4
    assert found.details == (
        "local: +0.150; about 2 more seeds would be needed for this difference alone",
        f"More seeds train only what is new: braintorrent run {results.folder}/scenario.yaml "
        f"--seeds N --out {results.folder}",
    )


@pytest.mark.parametrize(
    ("second", "words"),
    [
        (-0.1, "no number of seeds would do"),
        (-0.0999, "more than 1,000 seeds would be needed for this difference alone"),
    ],
)
def test_no_difference_needs_no_seeds(tmp_path: Path, second: float, words: str) -> None:
    def values(run: Run) -> Mapping[str, Sequence[float]]:
        return {"client_0": [(run[1] == "local") * (0.1, second)[run[2]]] * 3}

    (found,) = said(a_run(tmp_path, values))
    assert found.details[0].endswith(words)


def test_equal_in_all_seeds(tmp_path: Path) -> None:
    (found,) = said(a_run(tmp_path, lambda run: {"client_0": [0.5] * 3}))
    assert found.details[:-1] == ("local: +0.000; equal in all seeds",)


def test_a_sweep_s_points_are_named(tmp_path: Path) -> None:
    found = said(a_sweep(tmp_path, values=lambda run: {**linear(run), "client_1": [0.5] * 3}))
    assert [one.split(": ")[0] for one in found[0].details[:-1]] == [
        "churn failure rate 1 / h",
        "churn failure rate 3 / h",
    ]


def test_a_single_pair(tmp_path: Path) -> None:
    results = load(write_run(tmp_path, described(), failed=[("base", "local", 1)]))
    assert said(results)[-1].details[0].endswith("at least two seeds of both are needed")
