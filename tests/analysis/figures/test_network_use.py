"""Bytes per minute: what arrives counts where it arrives, and nothing is a zero."""

from collections.abc import Sequence
from pathlib import Path

from analysis.figures.network_use import network_use, network_use_data
from sim.record.rows import TraceRow
from tests.analysis.figures.looked_at import a_run, drawn
from tests.analysis.folders import Run


def sends(run: Run) -> Sequence[TraceRow]:
    """Of fedavg, 100 bytes in seed 0 and 300 in seed 1 arrive just at the end."""
    if run[1] == "local":
        return []
    size = 100 + 200 * run[2]
    return [TraceRow(run[1], run[2], 59.0, 1.0, "client_0", "transfer", "client_1", size)]


def test_the_last_instant_is_in_the_last_minute(tmp_path: Path) -> None:
    results = a_run(tmp_path, events=sends)
    found = network_use_data(results)
    assert found[["protocol", "time_s", "mean"]].values.tolist() == [
        ["local", 0.0, 0.0],
        ["fedavg", 0.0, 200.0],
    ]
    assert drawn(network_use(results)).axes[0].get_ylabel() == "received (B per minute)"


def test_nothing_was_sent(tmp_path: Path) -> None:
    results = a_run(tmp_path)
    assert network_use_data(results)["mean"].tolist() == [0.0, 0.0]
    drawn(network_use(results))
