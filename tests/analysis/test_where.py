"""Points chosen by their values: quantities, numbers, texts, and mistakes in one line."""

from pathlib import Path

import pytest

from analysis.where import where
from sim.record.errors import ResultError
from tests.analysis.figures.looked_at import a_run, a_sweep
from tests.analysis.folders import RATE

ALPHA, SHARING = "task.partition.alpha", "network.sharing"


def test_all_conditions_are_met_and_several_of_one_path_are_alternatives(tmp_path: Path) -> None:
    results = a_sweep(tmp_path, f"{RATE}=1 / h,2 / h,3 / h", f"{ALPHA}=0.1,0.5")
    found = where(results, [f"{RATE}=1 / h", f"{RATE} = 72 / d", f"{ALPHA}=0.50"])
    assert (found.points[RATE] * 3600).tolist() == [1.0, 3.0]
    assert found.points[ALPHA].tolist() == [0.5, 0.5]
    assert found.written[RATE].tolist() == ["1 / h", "3 / h"]
    # All else is of these points alone.
    names = list(found.points["point"])
    assert list(found.conditions.index) == names
    assert list(found.runs["point"].unique()) == list(found.scores()["point"].unique()) == names
    assert found.with_values(found.scores())[RATE].nunique() == 2


def test_texts_are_compared_as_they_are(tmp_path: Path) -> None:
    results = a_sweep(tmp_path, f"{SHARING}=none,equal")
    assert where(results, [f"{SHARING}=equal"]).points[SHARING].tolist() == ["equal"]


def test_nothing_is_chosen_without_a_condition(tmp_path: Path) -> None:
    results = a_run(tmp_path)
    assert where(results, []) is results


@pytest.mark.parametrize(
    "condition",
    [
        "churn.failure_rate=2 / h", "failure_rate=48 / d",
        # As in the point's name.
        f"{RATE}=2perh", "failure_rate=2perh",
    ],
)  # fmt: skip
def test_the_end_of_a_path_and_a_name_s_value_will_do(tmp_path: Path, condition: str) -> None:
    results = a_sweep(tmp_path, f"{RATE}=1 / h,2 / h", f"{ALPHA}=0.1,0.5")
    assert list(where(results, [condition]).written[RATE].unique()) == ["2 / h"]


def test_an_end_that_two_paths_have_is_neither(tmp_path: Path) -> None:
    uplinks = ("network.uplink=10 Mbit/s,20 Mbit/s", "server.uplink=1 Gbit/s,2 Gbit/s")
    results = a_sweep(tmp_path, *uplinks)
    with pytest.raises(ResultError) as mistake:
        where(results, ["uplink=10 Mbit/s"])
    said = "uplink may be network.uplink or server.uplink; allowed: network.uplink, server.uplink"
    assert str(mistake.value) == f"--where uplink=10 Mbit/s: {said}"
    assert len(where(results, ["server.uplink=1Gbitpers"]).points) == 2


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        (RATE, f"{RATE}: is not PATH=VALUE; allowed: {RATE}"),
        ("x=1", f"x=1: x is not varied; allowed: {RATE}"),
        (f"{RATE}=1", f"{RATE}=1: '1' needs a unit; allowed: 1 / h, 3 / h"),
        (f"{RATE}=2 / h", f"{RATE}=2 / h: no point has this value; allowed: 1 / h, 3 / h"),
    ],
)
def test_mistakes(tmp_path: Path, condition: str, message: str) -> None:
    with pytest.raises(ResultError) as mistake:
        where(a_sweep(tmp_path), [condition])
    assert str(mistake.value) == f"--where {message}"


def test_a_number_and_points_that_no_one_meets(tmp_path: Path) -> None:
    results = a_sweep(tmp_path, f"{ALPHA}=0.1,0.5", f"{SHARING}=none,equal")
    with pytest.raises(ResultError, match="'much' is not a number; allowed: 0.1, 0.5"):
        where(results, [f"{ALPHA}=much"])
