"""The score at the end over a varied number: known values, units, and sweeps that vary none."""

from pathlib import Path

import numpy as np
import pytest

from analysis.figures.failure_rate import failure_rate, failure_rate_data
from sim.record.errors import ResultError
from tests.analysis.figures.looked_at import a_run, a_sweep, drawn, keys, xs
from tests.analysis.folders import RATE


def test_the_last_scores_over_the_rate(tmp_path: Path) -> None:
    found = failure_rate_data(a_sweep(tmp_path))
    assert found["protocol"].tolist() == ["local", "local", "fedavg", "fedavg"]
    np.testing.assert_allclose(found["varied"] * 3600, [1, 3, 1, 3])
    np.testing.assert_allclose(found["mean"], [0.325, 0.325, 0.425, 0.425])
    assert (found["count"] == 2).all()


def test_rates_are_shown_per_hour(tmp_path: Path) -> None:
    figure = drawn(failure_rate(a_sweep(tmp_path)))
    (axis,) = figure.axes
    assert axis.get_xlabel() == "churn failure rate (per hour)"
    assert keys(figure) == ["local", "fedavg", "each of the two seeds"]
    np.testing.assert_allclose(xs(axis.get_lines()[0]), [1, 3], atol=0.1)


@pytest.mark.parametrize(("values", "whole"), [("2,4,5", True), ("2,3.5", False)])
def test_whole_numbers_have_whole_ticks(tmp_path: Path, values: str, whole: bool) -> None:
    (axis,) = failure_rate(a_sweep(tmp_path, f"training.learning_rate={values}")).axes
    ticks = axis.get_xticks()
    assert np.allclose(ticks, ticks.round()) == whole


def test_one_varied_number_at_a_time(tmp_path: Path) -> None:
    results = a_sweep(tmp_path, f"{RATE}=1 / h,3 / h", "task.partition.alpha=0.1,0.5")
    with pytest.raises(ResultError, match="task.partition.alpha varies beside .*failure_rate"):
        failure_rate(results)
    names = results.points.query("`task.partition.alpha` == 0.1")["point"].astype("str")
    assert len(failure_rate_data(results, points=list(names))) == 4
    rates = results.points.iloc[:2]["point"].astype("str")
    found = failure_rate_data(results, points=list(rates))
    assert found["varied"].unique().tolist() == [0.1, 0.5]


def test_no_varied_number(tmp_path: Path) -> None:
    with pytest.raises(ResultError, match="no number is varied; allowed: a sweep over numbers"):
        failure_rate(a_run(tmp_path / "run"))
    results = a_sweep(tmp_path / "sweep", "training.optimizer=sgd,adam")
    with pytest.raises(ResultError, match="no number is varied"):
        failure_rate(results)
    with pytest.raises(ResultError, match="'training.optimizer' is not a varied number"):
        failure_rate(results, path="training.optimizer")
