"""Who merged whom: counts per run, with zeros for who took no part."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from analysis.figures.merges import merges, merges_data
from sim.record.errors import ResultError
from sim.record.rows import TraceRow
from tests.analysis.figures.looked_at import a_run, drawn
from tests.analysis.folders import Run, trace

THREE = ["clients.count=3", "protocols={local: {}, braintorrent: {}}"]


def merged(run: Run) -> Sequence[TraceRow]:
    """Client 0 merges both others, in seed 1 a second time client_2; nobody else does."""
    if run[1] == "local":
        return []
    rows = [trace(run, 1.0, "client_0", "merge", peers=("client_1", "client_2"))]
    return [*rows, *([trace(run, 2.0, "client_0", "merge", peers=("client_2",))] if run[2] else [])]


def test_counts_per_run(tmp_path: Path) -> None:
    results = a_run(tmp_path, events=merged, changes=THREE)
    found = merges_data(results)
    assert list(found) == list(found.index) == ["client_0", "client_1", "client_2"]
    assert found.values.tolist() == [[0.0, 1.0, 1.5], [0.0] * 3, [0.0] * 3]
    texts = [text.get_text() for text in drawn(merges(results)).axes[0].texts]
    assert texts[:3] == ["0", "1", "1.5"]


def test_nobody_merged(tmp_path: Path) -> None:
    results = a_run(tmp_path, events=merged, changes=THREE)
    with pytest.raises(ResultError, match="no merges in finished runs of local"):
        merges(results, protocol="local")
    with pytest.raises(ResultError, match="has no protocol 'x'"):
        merges(results, protocol="x")
