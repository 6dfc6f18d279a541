"""Each client alone: known values, one that never trains, and too many of them."""

from pathlib import Path

import numpy as np
import pytest

from analysis.figures.clients import clients, clients_data
from analysis.loading import load
from sim.record.errors import ResultError
from sim.record.rows import ScoreRow, TraceRow
from tests.analysis.figures.looked_at import a_run, a_sweep, drawn, keys, ys
from tests.analysis.folders import Run, described, score, trace, write_run


def test_each_client_over_seeds(tmp_path: Path) -> None:
    results = a_run(tmp_path)
    found = clients_data(results)
    last = found[(found["time_s"] == 60.0) & (found["protocol"] == "local")]
    assert last["node"].tolist() == ["client_0", "client_1"]
    assert last["mean"].tolist() == pytest.approx([0.0, 0.65])
    assert [axis.get_title() for axis in drawn(clients(results)).axes] == ["client 0", "client 1"]


def test_a_sweep_needs_one_point(tmp_path: Path) -> None:
    results = a_sweep(tmp_path)
    with pytest.raises(ResultError, match="shows one point; choose it; allowed: "):
        clients(results)
    drawn(clients(results, points=str(results.points["point"][0]), nodes="client_1"))


def test_too_many(tmp_path: Path) -> None:
    results = a_run(tmp_path, changes=["clients.count=21"])
    with pytest.raises(ResultError, match="21 clients are too many .* at most 20 of them; "):
        clients(results)
    with pytest.raises(ResultError, match="has no scores of client_20"):
        clients(results, nodes="client_20")


def test_who_is_not_there_is_pale(tmp_path: Path) -> None:
    def rows(run: Run) -> tuple[list[ScoreRow], list[TraceRow]]:
        scores = [
            score(run, time_s, node, 0.5)._replace(member=node == "client_1" or time_s > 0)
            for time_s in (0.0, 30.0, 60.0)
            for node in ("client_0", "client_1")
        ]
        return scores, [trace(run, 20.0, "client_0", "join", cause="late")]

    results = load(write_run(tmp_path, described("seeds=[0]", protocols="{local: {}}"), rows))
    found = clients_data(results)
    assert found["there"].tolist() == [0.0, 1.0, 1.0, 1.0, 1.0, 1.0]
    figure = drawn(clients(results))
    late, other = figure.axes
    strong, pale = (line for line in late.lines if line.get_linewidth() == 1.4)
    assert np.isnan(ys(strong)).tolist() == [True, False, False]
    assert (ys(pale).tolist(), pale.get_alpha()) == ([0.5] * 3, 0.3)
    assert len([line for line in other.lines if line.get_linewidth() == 1.4]) == 1
    assert keys(figure)[-1] == "had not joined, or had left (pale)"
