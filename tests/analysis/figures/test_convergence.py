"""Convergence: known curves with their intervals, by time and by work, and a panel per point."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from analysis.figures.convergence import Over, convergence, convergence_data
from analysis.loading import load
from sim.record.errors import ResultError
from sim.record.rows import TraceRow
from tests.analysis.figures.looked_at import a_run, a_sweep, drawn, keys, xs
from tests.analysis.folders import RATE, Run, described, trace, two_looks, write_run


def trains(run: Run) -> Sequence[TraceRow]:
    """Client 1 trains once in each half minute, client 0 never."""
    return [trace(run, time_s, "client_1", "train") for time_s in (5.0, 35.0)]


def test_the_means_over_seeds_with_their_intervals(tmp_path: Path) -> None:
    found = convergence_data(a_run(tmp_path))
    rows = found[found["protocol"] == "fedavg"]
    np.testing.assert_allclose(rows["cost"], [0.0, 30.0, 60.0])
    np.testing.assert_allclose(rows["mean"], [0.0, 0.325, 0.425])
    np.testing.assert_allclose(rows["worst"], 0.0)
    # Two seeds 0.05 apart: 12.706 standard errors of 0.025 to each side.
    np.testing.assert_allclose(rows["high"] - rows["mean"], [0, 0.317655, 0.317655], atol=1e-5)
    assert list(found["protocol"].unique()) == ["local", "fedavg"]


def test_over_what_it_took(tmp_path: Path) -> None:
    results = a_run(tmp_path, events=trains)
    costs: dict[Over, list[int]] = {"local_rounds": [0, 1, 2], "local_epochs": [0, 2, 4]}
    for over, expected in costs.items():
        found = convergence_data(results, over=over)
        assert found[found["protocol"] == "local"]["cost"].tolist() == expected
        drawn(convergence(results, over=over))
    assert (convergence_data(results, over="bytes")["cost"] == 0).all()


def test_a_diverged_seed_is_told_of(tmp_path: Path) -> None:
    def values(run: Run) -> Mapping[str, Sequence[float]]:
        return {"client_0": [0.1, 0.2, math.nan if run[2] else 0.4]}

    results = a_run(tmp_path, values)
    last = convergence_data(results).query("time_s == 60")
    assert last[["mean", "left_out"]].values.tolist() == [[0.4, 1], [0.4, 1]]
    assert "diverged" in drawn(convergence(results)).get_suptitle()


def test_one_seed_has_no_band(tmp_path: Path) -> None:
    results = load(write_run(tmp_path, described("seeds=[0]", "protocols={local: {}}"), two_looks))
    assert keys(drawn(convergence(results))) == ["local", "worst client (thin)"]


def test_a_crash_is_marked(tmp_path: Path) -> None:
    crash = "faults={boom: {kind: crash, node: client_0, at: 30 s}}"
    figure = drawn(convergence(a_run(tmp_path, changes=[crash])))
    assert "crash" in keys(figure)
    assert any(xs(line).tolist() == [30.0, 30.0] for line in figure.axes[0].get_lines())


def test_a_panel_per_point(tmp_path: Path) -> None:
    results = a_sweep(tmp_path, f"{RATE}=1 / h,2 / h,3 / h,4 / h,5 / h,6 / h,7 / h")
    with pytest.raises(ResultError, match="7 points are too many .* at most 6 of them; allowed: "):
        convergence(results)
    names = [str(name) for name in results.points["point"]][:2]
    titles = [axis.get_title() for axis in drawn(convergence(results, points=names)).axes]
    assert titles == ["churn failure rate 1 / h", "churn failure rate 2 / h"]


def test_nothing_finished(tmp_path: Path) -> None:
    failed = [("base", protocol, seed) for protocol in ("local", "fedavg") for seed in (0, 1)]
    results = load(write_run(tmp_path, described(), failed=failed))
    with pytest.raises(ResultError, match="none of the chosen runs is finished"):
        convergence(results)


def test_mistakes(tmp_path: Path) -> None:
    results = a_run(tmp_path)
    with pytest.raises(ResultError, match="over: is 'money'; allowed: time, local_epochs"):
        convergence_data(results, over="money")  # type: ignore[arg-type]
    with pytest.raises(ResultError, match="has no point 'x'; allowed: base"):
        convergence(results, points="x")
    with pytest.raises(ResultError, match="has no metric 'loss'"):
        convergence(results, metric="loss")
