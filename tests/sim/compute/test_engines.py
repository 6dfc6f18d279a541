"""The engines: the same numbers in this process and in workers, replacements, and a clean end."""

import asyncio
import gc
import importlib
import os
import pickle
import signal
import subprocess
import sys
import time
import weakref
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import pytest

from sim.compute import ComputeError, Graph, Lineage, Models
from sim.compute.engines.workers import WorkerPoolEngine
from sim.compute.engines.workshop import Workshop
from sim.compute.processes import Process, Processes
from sim.compute.refs import Job, ServerRule, Vector
from sim.compute.store.vectors import VectorFolder, VectorMemory
from tests.sim.compute.left import left, lives
from tests.sim.compute.small import (
    DIES,
    DIES_ONCE,
    FAILS,
    SLEEPS,
    TELLS_PROCESS,
    WARNS,
    Small,
    SmallPlane,
    at_work,
    memory,
)

ROOT = Path(__file__).parents[3]


async def demanded(graph: Graph, together: Hashable = None) -> list[dict[str, float]]:
    models = Lineage(graph, "spec", "n", together)
    base = models.initial()
    made = tuple(models.trained(base, client, 0) for client in range(6))
    merged = models.combined(made, (0.1, 0.2, 0.3, 0.1, 0.1, 0.2))
    beyond = models.combined((merged, base), (1.1, -0.1))
    way = models.direction((merged, beyond, base), (0.3, 0.3, -0.1))
    corrected = models.trained(beyond, 1, 1, way)
    squares = [
        models.stepped(rule, (base, merged), (0.9, 0.01)) for rule in get_args(ServerRule)[:2]
    ]
    stepped = [
        models.stepped("adaptive_step", (base, merged, way, each), (0.1, 0.01)) for each in squares
    ]
    return await asyncio.gather(*map(models.scored, (*made, merged, beyond, corrected, *stepped)))


def test_workers_give_the_numbers_of_this_process(tmp_path: Path) -> None:
    async def scene() -> None:
        async with at_work() as (here, _, _), at_work(2, tmp_path) as (pool, _, _):
            assert await demanded(pool) == await demanded(here)

    asyncio.run(scene())
    assert left() == []


def test_a_later_session_has_every_operation_s_result(tmp_path: Path) -> None:
    async def scene() -> list[dict[str, float]]:
        async with at_work(0, tmp_path) as (graph, _, _):
            found = await demanded(graph)
            assert graph.computed == computed
            return found

    computed = 1 + 6 + 1 + 1 + 1 + 1 + 2 + 2 + 11  # As in `demanded`, and their scores.
    first = asyncio.run(scene())
    computed = 0
    assert asyncio.run(scene()) == first


def test_torch_has_one_thread_while_an_operation_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    threads: list[int] = []

    def trained(
        learner: Small, base: Vector, client: int, local_round: int, correction: object = None
    ) -> Vector:
        threads.append(torch.get_num_threads())
        return base

    monkeypatch.setattr(Small, "trained", trained)
    before = torch.get_num_threads()
    torch.set_num_threads(2)

    async def scene() -> None:
        async with at_work() as (graph, _, _):
            await demanded(graph)
            assert torch.get_num_threads() == 2

    asyncio.run(scene())
    assert threads == [1] * 7
    torch.set_num_threads(before)


def test_of_many_learners_few_are_held(monkeypatch: pytest.MonkeyPatch) -> None:
    held = weakref.WeakSet[Small]()
    most = 0

    class Watched(SmallPlane):
        def learner(self, spec: Hashable) -> Small:
            nonlocal most
            held.add(learner := Small(spec))
            gc.collect()
            most = max(most, len(held))
            return learner

    monkeypatch.setattr("sim.compute.engines.workshop.LEARNERS_KEPT", 2)
    vectors = VectorMemory()
    workshop = Workshop(Watched(), vectors)
    for again in range(2):
        for spec in range(5):
            name = f"{spec}{again}"
            workshop.results([Job(spec, "initial", (), (), name)])
            workshop.results([Job(spec, "trained", (spec, 0), (name,), f"{name} trained")])
            assert vectors.read(f"{name} trained").tolist() == [spec + 1, spec + 1]
    assert most == 3  # The one that is being built is one more.


def test_the_loop_gets_its_turn_between_operations_that_are_all_ready() -> None:
    async def scene() -> None:
        async with at_work() as (graph, _, _):
            models = Lineage(graph, None, "n")
            base = models.initial()
            futures = [models.scored(models.trained(base, client, 0)) for client in range(50)]
            most = before = 0
            while not all(future.done() for future in futures):
                await asyncio.sleep(0)
                most, before = max(most, graph.computed - before), graph.computed
            assert most == 1

    asyncio.run(scene())


def test_the_pool_works_side_by_side_with_two_operations_a_worker(tmp_path: Path) -> None:
    async def scene() -> None:
        async with at_work(2, tmp_path) as (graph, engine, _):
            assert isinstance(engine, WorkerPoolEngine)
            models = Lineage(graph, None, "n")
            base = models.initial()
            await models.scored(base)
            trained = [models.trained(base, TELLS_PROCESS, each) for each in range(8)]
            futures = [models.scored(model) for model in trained]
            await asyncio.sleep(0.1)
            assert [len(worker.groups) for worker in engine._all] == [2, 2]
            assert engine.seat() is None
            assert len({scores["accuracy"] for scores in await asyncio.gather(*futures)}) == 2

    asyncio.run(scene())


@pytest.mark.parametrize("workers", [0, 2])
def test_trainings_that_go_together_are_done_in_groups(
    workers: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene() -> None:
        folder = tmp_path if workers else None
        async with at_work() as (plain, _, _), at_work(workers, folder) as (graph, engine, _):
            groups: list[int] = []
            submit = engine.submit

            def noting(worker: int, jobs: Sequence[Job]) -> None:
                groups.append(len(jobs))
                submit(worker, jobs)

            monkeypatch.setattr(engine, "submit", noting)
            assert await demanded(graph, "together") == await demanded(plain)
            # Six are ready at once; a group holds four, and leaves another worker its share.
            assert sorted(size for size in groups if size > 1) == [[2, 4], [], [3, 3]][workers]

    asyncio.run(scene())


@pytest.mark.parametrize(
    ("client", "what"),
    [(FAILS, "ValueError: no data"), (DIES, r"ended unexpectedly \(exit code 3\)")],
)
def test_a_failure_in_a_worker_reaches_the_demander(client: int, what: str, tmp_path: Path) -> None:
    async def scene() -> None:
        async with at_work(1, tmp_path) as (graph, _, _):
            models = Lineage(graph, None, "n")
            base = models.initial()
            good = models.scored(models.trained(base, 1, 0))
            with pytest.raises(ComputeError, match=what):
                await models.scored(models.trained(base, client, 0))
            assert await good == {"accuracy": 2.0}

    asyncio.run(scene())
    assert left() == []


def test_a_worker_that_dies_is_replaced_and_its_work_done_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[str] = []
    start = Processes.start

    def noted(processes: Processes, main: str) -> Process:
        started.append(main)
        return start(processes, main)

    monkeypatch.setattr(Processes, "start", noted)

    async def scene() -> None:
        async with at_work(1, tmp_path / "store") as (graph, engine, _):
            assert isinstance(engine, WorkerPoolEngine)
            models = Lineage(graph, str(tmp_path / "mark"), "n")
            base = models.initial()
            clients = (DIES_ONCE, 1, 2)
            scores = await asyncio.gather(
                *(models.scored(models.trained(base, each, 0)) for each in clients)
            )
            assert [each["accuracy"] for each in scores] == [DIES_ONCE + 1.0, 2.0, 3.0]
            assert len(started) == 2

    asyncio.run(scene())


def test_what_python_was_told_of_warnings_holds_in_workers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "warnoptions", ["error:odd"])

    async def scene() -> None:
        async with at_work(1, tmp_path) as (graph, _, _):
            models = Lineage(graph, None, "n")
            with pytest.raises(ComputeError, match="UserWarning: odd data"):
                await models.scored(models.trained(models.initial(), WARNS, 0))

    asyncio.run(scene())


@dataclass(frozen=True)
class Bringing(SmallPlane):
    """Its operations are described by what only it makes importable."""

    folder: str = ""

    def enter(self) -> None:
        sys.path.append(self.folder)


def test_a_worker_reads_no_operation_before_the_plane_has_entered_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "brought.py").write_text("from enum import Enum\nSpec = Enum('Spec', 'ONLY')\n")
    (tmp_path / "s").mkdir()

    async def scene() -> None:
        store = memory()
        engine = WorkerPoolEngine(1, Bringing(folder=str(tmp_path)), VectorFolder(tmp_path / "s"))
        graph = Graph(engine, store, Models())
        with monkeypatch.context() as patched:
            # Workers have been started: they don't know of it from this process.
            patched.syspath_prepend(tmp_path)
            spec = importlib.import_module("brought").Spec.ONLY
        try:
            models = Lineage(graph, spec, "n")
            assert await models.scored(models.initial()) == {"accuracy": 0.0}
        finally:
            graph.close()
            await engine.close()

    asyncio.run(scene())


def test_a_plane_that_cannot_be_sent_starts_nothing(tmp_path: Path) -> None:
    with pytest.raises((pickle.PicklingError, AttributeError)):
        WorkerPoolEngine(2, Bringing(folder=lambda: ""), VectorFolder(tmp_path))  # type: ignore[arg-type]
    assert left() == []


@dataclass(frozen=True)
class Unbuildable(SmallPlane):
    """Ends every process that unpickles it."""

    def __setstate__(self, state: object) -> None:
        os._exit(4)


def test_workers_that_cannot_start_fail_the_work_and_do_not_start_for_ever(tmp_path: Path) -> None:
    async def scene() -> None:
        store = memory()
        engine = WorkerPoolEngine(1, Unbuildable(), VectorFolder(tmp_path))
        graph = Graph(engine, store, Models())
        try:
            models = Lineage(graph, None, "n")
            futures = [models.scored(models.initial(), name) for name in "ab"]
            for future in futures:
                with pytest.raises(ComputeError, match=r"can't start \(exit code 4\)"):
                    await future
        finally:
            graph.close()
            await engine.close()

    asyncio.run(scene())
    assert left() == []


def test_closing_amid_long_operations_does_not_wait_for_them(tmp_path: Path) -> None:
    async def scene() -> float:
        async with at_work(1, tmp_path) as (graph, _, _):
            models = Lineage(graph, None, "n")
            base = models.initial()
            await models.scored(base)
            models.scored(models.trained(base, SLEEPS, 60))
            await asyncio.sleep(0.2)
            return time.monotonic()

    started = asyncio.run(scene())
    assert time.monotonic() - started < 20
    assert left() == []


HANGS = """
import asyncio, signal, sys
from pathlib import Path
from sim.compute import Lineage
from tests.sim.compute.small import SLEEPS, at_work

async def scene():
    async with at_work(2, Path(sys.argv[1])) as (graph, engine, _):
        models = Lineage(graph, None, "n")
        base = models.initial()
        await models.scored(base)
        trained = [models.trained(base, SLEEPS, 60 + i) for i in (0, 1)]
        futures = [models.scored(model) for model in trained]
        await asyncio.sleep(0.3)
        print(*(worker.process.pid for worker in engine._all), flush=True)
        await asyncio.gather(*futures)

# What is started in a shell's background inherits that Ctrl-C is ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
asyncio.run(scene())
"""
"""Without a main guard: workers don't import it."""


@pytest.mark.parametrize(
    "how",
    [
        signal.SIGKILL,
        pytest.param(signal.SIGTERM, marks=pytest.mark.slow),
        pytest.param(signal.SIGINT, marks=pytest.mark.slow),
    ],
)
def test_no_worker_outlives_the_program_even_amid_an_operation(
    how: signal.Signals, tmp_path: Path
) -> None:
    script = tmp_path / "hangs.py"
    script.write_text(HANGS)
    program = subprocess.Popen(
        [sys.executable, script, tmp_path / "store"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert program.stdout is not None
    workers = [int(text) for text in program.stdout.readline().split()]
    assert len(workers) == 2
    program.send_signal(how)
    program.communicate(timeout=20)
    deadline = time.monotonic() + 20
    while any(map(lives, workers)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(lives, workers))
