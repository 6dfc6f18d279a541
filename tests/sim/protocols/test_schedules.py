"""BrainTorrent's schedules: whose turn it is, and how long a barrier waits for who has crashed."""

import numpy as np
import pytest

from sim.world.random_streams import Streams
from tests.sim import tiny
from tests.sim.protocols.merging import BEFORE_THE_TRANSFERS, merging, of, until
from tests.sim.protocols.serving import crash


def test_random_initiator_lets_one_client_at_a_time_act() -> None:
    world, _ = merging(settings={"schedule": "random_initiator"})
    tiny.run(world.clock, 60.0)
    trains = tiny.events(world.trace, "train")
    # All train once; the slowest is done at 4.25, and only then the first turn begins.
    assert trains[:3] == [BEFORE_THE_TRANSFERS[i] for i in range(3)]
    pings = tiny.events(world.trace, "ping")
    assert pings[0][0] == 4.25
    turns = [
        int(np.argmin(Streams(0).stream("initiator", turn).random(3))) for turn in range(len(pings))
    ]
    assert [event[2] for event in pings] == [f"client_{turn}" for turn in turns]
    # A turn ends with its training; at that very instant the next one begins.
    ends = [start + duration for start, duration, *_ in trains[3:]]
    assert [event[0] for event in pings[1:]] == ends[: len(pings) - 1]


def test_lockstep_trains_all_then_one_merges() -> None:
    world, _ = merging(settings={"schedule": "lockstep"})
    tiny.run(world.clock, 60.0)
    kinds = [e[3] for e in tiny.events(world.trace, "train", "ping", "merge")]
    cycle = ["train", "train", "train", "ping", "merge"]
    assert len(kinds) > 2 * len(cycle)
    assert kinds == (cycle * len(kinds))[: len(kinds)]
    # All train from 0 and the slowest is done at 4.25. The one that merges does not train after
    # it: the next training of all begins when its merge ends.
    trains = tiny.events(world.trace, "train")
    merge = tiny.events(world.trace, "merge")[0]
    assert {event[0] for event in trains[:3]} == {0.0}
    assert {event[0] for event in trains[3:6]} == {merge[0] + merge[1]}


@pytest.mark.parametrize("schedule", ["random_initiator", "lockstep"])
@pytest.mark.parametrize(
    ("detection", "back_s", "on_s"),
    [
        # Client 2 crashes at 2 in its first training; the others have done theirs at 4.
        ("heartbeat", None, 17.0),  # It is found out after 15 s.
        ("heartbeat", 10.0, 10.0),  # It is back before.
        ("perfect", None, 4.0),
        ("perfect", 10.0, 4.0),
        ("none", 30.0, 30.0),
        ("none", None, None),  # Nobody ever knows.
    ],
)
def test_barrier_waits_for_the_dead_until_they_are_known_to_be(
    schedule: str, detection: str, back_s: float | None, on_s: float | None
) -> None:
    back = {} if back_s is None else {"recovers_after": f"{back_s - 2} s"}
    world, _ = merging(
        detection=detection,
        settings={"schedule": schedule},
        faults=crash("client_2", "2 s", **back),
    )
    tiny.run(world.clock, 60.0)
    # Whose turn is next pings, or trains if it never has.
    begun = [event[0] for event in tiny.events(world.trace, "ping", "train") if event[0] >= 4.0]
    assert min(begun, default=None) == on_s


def test_crash_that_is_over_is_not_held_against_who_is_back() -> None:
    # Client 2 crashes at 2 and is back at 3; from 5 on it trains for 16 x 4.25 s. At 17, when it
    # would have been found out, the others wait for it.
    slow = {
        "kind": "slowdown",
        "nodes": ["client_2"],
        "factor": 16.0,
        "at": "5 s",
        "lasts": "999 s",
    }
    blow = crash("client_2", "2 s", recovers_after="1 s")
    world, _ = merging(settings={"schedule": "lockstep"}, faults=blow | {"slow": slow})
    tiny.run(world.clock, 200.0)
    started_s, took_s = of(world, "client_2", "train")[0][:2]
    assert started_s < 17.0 < started_s + took_s == started_s + 68.0
    others = [event[0] for event in tiny.events(world.trace, "train", "ping")]
    assert not [begun_s for begun_s in others if started_s < begun_s < started_s + took_s]


def test_lockstep_goes_on_without_the_dead() -> None:
    world, _ = merging(settings={"schedule": "lockstep"}, faults=crash("client_2", "2 s"))
    tiny.run(world.clock, 60.0)
    assert {event[2] for event in tiny.events(world.trace, "train")} == {"client_0", "client_1"}
    assert world.clients[0].storage.rounds > 3


def test_who_never_trained_merges_nothing() -> None:
    # All of client 2's rounds fail: whenever the turn is its own, it has nothing to average.
    fails = {"kind": "client_dropout", "nodes": ["client_2"], "probability": 1.0}
    for schedule in ("independent", "random_initiator", "lockstep"):
        world, _ = merging(settings={"schedule": schedule}, faults={"fails": fails})
        tiny.run(world.clock, 120.0)
        assert not of(world, "client_2", "ping", "transfer", "merge", "train")
        merges = tiny.events(world.trace, "merge")
        assert merges and all("client_2" not in event[5] for event in merges)


def test_lockstep_merges_a_merge_on_where_its_training_failed() -> None:
    world, _ = merging(settings={"schedule": "lockstep"})
    node = world.clients[0]
    until(world, lambda: of(world, "client_0", "ping"))
    # It is client 0's turn; the rounds that follow it fail, until it has had one more.
    node.dropouts["fails"] = (1.0, "0")
    until(world, lambda: node.storage.is_merge_newer)
    merged, rounds = node.storage.received, node.rounds
    assert node.storage.newest is merged
    assert node.storage.merged == {peer: world.clients[peer].version for peer in (1, 2)}
    until(world, lambda: node.storage.received is not merged)
    again = node.storage.received
    assert merged in again.inputs
    assert node.rounds == rounds
    node.dropouts = {}
    until(world, lambda: node.rounds > rounds)
    assert node.storage.model is world.lineage.trained(again, 0, rounds)
    assert not node.storage.is_merge_newer
