"""The graph: one name, one computation; what nobody needs is neither computed nor kept."""

import asyncio
import gc
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sim.compute import ComputeError, Graph, Lineage, ModelRef, Models
from sim.compute.graph import ATTEMPTS
from sim.compute.refs import Job, ScoreRef
from tests.sim.compute.small import FAILS, Recorder, Stuck, at_work, memory, unused

DEEP = 10_000


def chain(lineage: Lineage, length: int, client: int = 0) -> ModelRef:
    model = lineage.initial()
    for local_round in range(length):
        model = lineage.trained(model, client, local_round)
    return model


def tip_at(model: ModelRef, back: int) -> ModelRef:
    for _ in range(back):
        model = model.inputs[0]
    return model


def test_a_score_is_the_number_that_the_operations_give() -> None:
    async def scene() -> dict[str, float]:
        async with at_work() as (graph, _, _):
            models = Lineage(graph, None, "n")
            base = models.initial()
            one, three = models.trained(base, 0, 0), models.trained(base, 2, 0)
            merged = models.combined((one, three), (0.25, 0.75))
            return await models.scored(merged)

    assert asyncio.run(scene()) == {"accuracy": 2.5}


def test_equal_operations_are_one_and_different_ones_are_not() -> None:
    graph = Graph(Stuck(), memory(), Models())
    models, same, other = (Lineage(graph, None, name) for name in "nnm")
    base = models.initial()
    assert models.initial() is same.initial() is base
    assert models.trained(base, 1, 2) is same.trained(base, 1, 2)
    one, two = models.trained(base, 1, 0), models.trained(base, 2, 0)
    way, other_way = models.direction((two, one), (1, -1)), models.direction((two, one), (-1, 1))
    assert models.trained(base, 1, 0, way) is same.trained(base, 1, 0, way)
    different = [
        base,
        one,
        two,
        way,
        other_way,
        models.trained(base, 1, 1),
        models.trained(base, 1, 0, way),
        models.trained(base, 1, 0, other_way),
        models.direction((one, two), (0.5, 0.5)),
        models.stepped("adam_square", (one, two), (0.5, 0.1)),
        models.stepped("yogi_square", (one, two), (0.5, 0.1)),
        models.stepped("yogi_square", (one, two), (0.25, 0.1)),
        models.combined((one, two), (0.5, 0.5)),
        models.combined((two, one), (0.5, 0.5)),
        models.combined((one, two), (0.25, 0.75)),
        other.initial(),
    ]
    assert len({model.name for model in different}) == len(different)


def test_weights_of_what_is_combined_sum_to_one() -> None:
    models = unused()
    one, two = models.initial(), chain(models, 1)
    assert models.combined((one, two), (1 / 3, 2 / 3)).kind == "combined"
    assert models.combined((one, two), (5.0, -4.0)).kind == "combined"
    for wrong in ((0.5, 0.5001), (1.0, 1.0), (1.0,), (float("nan"), 1.0)):
        with pytest.raises(AssertionError):
            models.combined((one, two), wrong)


def test_a_direction_is_never_taken_for_a_model_nor_a_model_for_one() -> None:
    models = unused()
    one, two = models.initial(), chain(models, 1)
    way = models.direction((two, one), (1.0, -1.0))
    square = models.stepped("adam_square", (one, two), (0.9, 0.1))
    stepped = models.stepped("adaptive_step", (one, two, way, square), (0.1, 0.1))
    assert models.trained(stepped, 0, 1, way).kind == "trained"
    for wrong in (way, square):
        for use in (
            lambda wrong=wrong: models.trained(wrong, 0, 0),
            lambda wrong=wrong: models.combined((one, wrong), (0.5, 0.5)),
            lambda wrong=wrong: models.stepped("adam_square", (one, wrong), (0.9, 0.1)),
            lambda wrong=wrong: models.scored(wrong),
        ):
            with pytest.raises(TypeError, match="is a direction, where a model is needed"):
                use()
    with pytest.raises(AssertionError):
        models.trained(one, 0, 0, two)


def test_what_is_corrected_is_trained_alone() -> None:
    models = Lineage(Graph(Stuck(), memory(), Models()), None, "n", together="these")
    base = models.initial()
    way = models.direction((base,), (1.0,))
    assert models.trained(base, 0, 0).together == "these"
    assert models.trained(base, 0, 0, way).together is None


def test_other_metrics_judge_the_same_models_anew() -> None:
    async def scene() -> tuple[int, Job]:
        graph = Graph(Stuck(), memory(), Models())
        one, other = (Lineage(graph, name, "n", judged_by=name) for name in ("f1", "auc"))
        assert one.trained(one.initial(), 0, 0) is other.trained(other.initial(), 0, 0)
        base = one.initial()
        scores = {one.scored(base), one.scored(base), other.scored(base)}
        return len(scores), ScoreRef("s", base, "test", "auc").job()

    count, job = asyncio.run(scene())
    assert count == 2
    # Whoever judges has the metrics, not who made the model.
    assert (job.spec, job.kind) == ("auc", "scores")


def test_names_are_the_same_in_every_process_and_version_of_this_program() -> None:
    models = unused()
    model = models.combined((models.initial(), chain(models, 1)), (0.1, 0.9))
    assert model.name == "005d88634a5153976973dca6d8e9477a"


def test_it_counts_what_was_asked_shared_computed_and_never_needed() -> None:
    async def scene() -> None:
        async with at_work() as (graph, _, _):
            models = Lineage(graph, None, "n", steps={1: 5, 7: 9})
            base = models.initial()
            models.trained(base, 7, 0)
            for _ in range(2):
                await models.scored(models.trained(base, 1, 0))
            counts = (graph.asked, graph.shared, graph.computed, graph.never_needed)
            assert counts == (6, 2, 3, 1)
            assert (graph.trainings_demanded, graph.trainings_done) == (1, 1)
            assert (graph.steps_asked, graph.steps_demanded, graph.steps_done) == (19, 5, 5)

    asyncio.run(scene())


def test_only_what_a_score_depends_on_is_computed_and_once() -> None:
    async def scene() -> None:
        async with at_work() as (graph, engine, store):
            models = Lineage(graph, None, "n")
            base = models.initial()
            lost = models.trained(base, 9, 0)
            kept = models.trained(base, 1, 0)
            merged = models.combined((kept, kept), (0.5, 0.5))
            await asyncio.gather(*map(models.scored, (kept, merged, kept)))
            assert not store.holds(lost.name)
            assert isinstance(engine, Recorder)
            assert engine.asked == [
                ("initial", ()),
                ("trained", (1, 0)),
                ("scores", ("test",)),
                ("combined", (0.5, 0.5)),
                ("scores", ("test",)),
            ]

    asyncio.run(scene())


def test_ten_runs_ask_the_engine_for_the_same_in_the_same_order() -> None:
    def once() -> tuple[object, ...]:
        async def scene() -> tuple[object, ...]:
            async with at_work() as (graph, engine, _):
                models = Lineage(graph, None, "n")
                made = [chain(models, length, length) for length in (3, 1, 2)]
                made.append(models.combined(tuple(made), (0.2, 0.3, 0.5)))
                await asyncio.gather(*(models.scored(each) for each in made))
                assert isinstance(engine, Recorder)
                return tuple(engine.asked)

        return asyncio.run(scene())

    assert len({once() for _ in range(10)}) == 1


def test_a_deep_lineage_is_computed_and_its_past_is_let_go() -> None:
    async def scene() -> None:
        async with at_work(limit_bytes=0) as (graph, _, store):
            models = Lineage(graph, None, "n")
            tip = chain(models, DEEP)
            past, name = weakref.ref(tip_at(tip, DEEP - 1)), tip_at(tip, DEEP - 1).name
            scores = await models.scored(tip)
            assert scores == {"accuracy": float(DEEP)}
            gc.collect()
            assert past() is None
            assert not store.holds(name)

    asyncio.run(scene())


def test_a_deep_lineage_that_nobody_demands_is_freed_without_being_computed() -> None:
    graph = Graph(Stuck(), memory(), Models())
    tip: ModelRef | None = chain(Lineage(graph, None, "n"), DEEP)
    assert tip is not None
    past = weakref.ref(tip.inputs[0].inputs[0])
    tip = None
    gc.collect()
    assert past() is None
    assert (graph.computed, graph.never_needed) == (0, DEEP + 1)


def test_what_is_computed_again_after_it_was_let_go_is_not_counted_as_needed_twice() -> None:
    async def scene() -> None:
        async with at_work(limit_bytes=0) as (graph, _, _):
            models, others = Lineage(graph, None, "n"), Lineage(graph, None, "m")
            for client in range(3):
                await models.scored(models.trained(models.initial(), client, 0))
                await others.scored(chain(others, 2 + client))
            assert graph.computed > 16
            assert graph.never_needed == 0

    asyncio.run(scene())


def test_a_model_whose_reference_is_held_stays_in_the_store() -> None:
    async def scene() -> None:
        async with at_work(limit_bytes=0) as (graph, _, store):
            models = Lineage(graph, None, "n")
            held = chain(models, 3)
            await models.scored(held)
            await models.scored(chain(models, 3, client=1))
            assert store.holds(held.name)
            longer = await models.scored(models.trained(held, 0, 3))
            assert longer == {"accuracy": 4.0}

    asyncio.run(scene())


def test_a_demanded_model_is_computed_once_and_stays_while_it_is_held() -> None:
    async def scene() -> None:
        async with at_work(limit_bytes=0) as (graph, engine, _):
            models = Lineage(graph, None, "n")
            held = chain(models, 3)
            graph.stored(held)
            assert np.array_equal(await graph.vector(held), np.full(2, 3, np.float32))
            await models.scored(chain(models, 9, client=1))
            assert np.array_equal(await graph.vector(held), np.full(2, 3, np.float32))
            assert await models.scored(held) == {"accuracy": 3.0}
            assert isinstance(engine, Recorder)
            assert [engine.asked.count(("trained", (0, number))) for number in range(3)] == [1] * 3
            assert engine.asked.count(("scores", ("test",))) == 2

    asyncio.run(scene())


def test_a_demanded_model_that_was_let_go_is_computed_again() -> None:
    async def scene() -> None:
        async with at_work(limit_bytes=0) as (graph, _, _):
            models = Lineage(graph, None, "n")
            await graph.vector(chain(models, 2))
            await graph.vector(chain(models, 2, client=1))
            assert np.array_equal(await graph.vector(chain(models, 2)), np.full(2, 2, np.float32))
            assert graph.computed == 3 + 3 + 3

    asyncio.run(scene())


def test_a_failure_reaches_who_demands_the_model() -> None:
    async def scene() -> None:
        async with at_work() as (graph, _, _):
            models = Lineage(graph, None, "n")
            failing = models.trained(models.trained(models.initial(), FAILS, 0), 1, 1)
            told: list[asyncio.Future[Any]]
            told = [graph.stored(failing), models.scored(failing)]
            with pytest.raises(ComputeError, match="no data"):
                await graph.vector(failing)
            for future in told:
                assert isinstance(future.exception(), ComputeError)

    asyncio.run(scene())


def test_a_failure_reaches_whoever_waits_and_nobody_else() -> None:
    async def scene() -> None:
        async with at_work() as (graph, engine, _):
            models = Lineage(graph, None, "n")
            base = models.initial()
            failing = models.trained(models.trained(base, FAILS, 0), 1, 1)
            bad = [models.scored(failing, name) for name in ("test", "train")]
            assert bad[0] is not bad[1]
            good = models.scored(models.trained(base, 1, 0))
            for future in bad:
                with pytest.raises(ComputeError, match=r"trained.* failed: ValueError: no data"):
                    await future
            assert await good == {"accuracy": 2.0}
            assert isinstance(engine, Recorder)
            assert engine.asked.count(("trained", (FAILS, 0))) == ATTEMPTS == 3
            later = models.scored(models.trained(failing, 2, 2))
            with pytest.raises(ComputeError, match="no data"):
                await later

    asyncio.run(scene())


def test_scores_are_had_by_name_before_and_after_they_are_there() -> None:
    async def scene() -> None:
        async with at_work() as (graph, engine, _):
            models = Lineage(graph, None, "n")
            good, bad = chain(models, 2), models.trained(models.initial(), FAILS, 0)
            names = [
                ScoreRef(f"{i}{model.name[1:]}", model, "test")
                for i, model in enumerate((good, bad))
            ]
            for score in names:
                graph.demand(score)
            before = asyncio.ensure_future(graph.scores(names[0].name))
            assert await before == await graph.scores(names[0].name) == {"accuracy": 2.0}
            with pytest.raises(ComputeError, match="no data"):
                await graph.scores(names[1].name)
            assert await graph.demand(names[0]) == {"accuracy": 2.0}
            assert isinstance(engine, Recorder) and engine.asked.count(("scores", ("test",))) == 1
            with pytest.raises(ComputeError, match="scores 9{8} are gone"):
                await graph.scores(32 * "9")

    asyncio.run(scene())


def test_the_throttle_holds_while_too_much_is_unfinished() -> None:
    async def scene() -> None:
        async with at_work(pending_limit=4) as (graph, _, _):
            models = Lineage(graph, None, "n")
            await graph.throttle()
            future = models.scored(chain(models, 20))
            await graph.throttle()
            assert not future.done()
            assert graph.computed >= 20 + 2 - 4
            await future

    asyncio.run(scene())


def test_closing_leaves_nobody_waiting() -> None:
    async def scene() -> None:
        graph = Graph(Stuck(), memory(), Models())
        models = Lineage(graph, None, "n")
        model = models.initial()
        futures: list[asyncio.Future[Any]]
        futures = [models.scored(model), graph.stored(model)]
        await asyncio.sleep(0)
        graph.close()
        for future in futures:
            with pytest.raises(asyncio.CancelledError):
                await future
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(scene())


# -- with a store that an earlier session has filled ---------------------------------------------


def demanded(
    folder: Path, length: int, limit_bytes: int = 1 << 30
) -> tuple[list[tuple[str, tuple[object, ...]]], dict[str, float]]:
    async def scene() -> tuple[list[tuple[str, tuple[object, ...]]], dict[str, float]]:
        async with at_work(0, folder, limit_bytes=limit_bytes) as (graph, engine, _):
            models = Lineage(graph, None, "n")
            scores = await models.scored(chain(models, length))
            assert isinstance(engine, Recorder)
            return engine.asked, scores

    return asyncio.run(scene())


def test_a_later_session_goes_on_where_the_store_ends(tmp_path: Path) -> None:
    demanded(tmp_path, 5)
    assert demanded(tmp_path, 5) == ([], {"accuracy": 5.0})
    asked, scores = demanded(tmp_path, 7)
    assert asked == [("trained", (0, 5)), ("trained", (0, 6)), ("scores", ("test",))]
    assert scores == {"accuracy": 7.0}


@pytest.mark.parametrize("how", ["flipped", "truncated", "gone"])
def test_a_damaged_model_is_computed_again_and_said(
    how: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    demanded(tmp_path, 3)
    name = chain(unused(), 3).name
    (file,) = tmp_path.rglob(f"*{name[2:]}*")
    content = file.read_bytes()
    if how == "gone":
        file.unlink()
    else:
        file.write_bytes(content[:-5] if how == "truncated" else content[:-9] + b"?" + content[-8:])
    asked, scores = demanded(tmp_path, 4)
    assert asked == [("trained", (0, 2)), ("trained", (0, 3)), ("scores", ("test",))]
    assert scores == {"accuracy": 4.0}
    said = capsys.readouterr().out
    assert (name[:8] in said and "computed again" in said) == (how != "gone")


def test_a_later_session_finds_a_demanded_model_in_the_store(tmp_path: Path) -> None:
    demanded(tmp_path, 3)

    async def scene() -> None:
        async with at_work(0, tmp_path) as (graph, engine, _):
            models = Lineage(graph, None, "n")
            assert np.array_equal(await graph.vector(chain(models, 3)), np.full(2, 3, np.float32))
            assert isinstance(engine, Recorder) and engine.asked == []

    asyncio.run(scene())


def test_a_model_that_is_damaged_when_it_is_fetched_is_named_and_lost(tmp_path: Path) -> None:
    async def scene() -> None:
        async with at_work(0, tmp_path) as (graph, _, store):
            models = Lineage(graph, None, "n")
            model = chain(models, 2)
            await graph.stored(model)
            (file,) = tmp_path.rglob(f"*{model.name[2:]}*")
            file.write_bytes(file.read_bytes()[:-1])
            for what in ("is truncated", "was damaged"):
                with pytest.raises(ComputeError, match=f"{what}.*; the same command computes it"):
                    await graph.vector(model)
                assert not store.holds(model.name)

    asyncio.run(scene())
    demanded(tmp_path, 2)
