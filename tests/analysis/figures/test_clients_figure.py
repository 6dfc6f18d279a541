"""Each client alone: known values, one that never trains, and too many of them."""

from pathlib import Path

import pytest

from analysis.figures.clients import clients, clients_data
from sim.record.errors import ResultError
from tests.analysis.figures.looked_at import a_run, a_sweep, drawn


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
