"""One run's timeline: what each node did, and who merged whom."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from analysis.figures.timeline import timeline, timeline_data
from sim.record.errors import ResultError
from sim.record.rows import TraceRow
from tests.analysis.figures.looked_at import a_run, drawn, keys
from tests.analysis.folders import Run, trace

PEERS = ["protocols={braintorrent: {}}"]


def happens(run: Run) -> Sequence[TraceRow]:
    """Client 0 trains, sends, and goes down; client 1 merges."""
    return [
        trace(run, 1.0, "client_0", "train"),
        TraceRow(run[1], run[2], 2.0, 1.0, "client_0", "transfer", "client_1", 9),
        trace(run, 3.0, "client_1", "merge", peers=("client_0",)),
        trace(run, 4.0, "client_0", "crash", cause="churn"),
    ]


def test_what_happened(tmp_path: Path) -> None:
    did, merged = timeline_data(a_run(tmp_path, events=happens, changes=PEERS))
    assert did.values.tolist() == [
        ["client_0", "down", 4.0, 60.0],
        ["client_0", "train", 1.0, 2.0],
        ["client_0", "send", 2.0, 3.0],
        ["client_1", "receive", 2.0, 3.0],
    ]
    assert merged.values.tolist() == [[3.0, "client_1", "client_0"]]


def test_only_what_is_in_the_stretch_is_drawn(tmp_path: Path) -> None:
    results = a_run(tmp_path, events=happens, changes=PEERS)
    assert keys(drawn(timeline(results)))[-1] == "is merged by"
    assert keys(drawn(timeline(results, seed=1, from_s=10.0, until_s=20.0))) == ["down"]
    with pytest.raises(ResultError, match="until_s: is 1; allowed: more than from_s, 5"):
        timeline(results, from_s=5.0, until_s=1.0)
