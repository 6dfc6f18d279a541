"""A world that is played elsewhere leaves the graph, and gives the run, what it would have here."""

import asyncio
import pickle
from collections.abc import Callable
from typing import Any

import pytest

from braintorrent.testing.trials import Trial
from sim.compute import Graph, Lineage, ModelRef, Models, Pretence, Store
from sim.compute.handover import Adoption, Handover
from sim.protocols import PROTOCOLS
from sim.record.errors import ScenarioError
from sim.runs.playing import Played, Run, RunProgress, play
from sim.runs.worlds.player import Ended, Failed, Part, Told, Word, perform
from tests import worlds

NAME, JUDGED_BY = "learner", "judges"


class Beside:
    """A graph that does nothing but count, and a lineage of it."""

    def __init__(self, trial: Trial) -> None:
        self.engine = Pretence()
        store = Store(None, 1 << 40, (), lambda text: None)
        self.graph = Graph(self.engine, store, Models())
        steps = trial.world.facts.steps_by_client
        self.lineage = Lineage(self.graph, "spec", NAME, "together", steps, JUDGED_BY)

    async def counted(self, played: Played) -> tuple[Any, ...]:
        """All that the work comes to, once it is done."""
        tables = await played.tables(self.graph.scores, None)
        for _, model in played.final:
            await self.graph.stored(model)
        graph, engine = self.graph, self.engine
        done = graph.asked, graph.shared, graph.never_needed, graph.steps_asked, graph.steps_done
        kept = [(final, model.name, model.cost) for final, model in played.final]
        return tables, played.record, kept, done, engine.models, engine.evaluations


def run_of(trial: Trial) -> Run:
    # Models are kept, so that some are told of without being scored.
    scenario = trial.scenario.with_settings({"output": {"keep_models": "final"}})
    return Run(scenario, "it", trial.world.luck, trial.world.facts)


async def here(trial: Trial) -> tuple[Any, ...]:
    beside = Beside(trial)

    async def between(progress: RunProgress) -> None:
        await beside.graph.throttle()

    return await beside.counted(await play(run_of(trial), beside.lineage, between))


async def elsewhere(trial: Trial) -> tuple[Any, ...]:
    words: list[bytes] = []
    await perform(
        Part(run_of(trial), (NAME, JUDGED_BY)), lambda word: words.append(pickle.dumps(word))
    )
    beside = Beside(trial)
    adoption = Adoption(beside.lineage)
    for each in words[:-1]:
        told: Word = pickle.loads(each)  # noqa: S301
        assert isinstance(told, Told)
        adoption.adopt(told.piece)
        await asyncio.sleep(0)  # Some of it is done before the next piece comes.
    ended: Word = pickle.loads(words[-1])  # noqa: S301
    assert isinstance(ended, Ended)
    adoption.adopt(ended.piece)
    beside.graph.note(adoption.named(), ended.played.steps_asked)
    rows = zip(ended.final, ended.rows, strict=True)
    ended.played.final = [(final, adoption.model(row)) for final, row in rows]
    return await beside.counted(ended.played)


@pytest.mark.parametrize("kind", ["braintorrent", "scaffold", "fedavg", "pooled"])
def test_it_is_the_same_played_here_and_elsewhere(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    check(kind, 3, monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize("kind", PROTOCOLS)
def test_any_world_is_the_same_played_here_and_elsewhere(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(10, 14):
        check(kind, number, monkeypatch)


def check(kind: str, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sim.runs.worlds.player.WORTH_SAYING", 7)  # Many pieces.
    monkeypatch.setattr("sim.world.clock.EVENTS_PER_TURN", 50)
    trial = worlds.trial(kind, 8, number, 60.0)
    assert asyncio.run(elsewhere(trial)) == asyncio.run(here(trial))


def failure(run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> Word:
    """What is said of a world whose protocol runs so."""
    monkeypatch.setattr(PROTOCOLS["local"], "run", run)
    words: list[Word] = []
    trial = worlds.trial("local", 8, 3, 10.0)
    asyncio.run(perform(Part(run_of(trial), (NAME, JUDGED_BY)), words.append))
    [word] = words
    return word


def test_an_error_of_ours_comes_back_with_all_that_is_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def breaks(self: Any, world: object) -> None:
        raise ValueError("broken on purpose")

    word = failure(breaks, monkeypatch)
    assert isinstance(word, Failed) and word.kind is RuntimeError
    assert "ValueError: broken on purpose" in word.text and "in breaks" in word.text


def test_a_mistake_comes_back_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    word = failure(lambda self, world: 7, monkeypatch)
    assert isinstance(word, Failed) and word.kind is ScenarioError
    assert "gives 7; allowed: a Running" in word.text and "\n" not in word.text


def test_what_nobody_holds_any_longer_is_dropped() -> None:
    handover = Handover()
    names = Lineage(handover, None, NAME)
    model = names.initial()
    for number in range(3):
        model = names.trained(model, 0, number)
    names.demanded(model)
    first = handover.piece()
    assert len(first.models) == 4 * 16 and len(first.scores) == 16
    assert first.dropped.tolist() == [0, 1, 2]  # Their last holders were the inputs' lists.
    assert model.inputs == ()
    names.demanded(model)
    later = names.trained(model, 1, 3)
    assert handover.row(model) == 3 and handover.row(later) == 4
    again = handover.piece()
    assert len(again.models) == 16 and not again.scores and again.inputs.tolist() == [3]
    del model
    assert handover.piece().dropped.tolist() == [3]


def test_a_long_history_is_told_without_recursion() -> None:
    handover = Handover()
    names = Lineage(handover, None, NAME)
    model: ModelRef = names.initial()
    for number in range(5_000):
        model = names.trained(model, 0, number)
    assert handover.row(model) == 5_000
