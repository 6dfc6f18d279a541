"""Time to the target: steps where runs get there, strokes where they end without."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from analysis.figures.time_to_target import time_to_target, time_to_target_data
from sim.record.errors import ResultError
from tests.analysis.figures.looked_at import a_run, drawn, keys
from tests.analysis.folders import Run

TARGET = "evaluation.target={metric: accuracy, value: 0.5}"


def one_of_two(run: Run) -> Mapping[str, Sequence[float]]:
    """Of fedavg seed 1 gets there after 30 s; nobody else does."""
    top = 0.9 if run[1] == "fedavg" and run[2] == 1 else 0.1
    return {"client_0": [0.0, top, top]}


def test_steps_and_strokes(tmp_path: Path) -> None:
    results = a_run(tmp_path, one_of_two, changes=[TARGET])
    found, ended = time_to_target_data(results)
    rows = found[found["protocol"] == "fedavg"][["time", "survival", "until"]]
    assert rows.values.tolist() == [[0.0, 1.0, 60.0], [30.0, 0.5, 60.0], [60.0, 0.5, 60.0]]
    columns = ["protocol", "time", "survival", "runs"]
    assert ended[columns].values.tolist() == [["local", 60.0, 1.0, 2], ["fedavg", 60.0, 0.5, 1]]
    figure = drawn(time_to_target(results))
    assert keys(figure)[-1] == "ended without"
    assert texts(figure) == ["never reached by local"]


def test_it_says_when_nobody_gets_there(tmp_path: Path) -> None:
    results = a_run(tmp_path, lambda run: {"client_0": [0.1] * 3}, changes=[TARGET])
    assert texts(drawn(time_to_target(results))) == ["nobody reaches it in any seed"]


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts if text.get_text()]


def test_a_step_of_its_own_has_its_interval(tmp_path: Path) -> None:
    # fedavg's share is 1/2 between two looks and nothing else: there it has its band.
    figure = drawn(time_to_target(a_run(tmp_path, one_of_two, changes=[TARGET])))
    bands = [band for band in figure.axes[0].collections if len(band.get_paths())]
    assert [band.get_datalim(figure.axes[0].transData).intervalx.tolist() for band in bands] == [
        [30.0, 60.0]
    ]


def test_another_target_than_the_scenario_s(tmp_path: Path) -> None:
    results = a_run(tmp_path, one_of_two, changes=["evaluation={every: 30 s}"])
    found, ended = time_to_target_data(results, target=0.05)
    assert set(found["time"]) == {0.0, 30.0} and ended.empty
    title = drawn(time_to_target(results, target={"base": 0.05})).get_suptitle()
    assert title.splitlines()[0].endswith("time until the mean client reaches accuracy 0.05")
    with pytest.raises(ResultError, match="target: lacks the points base"):
        time_to_target(results, target={"x": 0.5})


def test_no_target(tmp_path: Path) -> None:
    results = a_run(tmp_path, changes=["evaluation={every: 30 s}"])
    with pytest.raises(ResultError, match="no target at base; allowed: points with evaluation"):
        time_to_target(results)
