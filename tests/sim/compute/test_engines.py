"""The engines: the same numbers in this process and in workers, and a clean end."""

from __future__ import annotations

import asyncio
import multiprocessing
from pathlib import Path

import pytest

from sim.compute import ComputeError, Engine, Graph, engine_for
from sim.compute.engines import WorkerPoolEngine
from tests.sim.compute.small import DIES, FAILS, TELLS_PROCESS, small

HERE = Path(__file__).parent


async def demanded(engine: Engine) -> list[dict[str, float]]:
    graph = Graph("spec", "n", engine)
    base = graph.initial()
    models = tuple(graph.trained(base, client, 0) for client in range(6))
    merged = graph.averaged(models, (0.1, 0.2, 0.3, 0.1, 0.1, 0.2))
    refs = [graph.scores(each) for each in (*models, merged)]
    return await asyncio.gather(*map(graph.demand, refs))


def test_workers_give_the_numbers_of_this_process() -> None:
    async def scene() -> None:
        here, pool = engine_for(0, small), engine_for(2, small)
        try:
            assert await demanded(pool) == await demanded(here)
        finally:
            pool.close()
            here.close()

    asyncio.run(scene())
    assert multiprocessing.active_children() == []


def test_torch_has_one_thread_while_the_engine_is_open() -> None:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    engine = engine_for(0, small)
    assert torch.get_num_threads() == 1
    engine.close()
    assert torch.get_num_threads() == 2
    torch.set_num_threads(before)


def test_the_loop_gets_its_turn_between_operations_that_are_all_ready() -> None:
    async def scene() -> None:
        engine = engine_for(0, small)
        graph = Graph(None, "n", engine)
        base = graph.initial()
        futures = [
            graph.demand(graph.scores(graph.trained(base, client, 0))) for client in range(50)
        ]
        most = before = 0
        while not all(future.done() for future in futures):
            await asyncio.sleep(0)
            most, before = max(most, graph.computed - before), graph.computed
        assert most == 1
        engine.close()

    asyncio.run(scene())


def test_the_pool_works_side_by_side_with_two_operations_a_worker() -> None:
    async def scene() -> None:
        engine = WorkerPoolEngine(2, small)
        submitted: list[int] = []
        submit = engine._pool.submit

        def noting(*arguments: object) -> object:
            submitted.append(1)
            return submit(*arguments)  # type: ignore[arg-type]

        engine._pool.submit = noting  # type: ignore[assignment, method-assign]
        graph = Graph(None, "n", engine)
        base = graph.initial()
        await graph.demand(graph.scores(base))
        submitted.clear()
        refs = [graph.scores(graph.trained(base, TELLS_PROCESS, each)) for each in range(8)]
        futures = [graph.demand(ref) for ref in refs]
        await asyncio.sleep(0.1)
        assert len(submitted) == 4
        assert len({scores["accuracy"] for scores in await asyncio.gather(*futures)}) == 2
        await graph.close()
        engine.close()

    asyncio.run(scene())


@pytest.mark.parametrize(
    ("client", "what"), [(FAILS, "ValueError: no data"), (DIES, "ended unexpectedly")]
)
def test_a_failure_in_a_worker_reaches_the_demander(client: int, what: str) -> None:
    async def scene() -> None:
        engine = engine_for(1, small)
        graph = Graph(None, "n", engine)
        try:
            with pytest.raises(ComputeError, match=what):
                await graph.demand(graph.scores(graph.trained(graph.initial(), client, 0)))
        finally:
            engine.close()

    asyncio.run(scene())
    assert multiprocessing.active_children() == []
