"""The engine that chooses: workers only where they pay, and this process until they are there."""

import asyncio
import math
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest

from sim.compute import AUTO, Graph, Lineage, Models
from sim.compute.engines import auto
from sim.compute.processes import Process, Processes
from sim.compute.store.vectors import VectorFolder
from tests.sim.compute.left import left
from tests.sim.compute.small import TELLS_PROCESS, SmallPlane, at_work, memory


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Process]:
    """What was started so far."""
    processes: list[Process] = []
    start = Processes.start

    def noted(several: Processes, main: str) -> Process:
        processes.append(start(several, main))
        return processes[-1]

    monkeypatch.setattr(Processes, "start", noted)
    return processes


async def work_through(graph: Graph, client: int, trainings: int) -> None:
    """Trainings that do not depend on each other, of a client who may take his time."""
    models = Lineage(graph, None, "n")
    base = models.initial()
    made = [models.trained(base, client, number) for number in range(trainings)]
    await asyncio.gather(*map(models.scored, made))


def test_little_work_starts_nothing(tmp_path: Path, started: list[Process]) -> None:
    async def scene() -> None:
        async with at_work(AUTO, tmp_path) as (graph, _, _):
            await work_through(graph, 1, 100)

    asyncio.run(scene())
    assert started == []


@pytest.mark.parametrize(
    ("worth_s", "long_s", "trainings", "calls"),
    [(0.5, math.inf, 4, 1), (math.inf, 0.2, 2, 1), (9.0, 5.0, 3, 0)],
)
def test_a_worker_is_called_for_much_work_or_for_long_work(
    worth_s: float,
    long_s: float,
    trainings: int,
    calls: int,
    tmp_path: Path,
    started: list[Process],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(auto, "WORTH_S", worth_s)
    monkeypatch.setattr(auto, "BELIEVED_S", 0.0)
    monkeypatch.setattr(auto, "LONG_S", long_s)
    monkeypatch.setattr(auto, "thread_time", time.monotonic)  # For those who only sleep.
    monkeypatch.setattr(SmallPlane, "preload", ())

    async def scene() -> None:
        async with at_work(AUTO, tmp_path) as (graph, _, _):
            await work_through(graph, TELLS_PROCESS, trainings)  # Each takes 0.3 s.

    asyncio.run(scene())
    assert len(started) == calls
    assert left() == []


def test_workers_take_over_once_one_is_ready(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auto, "WORTH_S", 0.0)
    monkeypatch.setattr(auto, "BELIEVED_S", 0.0)

    async def scene() -> None:
        async with at_work(AUTO, tmp_path) as (graph, _, _):
            models = Lineage(graph, None, "n")
            base = models.initial()

            async def done_in(numbers: Sequence[int]) -> set[int]:
                made = [models.trained(base, TELLS_PROCESS, number) for number in numbers]
                found = await asyncio.gather(*map(models.scored, made))
                return {int(scores["accuracy"]) for scores in found}

            assert await done_in(range(2)) == {os.getpid()}
            deadline, number = time.monotonic() + 60, 2
            while await done_in([number]) == {os.getpid()} and time.monotonic() < deadline:
                number += 1
            assert os.getpid() not in await done_in(range(-4, 0))

    asyncio.run(scene())
    assert left() == []


@dataclass(frozen=True)
class Unbuildable(SmallPlane):
    """Ends every process that unpickles it."""

    preload: ClassVar[tuple[str, ...]] = ()

    def __setstate__(self, state: object) -> None:
        os._exit(4)


def test_where_no_worker_can_start_this_process_does_all(
    tmp_path: Path, started: list[Process], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auto, "WORTH_S", 0.0)
    monkeypatch.setattr(auto, "BELIEVED_S", 0.0)

    async def scene() -> None:
        engine = auto.AutoEngine(2, Unbuildable(), VectorFolder(tmp_path))
        graph = Graph(engine, memory(), Models())
        try:
            await work_through(graph, 1, 3)
            while started[0].returncode is None:
                await asyncio.sleep(0.01)
            await work_through(graph, 2, 3)
        finally:
            graph.close()
            await engine.close()

    asyncio.run(scene())
    assert [process.returncode for process in started] == [4]
