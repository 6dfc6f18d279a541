"""A node: what slows it down, what a crash takes from it, what its storage keeps."""

import itertools
from typing import cast

import pytest

from sim.compute import ModelRef
from sim.world.clock import Tie
from sim.world.node import INCARNATION, Behaviour, Machine, Node
from sim.world.random_streams import Streams
from tests.sim import tiny

MACHINE = Machine(step_s=1.0, client=0, samples=100, steps=4)


def learner(machine: Machine = MACHINE, streams: Streams | None = None) -> Node:
    """A node that fine-tunes its own model again and again."""
    node = tiny.lone_node(machine, streams)

    def behave() -> Behaviour:
        while True:
            model = yield from node.train(node.storage.model)
            if model is not None:
                node.keep(model)

    node.behave = behave
    node.start()
    return node


def at(node: Node, time_s: float, act: object, *arguments: object, **more: object) -> None:
    event = node.clock.at(time_s, Tie.FAULT)
    assert event.callbacks is not None and callable(act)
    event.callbacks.append(lambda _: act(*arguments, **more))


def history(node: Node, until_s: float) -> list[tuple[float, float, str, str]]:
    tiny.run(node.clock, until_s)
    return [(e[0], e[1], e[3], e[5]) for e in tiny.events(node.trace)]


def test_training_takes_steps_times_step_time() -> None:
    node = learner()
    assert history(node, 8.0) == [
        (0.0, 4.0, "train", "round=0 attempt=0"),
        (4.0, 4.0, "train", "round=1 attempt=1"),
    ]
    first = node.lineage.trained(node.lineage.initial(), 0, 0)
    assert node.storage.model is node.lineage.trained(first, 0, 1)


def test_slowdown_in_the_middle_of_a_training() -> None:
    # 1 s of work until 1; six seconds at a third of the speed are 2 s of work; the last one by 8.
    node = learner()
    at(node, 1.0, node.slow_down, "drag", 3.0)
    at(node, 7.0, node.slow_down, "drag", 1.0)
    assert history(node, 8.0) == [
        (1.0, 0.0, "slowdown", "cause=drag factor=3.0"),
        (7.0, 0.0, "slowdown", "cause=drag factor=1.0"),
        (0.0, 8.0, "train", "round=0 attempt=0"),
    ]


def test_slowdowns_multiply() -> None:
    # From 1 on half the speed, from 3 on a quarter: 1 + 1 s of work until 3, 2 more take 8 s.
    node = learner()
    at(node, 1.0, node.slow_down, "drag", 2.0)
    at(node, 3.0, node.slow_down, "mud", 2.0)
    assert history(node, 11.0) == [
        (1.0, 0.0, "slowdown", "cause=drag factor=2.0"),
        (3.0, 0.0, "slowdown", "cause=mud factor=2.0"),
        (0.0, 11.0, "train", "round=0 attempt=0"),
    ]
    assert node.slowness == 4.0


def test_a_slowdown_may_end_a_rounding_error_before_the_training() -> None:
    # From 2.4 on a third of the speed: until 7.2000000000000011, and 4.8 / 3 is more than was left.
    node = learner()
    at(node, 2.4, node.slow_down, "drag", 3.0)
    at(node, 7.2, node.slow_down, "drag", 1.0)
    assert history(node, 8.0)[2:] == [(0.0, 7.2, "train", "round=0 attempt=0")]


def test_a_node_that_is_down_starts_when_it_recovers() -> None:
    node = learner()
    at(node, 1.0, node.crash, "blow")
    at(node, 2.0, node.start)
    at(node, 3.0, node.recover, "blow")
    assert history(node, 7.0) == [
        (1.0, 0.0, "crash", "blow"),
        (0.0, 1.0, "train_lost", "round=0 attempt=0 cause=blow"),
        (3.0, 0.0, "recover", "blow"),
        (3.0, 4.0, "train", "round=0 attempt=1"),
    ]


def test_crash_loses_the_attempt() -> None:
    node = learner()
    at(node, 2.0, node.crash, "blow")
    at(node, 3.0, node.recover, "blow")
    assert history(node, 7.0) == [
        (2.0, 0.0, "crash", "blow"),
        (0.0, 2.0, "train_lost", "round=0 attempt=0 cause=blow"),
        (3.0, 0.0, "recover", "blow"),
        (3.0, 4.0, "train", "round=0 attempt=1"),
    ]
    # The round is keyed by what is finished: the retried round is the same model.
    assert node.storage.model is node.lineage.trained(node.lineage.initial(), 0, 0)


def test_crash_keeps_what_is_stored() -> None:
    node = learner()
    at(node, 5.0, node.crash, "blow")
    tiny.run(node.clock, 6.0)
    assert node.storage.rounds == 1
    assert node.version == 1
    assert node.storage.model is node.lineage.trained(node.lineage.initial(), 0, 0)


def test_a_correction_goes_into_the_model_and_takes_no_time() -> None:
    node = tiny.lone_node(Machine(1.0, 0, 1, 2))
    base = node.storage.model
    way = node.lineage.direction((base,), (1.0,))
    made: list[ModelRef | None] = []

    def behaviour() -> Behaviour:
        made.append((yield from node.train(base, way)))

    node.spawn(behaviour())
    tiny.run(node.clock, 2.0)
    assert made == [node.lineage.trained(base, 0, 0, way)]
    assert [row.duration_s for row in node.trace.rows] == [2.0]


def test_crash_at_the_instant_of_completion_comes_after_it() -> None:
    node = learner()
    at(node, 4.0, node.crash, "blow")
    assert history(node, 5.0) == [
        (0.0, 4.0, "train", "round=0 attempt=0"),
        (4.0, 0.0, "crash", "blow"),
        # The next round had begun at that instant, and was lost with it.
        (4.0, 0.0, "train_lost", "round=1 attempt=1 cause=blow"),
    ]
    assert node.storage.rounds == 1


def test_node_is_up_when_no_fault_holds_it_down() -> None:
    node = learner()
    at(node, 1.0, node.crash, "blow")
    at(node, 2.0, node.crash, "churn")
    at(node, 3.0, node.recover, "blow")
    at(node, 5.0, node.recover, "churn")
    assert [event for event in history(node, 9.0) if event[2] != "train_lost"] == [
        (1.0, 0.0, "crash", "blow"),
        (5.0, 0.0, "recover", "churn"),
        (5.0, 4.0, "train", "round=0 attempt=1"),
    ]


def test_lost_storage_raises_the_incarnation() -> None:
    node = learner()
    at(node, 9.0, node.crash, "blow", loses_storage=True)
    at(node, 10.0, node.recover, "blow")
    tiny.run(node.clock, 8.5)
    before = node.version
    tiny.run(node.clock, 10.0)
    assert (node.storage.incarnation, node.storage.rounds) == (1, 0)
    assert node.storage.model is node.lineage.initial()
    assert node.version == INCARNATION > before == 2
    # Attempts count on: the next one does not meet the dropout of the first again.
    # Nor do the rounds: it is the third that this node finishes.
    assert history(node, 14.0)[-1] == (10.0, 4.0, "train", "round=2 attempt=3")
    assert (node.rounds, node.storage.rounds) == (3, 1)


def test_storage_lost_while_down() -> None:
    node = learner()
    at(node, 5.0, node.crash, "blow")
    at(node, 6.0, node.crash, "fire", loses_storage=True)
    assert (6.0, 0.0, "storage_lost", "fire") in history(node, 7.0)
    assert node.version == INCARNATION


def test_dropout_loses_the_attempt_and_not_the_node() -> None:
    streams = Streams(0)
    node = learner(streams=streams)
    node.dropouts["flaky"] = (0.5, "0")
    events = history(node, 100.0)
    now, rounds = 0.0, 0
    for attempt, event in enumerate(events):
        luck, fraction = streams.stream("dropout", "0", "client_0", attempt).random(2)
        lost = luck < 0.5
        spent = 4.0 * fraction if lost else 4.0
        assert event[2] == ("train_lost" if lost else "train")
        assert event[:2] == pytest.approx((now, spent))
        suffix = " cause=flaky" if lost else ""
        assert event[3] == f"round={rounds} attempt={attempt}{suffix}"
        now += spent
        rounds += not lost
    assert node.up
    assert node.storage.rounds == rounds


def test_earliest_of_several_dropouts_ends_the_attempt() -> None:
    streams = Streams(0)
    fractions = {
        fault: float(streams.stream("dropout", fault, "client_0", 0).random(2)[1])
        for fault in ("flaky", "moody")
    }
    first = min(fractions, key=fractions.__getitem__)
    node = learner(streams=streams)
    node.dropouts |= {name: (1.0, name) for name in fractions}
    event = history(node, 4.0)[0]
    assert event == (0.0, 4.0 * fractions[first], "train_lost", f"round=0 attempt=0 cause={first}")


def test_higher_dropout_probability_fails_a_superset() -> None:
    def lost(probability: float) -> set[int]:
        node = tiny.lone_node(Machine(1.0, 0, 100, 4))
        node.dropouts["flaky"] = (probability, "0")
        return {attempt for attempt in range(300) if node._dropout(attempt)[0]}

    sets = [lost(probability) for probability in (0.0, 0.1, 0.3, 0.9, 1.0)]
    assert [len(sets[0]), len(sets[-1])] == [0, 300]
    assert all(less < more for less, more in itertools.pairwise(sets))


def test_jitter_belongs_to_the_attempt() -> None:
    streams = Streams(0)
    node = learner(Machine(1.0, 0, 100, 4, jitter=0.5), streams)
    factors = [
        float(streams.stream("jitter", "client_0", attempt).lognormal(0.0, 0.5))
        for attempt in range(2)
    ]
    events = history(node, 4.0 * sum(factors) + 0.01)
    assert [event[1] for event in events] == pytest.approx([4.0 * factor for factor in factors])


@pytest.mark.parametrize(
    ("kept", "told"),
    [
        (None, "None, as of a dropout, is no model to keep; `yield from node.train"),
        ("generator", "a generator is no model to keep; `yield from node.train"),
        ("direction", r"ModelRef\(direction\(1.0,\), \w+\) is a direction, and no model to keep"),
    ],
)
def test_only_models_are_kept(kept: object, told: str) -> None:
    node = learner()
    model = node.train(node.storage.model) if kept == "generator" else kept
    if kept == "direction":
        model = node.lineage.direction((node.storage.model,), (1.0,))
    before = node.storage.model
    with pytest.raises(TypeError, match=told):
        node.keep(cast(ModelRef, model))
    assert node.storage.model is before and node.rounds == 0
