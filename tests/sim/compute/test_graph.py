"""The graph: one name, one computation; what nobody needs is neither computed nor kept."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Hashable, Sequence
from typing import Any

import pytest

from sim.compute import ComputeError, Graph, ModelRef, engine_for
from sim.compute.refs import Vector
from tests.sim.compute.small import FAILS, Recorder, small

DEEP = 10_000


def chain(graph: Graph, length: int) -> ModelRef:
    model = graph.initial()
    for local_round in range(length):
        model = graph.trained(model, 0, local_round)
    return model


def tip_at(model: ModelRef, back: int) -> ModelRef:
    for _ in range(back):
        model = model.inputs[0]
    return model


class Stuck:
    """An engine that never answers."""

    async def compute(
        self, spec: Hashable, kind: str, arguments: tuple[Any, ...], inputs: Sequence[Vector]
    ) -> Any:
        await asyncio.Event().wait()

    def close(self) -> None:
        """Nothing to let go of."""


def test_a_score_is_the_number_that_the_operations_give() -> None:
    async def scene() -> dict[str, float]:
        graph = Graph(None, "n", Recorder())
        base = graph.initial()
        one, three = graph.trained(base, 0, 0), graph.trained(base, 2, 0)
        return await graph.demand(graph.scores(graph.averaged((one, three), (0.25, 0.75))))

    assert asyncio.run(scene()) == {"accuracy": 2.5}


def test_equal_operations_are_one_and_different_ones_are_not() -> None:
    graph, other = Graph(None, "n", Recorder()), Graph(None, "m", Recorder())
    base = graph.initial()
    assert graph.initial() is base
    assert graph.trained(base, 1, 2) is graph.trained(base, 1, 2)
    one, two = graph.trained(base, 1, 0), graph.trained(base, 2, 0)
    models = [
        base,
        one,
        two,
        graph.trained(base, 1, 1),
        graph.averaged((one, two), (0.5, 0.5)),
        graph.averaged((two, one), (0.5, 0.5)),
        graph.averaged((one, two), (0.25, 0.75)),
        other.initial(),
    ]
    assert len({model.name for model in models}) == len(models)
    assert graph.scores(one).name != graph.scores(one, "train").name


def test_names_are_the_same_in_every_process_and_version_of_this_program() -> None:
    graph = Graph(None, "n", Recorder())
    model = graph.averaged((graph.initial(), chain(graph, 1)), (0.1, 0.9))
    assert model.name == "da6eebcd9c3f49609208f512a9d26f7e"


def test_it_counts_what_was_asked_shared_computed_and_never_needed() -> None:
    async def scene() -> Graph:
        graph = Graph(None, "n", Recorder())
        base = graph.initial()
        graph.trained(base, 7, 0)
        for _ in range(2):
            await graph.demand(graph.scores(graph.trained(base, 1, 0)))
        return graph

    graph = asyncio.run(scene())
    assert (graph.asked, graph.shared, graph.computed, graph.never_needed) == (6, 2, 3, 1)
    assert (graph.trained_demanded, graph.trained_done) == (1, 1)


def test_only_what_a_score_depends_on_is_computed_and_once() -> None:
    engine = Recorder()

    async def scene() -> None:
        graph = Graph(None, "n", engine)
        base = graph.initial()
        lost = graph.trained(base, 9, 0)
        kept = graph.trained(base, 1, 0)
        merged = graph.averaged((kept, kept), (0.5, 0.5))
        scores = [graph.scores(kept), graph.scores(merged), graph.scores(kept)]
        await asyncio.gather(*map(graph.demand, scores))
        assert lost.vector is None

    asyncio.run(scene())
    assert engine.asked == [
        ("initial", ()),
        ("trained", (1, 0)),
        ("scores", ("test",)),
        ("averaged", (0.5, 0.5)),
        ("scores", ("test",)),
    ]


def test_ten_runs_ask_the_engine_for_the_same_in_the_same_order() -> None:
    def once() -> tuple[object, ...]:
        engine = Recorder()

        async def scene() -> None:
            graph = Graph(None, "n", engine)
            models = [chain(graph, length) for length in (3, 1, 2)]
            models.append(graph.averaged(tuple(models), (0.2, 0.3, 0.5)))
            await asyncio.gather(*(graph.demand(graph.scores(each)) for each in models))

        asyncio.run(scene())
        return tuple(engine.asked)

    assert len({once() for _ in range(10)}) == 1


def test_a_deep_lineage_is_computed_and_its_past_is_let_go() -> None:
    async def scene() -> None:
        graph = Graph(None, "n", Recorder(), limit_bytes=0)
        tip = chain(graph, DEEP)
        past = weakref.ref(tip_at(tip, DEEP - 1))
        scores = await graph.demand(graph.scores(tip))
        assert scores == {"accuracy": float(DEEP)}
        gc.collect()
        assert past() is None

    asyncio.run(scene())


def test_a_deep_lineage_that_nobody_demands_is_freed_without_being_computed() -> None:
    engine = Recorder()
    graph = Graph(None, "n", engine)
    tip: ModelRef | None = chain(graph, DEEP)
    assert tip is not None
    past = weakref.ref(tip.inputs[0].inputs[0])
    tip = None
    gc.collect()
    assert past() is None
    assert (engine.asked, graph.never_needed) == ([], DEEP + 1)


def test_the_latest_vectors_stay_within_the_limit_and_older_ones_go() -> None:
    size_bytes = 8

    async def scene() -> None:
        graph = Graph(None, "n", Recorder(), limit_bytes=3 * size_bytes)
        for client in range(10):
            await graph.demand(graph.scores(graph.trained(graph.initial(), client, 0)))
        gc.collect()
        held = [graph.trained(graph.initial(), client, 0).vector for client in range(10)]
        assert 1 <= sum(vector is not None for vector in held) <= 3
        assert held[-1] is not None

    asyncio.run(scene())


def test_what_is_computed_again_after_it_was_let_go_is_not_counted_as_needed_twice() -> None:
    async def scene() -> None:
        graph = Graph(None, "n", Recorder(), limit_bytes=0)
        for client in range(3):
            await graph.demand(graph.scores(graph.trained(graph.initial(), client, 0)))
        assert graph.computed > 7
        assert graph.never_needed == 0

    asyncio.run(scene())


def test_a_failure_reaches_whoever_waits_and_nobody_else() -> None:
    async def scene() -> None:
        engine = engine_for(0, small)
        graph = Graph(None, "n", engine)
        base = graph.initial()
        failing = graph.trained(graph.trained(base, FAILS, 0), 1, 1)
        bad = [graph.demand(graph.scores(failing, name)) for name in ("test", "train")]
        good = graph.demand(graph.scores(graph.trained(base, 1, 0)))
        for future in bad:
            with pytest.raises(ComputeError, match=r"trained.* failed: ValueError: no data"):
                await future
        assert await good == {"accuracy": 2.0}
        engine.close()

    asyncio.run(scene())


def test_the_throttle_holds_while_too_much_is_unfinished() -> None:
    async def scene() -> None:
        graph = Graph(None, "n", Recorder(), pending_limit=4)
        await graph.throttle()
        future = graph.demand(graph.scores(chain(graph, 20)))
        await graph.throttle()
        assert not future.done()
        assert graph.computed >= 20 + 2 - 4
        await future

    asyncio.run(scene())


def test_closing_leaves_nobody_waiting() -> None:
    async def scene() -> None:
        graph = Graph(None, "n", Stuck())
        future = graph.demand(graph.scores(graph.initial()))
        await asyncio.sleep(0)
        await graph.close()
        with pytest.raises(asyncio.CancelledError):
            await future
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(scene())
