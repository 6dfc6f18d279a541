"""A session closes what it opened, in the opposite order, whatever fails."""

import asyncio
from pathlib import Path

import pytest

from sim.compute import Store
from sim.compute.engines.workshop import InProcessEngine
from sim.runs.data import Data
from sim.runs.session import Session, run_points
from sim.runs.training import Training


@pytest.mark.parametrize("graph_fails", [True, False])
def test_engine_and_store_are_closed_whatever_fails(
    graph_fails: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[str] = []

    async def close_engine(engine: InProcessEngine) -> None:
        closed.append("engine")
        raise OSError("no way to close it")

    def no_graph(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(InProcessEngine, "close", close_engine)
    monkeypatch.setattr(Store, "close", lambda store: closed.append("store"))
    if graph_fails:
        monkeypatch.setattr("sim.runs.session.Graph", no_graph)
    monkeypatch.setattr("sim.runs.session._data_plane", lambda points: Training())
    session = Session(tmp_path, 0, 1, pytest.fail, lambda progress: None)
    with pytest.raises(OSError, match="no way to close it") as caught:
        asyncio.run(run_points([], session, Data()))
    assert closed == ["engine", "store"]
    assert isinstance(caught.value.__context__, MemoryError) == graph_fails
