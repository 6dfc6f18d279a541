"""Worlds played in processes of their own: the same results, whatever becomes of the processes."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sim.compute.processes import Process
from sim.record.code import activate, read
from sim.record.code.source import NO_CODE
from sim.runs.session import Session
from sim.runs.sweep import run_one
from sim.runs.worlds import players
from sim.runs.worlds.player import Ended, Word
from sim.scenario import Scenario
from tests.sim.compute.clusters import Cluster

SCENARIO: dict[str, Any] = {
    "name": "small",
    "duration": "1 min",
    "seeds": [0, 1],
    "task": {"name": "digits", "partition": {"kind": "iid"}},
    "model": {"name": "mlp"},
    "training": {"learning_rate": 0.1, "batch_size": 64, "local_steps": 1},
    "clients": {"count": 3, "step_time": "2 s"},
    "network": {"latency": "50 ms", "uplink": "20 Mbit/s", "downlink": "20 Mbit/s"},
    "protocols": {"braintorrent": {}, "local": {}},
    "evaluation": {"every": "30 s"},
    "output": {"keep_models": "final"},
}
OWN = """\
from braintorrent import extend as own


class Late(own.Protocol):
    def run(self, world):
        return Failing(world)


class Failing(own.Running):
    def behaviour(self, node):
        yield self.world.clock.after(5.0, own.Tie.TIMEOUT)
        raise ValueError("nothing to say")
"""


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sim.runs.worlds.once.TURNS_ALONE", -1)
    monkeypatch.setattr("sim.world.clock.EVENTS_PER_TURN", 10)


def done(
    folder: Path, workers: int, scheduler: str | None = None, **changes: Any
) -> dict[str, Any]:
    """Every table and model, and what is recorded of the runs."""
    session = Session(folder, workers, 1 << 30, print, lambda progress: None, scheduler)
    run_one(Scenario(**SCENARIO | changes), session)
    files = [*folder.glob("*.parquet"), *folder.glob("models/**/*.safetensors")]
    record = json.loads((folder / "run.json").read_text())
    found: dict[str, Any] = {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in files
    }
    return found | {"runs": record["runs"], "operations": record["operations"]}


def killing(monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    """Kill the first players after their first word, so many of them."""
    hear: Callable[[Process], Any] = players._word
    killed: list[Process] = []

    async def word(process: Process) -> Word:
        if process in killed:
            raise EOFError  # What it has said since is lost, however fast it was.
        found: Word = await hear(process)
        if len(killed) < times:
            killed.append(process)
            process.kill()
            process.wait()
            if isinstance(found, Ended):
                raise EOFError
        return found

    monkeypatch.setattr(players, "_word", word)


@pytest.mark.slow
def test_results_are_those_of_worlds_played_here_though_players_die(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = done(tmp_path / "here", 0)
    killing(monkeypatch, 2)
    assert done(tmp_path / "away", 1) == here


@pytest.mark.slow
def test_results_are_those_of_worlds_played_here_if_a_cluster_plays_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.py").write_text(OWN)
    activate(read([str(tmp_path / "mine.py")]))
    played = 0

    class Counted(players.PlayersThere):
        async def _play(self, *arguments: Any) -> Any:
            nonlocal played
            played += 1
            return await super()._play(*arguments)

    monkeypatch.setattr(players, "PlayersThere", Counted)
    cluster = Cluster(tmp_path / "dask")
    protocols: dict[str, Any] = {
        "protocols": {"braintorrent": {}, "late": {"kind": "mine.Late"}, "local": {}}
    }
    try:
        for name in ("first", "second"):
            cluster.add_worker(name)
        there = done(tmp_path / "there", 0, cluster.address, **protocols)
    finally:
        cluster.end()
        here = done(tmp_path / "here", 0, **protocols)
        activate(NO_CODE)
    computed = [each.pop("operations")["computed"] for each in (there, here)]
    assert computed[0] == computed[1]
    assert there == here
    assert played == 5  # But for the first, with which this process finds out what there is to do.


@pytest.mark.slow
def test_a_world_whose_players_die_again_and_again_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killing(monkeypatch, 3)
    runs = done(tmp_path, 1)["runs"]
    causes = [run["cause"] for run in runs if run["status"] == "failed"]
    assert causes == ["a process that plays worlds ended unexpectedly (exit code -9)"]


@pytest.mark.slow
def test_a_users_mistake_is_told_as_it_is_where_worlds_are_played_here(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(OWN)
    activate(read([str(tmp_path / "mine.py")]))
    try:
        late: dict[str, Any] = {"protocols": {"late": {"kind": "mine.Late"}, "local": {}}}
        found = [done(tmp_path / str(workers), workers, **late) for workers in (0, 1)]
    finally:
        activate(NO_CODE)
    assert found[0]["runs"] == found[1]["runs"]
    assert "mine.py:12: in behaviour: ValueError: nothing to say" in found[1]["runs"][0]["cause"]
