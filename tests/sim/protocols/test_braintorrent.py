"""BrainTorrent in a world of three clients, against times worked out by hand."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.parameters import averaged
from sim.protocols.braintorrent import lowest
from sim.world.node import INCARNATION
from sim.world.random_streams import Streams
from sim.world.world import World
from tests.sim import tiny

# One way, in seconds: 0-1 0.25, 0-2 0.5, 1-2 1. All links carry 1024 B/s, a model has 1024 B.
LATENCY = [[0, 0.25, 0.5], [0.25, 0, 1.0], [0.5, 1.0, 0]]

# The clients' first local rounds take 2 x 2 s, 1 x 3 s and 1 x 4.25 s.
STEP_S = [2.0, 3.0, 4.25]
STEPS = (2, 1, 1)
SAMPLES = (100, 100, 200)


def merging(streams: Streams | None = None, **changes: Any) -> World:
    settings = {
        "ping_timeout": "2 s",
        "transfer_timeout": "4 s",
        "retries": 1,
        **changes.pop("settings", {}),
    }
    described = tiny.scenario(
        LATENCY, STEP_S, {"braintorrent": settings}, merge_time="0.25 s", **changes
    )
    made, _ = tiny.world(described, samples=SAMPLES, steps=STEPS, streams=streams)
    return made


def crash(node: str, at: str, **more: Any) -> dict[str, Any]:
    return {"blow": {"kind": "crash", "node": node, "at": at, **more}}


# Client 1 is done at 3 and pings: client 0 is reached at 3.25, client 2 at 4, both still at version
# 0; the last answer is back at 5, nothing is newer, and it trains until 8.
# Client 0 is done at 4 and pings: client 1 is reached at 4.25, client 2 at 4.5, both at version 1;
# the last answer is back at 5.
# Client 2 is done at 4.25 and pings: its last answer is back at 4.25 + 2 = 6.25.
BEFORE_THE_TRANSFERS = [
    (0.0, 3.0, "client_1", "train", "", "round=0 attempt=0"),
    (0.0, 4.0, "client_0", "train", "", "round=0 attempt=0"),
    (0.0, 4.25, "client_2", "train", "", "round=0 attempt=0"),
    (3.0, 2.0, "client_1", "ping", "", "asked=2 answered=2"),
    (4.0, 1.0, "client_0", "ping", "", "asked=2 answered=2"),
    (4.25, 2.0, "client_2", "ping", "", "asked=2 answered=2"),
]


def test_one_merge_of_three_clients() -> None:
    # At 5 client 0 asks for weights. Client 1 is asked at 5.25, its bytes flow from 5.5; client 2
    # is asked at 5.5, its bytes flow from 6. Client 0's downlink gives client 1 512 B until 6, then
    # half of it: the other 512 B are there at 7. Client 2 has 512 B by then, the rest at 7.5.
    world = merging()
    tiny.run(world.clock, 8.0)
    assert tiny.events(world.trace) == [
        *BEFORE_THE_TRANSFERS,
        (5.25, 1.75, "client_1", "transfer", "client_0", ""),
        (5.5, 2.0, "client_2", "transfer", "client_0", ""),
        (7.5, 0.25, "client_0", "merge", "", "client_1 client_2"),
        (5.0, 3.0, "client_1", "train", "", "round=1 attempt=1"),
    ]


def test_merge_is_the_formula_over_itself_and_the_senders() -> None:
    # Client 0 fine-tunes the merged model from 7.75 to 11.75.
    world = merging()
    tiny.run(world.clock, 11.5)
    node, lineage = world.clients[0], world.lineage
    first = [lineage.trained(lineage.initial(), client, 0) for client in range(3)]
    assert node.storage.model is first[0]
    assert node.storage.merged == {}
    tiny.run(world.clock, 11.75)
    merged = lineage.averaged((first[0], first[1], first[2]), (0.25, 0.25, 0.5))
    assert node.storage.model is lineage.trained(merged, 0, 1)
    assert node.storage.merged == {1: 1, 2: 1}
    assert node.version == 2


def test_weights_of_a_merge_sum_to_one_over_those_who_take_part() -> None:
    world = merging()
    models = {
        index: world.lineage.trained(world.lineage.initial(), index, 0)
        for index in (2, 0)  # Whatever the order of arrival, rows come by node index.
    }
    merged = world.averaged(models)
    assert merged.inputs == (models[0], models[2])
    assert merged.arguments == (100 / 300, 200 / 300)
    assert world.averaged({1: models[0]}) is models[0]


def test_merge_of_vectors_made_by_hand() -> None:
    # (100 (1, 8) + 100 (3, 0) + 200 (6, 2)) / 400
    world = merging()
    vectors = {0: [1, 8], 1: [3, 0], 2: [6, 2]}
    models = {i: world.lineage.trained(world.lineage.initial(), i, 0) for i in vectors}
    by_name = {
        models[index].name: np.array(vector, np.float32) for index, vector in vectors.items()
    }
    merged = world.averaged(models)
    rows = [by_name[model.name] for model in merged.inputs]
    assert averaged(rows, merged.arguments).tolist() == [4.0, 3.0]


def test_crash_in_the_middle_of_a_ping() -> None:
    # At 4.375 client 1 has been reached and its answer is under way; client 2's question is, too.
    world = merging(faults=crash("client_0", "4.375 s", recovers_after="1.625 s"))
    tiny.run(world.clock, 7.0)
    mine = [event for event in tiny.events(world.trace) if event[2] == "client_0"]
    assert mine == [
        (0.0, 4.0, "client_0", "train", "", "round=0 attempt=0"),
        (4.375, 0.0, "client_0", "crash", "", "blow"),
        (4.0, 0.375, "client_0", "ping", "", "asked=2 answered=0"),
        (6.0, 0.0, "client_0", "recover", "", "blow"),
        # The first model survived: the client goes on with its next ping, not with round 0.
        (6.0, 1.0, "client_0", "ping", "", "asked=2 answered=2"),
    ]
    assert world.clients[0].storage.rounds == 1


def test_peer_that_is_down_is_waited_for_until_the_timeout() -> None:
    # Client 1 is down when client 0's question arrives at 4.25; client 2 answers at 5. The ping's
    # timeout ends at 4 + 2 = 6, and that of the one retry, to client 1 alone, at 8.
    world = merging(faults=crash("client_1", "4.125 s"))
    tiny.run(world.clock, 8.0)
    pings = [e for e in tiny.events(world.trace, "ping") if e[2] == "client_0"]
    assert pings == [
        (4.0, 2.0, "client_0", "ping", "", "asked=2 answered=1"),
        (6.0, 2.0, "client_0", "ping", "", "asked=1 answered=0"),
    ]


def test_sender_crashes_in_a_weight_transfer() -> None:
    # At 6.5 client 2 has 256 B through and the downlink for itself: the other 768 B take 0.75 s.
    # Client 0 waits until 5 + 4 = 9, asks again, is not heard (9.25), and gives up at 13.
    world = merging(faults=crash("client_1", "6.5 s"))
    tiny.run(world.clock, 17.25)
    mine = [
        event
        for event in tiny.events(world.trace)
        if event[0] >= 5.0 and "client_0" in (event[2], event[4])
    ]
    lost = (5.25, 1.25, "client_1", "transfer_lost", "client_0", "sender_down")
    assert mine[0] == lost
    assert mine[1] == (5.5, 1.75, "client_2", "transfer", "client_0", "")
    assert (9.0, 0.25, "client_0", "message_lost", "client_1", "receiver_down") in mine
    assert mine[-2:] == [
        (13.0, 0.25, "client_0", "merge", "", "client_2"),
        (13.25, 4.0, "client_0", "train", "", "round=1 attempt=1"),
    ]
    node, lineage = world.clients[0], world.lineage
    first = [lineage.trained(lineage.initial(), client, 0) for client in range(3)]
    merged = lineage.averaged((first[0], first[2]), (100 / 300, 200 / 300))
    assert node.storage.model is lineage.trained(merged, 0, 1)
    assert node.storage.merged == {2: 1}


def test_receiver_crashes_in_a_weight_transfer() -> None:
    world = merging(faults=crash("client_0", "6.5 s"))
    tiny.run(world.clock, 8.0)
    assert tiny.events(world.trace)[len(BEFORE_THE_TRANSFERS) :][:3] == [
        (6.5, 0.0, "client_0", "crash", "", "blow"),
        (5.25, 1.25, "client_1", "transfer_lost", "client_0", "receiver_down"),
        (5.5, 1.0, "client_2", "transfer_lost", "client_0", "receiver_down"),
    ]
    assert world.clients[0].storage.merged == {}  # Nothing was merged, nothing counts as seen.


def test_crash_in_the_middle_of_a_training() -> None:
    # 2 of 4 s are spent; after the repair the whole round is done again, from 3 to 7.
    world = merging(faults=crash("client_0", "2 s", recovers_after="1 s"))
    tiny.run(world.clock, 7.0)
    mine = [event for event in tiny.events(world.trace) if event[2] == "client_0"]
    assert mine == [
        (2.0, 0.0, "client_0", "crash", "", "blow"),
        (0.0, 2.0, "client_0", "train_lost", "", "round=0 attempt=0 cause=blow"),
        (3.0, 0.0, "client_0", "recover", "", "blow"),
        (3.0, 4.0, "client_0", "train", "", "round=0 attempt=1"),
    ]
    lineage = world.lineage
    assert world.clients[0].storage.model is lineage.trained(lineage.initial(), 0, 0)


def test_lost_storage_starts_again_from_the_initial_model_and_is_newer() -> None:
    world = merging(faults=crash("client_0", "5 s", recovers_after="1 s", loses_storage=True))
    tiny.run(world.clock, 9.75)
    node = world.clients[0]
    assert node.storage.model is world.lineage.initial()
    assert node.version == INCARNATION
    tiny.run(world.clock, 10.0)
    assert node.version == INCARNATION + 1
    assert node.storage.model is world.lineage.trained(world.lineage.initial(), 0, 0)


def test_lost_message_and_its_retry() -> None:
    # Client 0's first message, the question to client 1 at 5, is lost. Client 2's bytes have the
    # downlink for themselves, 6 to 7. At 9 client 1 is asked again, its bytes flow from 9.5 to
    # 10.5; since 8 its model is of version 2.
    world = merging(tiny.scripted(("packet_loss", "client_0", 0)), packet_loss=0.5)
    tiny.run(world.clock, 14.75)
    mine = [
        event
        for event in tiny.events(world.trace)
        if event[0] >= 5.0 and (event[2] == "client_0" or event[4] == "client_0")
    ]
    to_me = [event for event in mine if event[4] != "client_2" and event[3] != "ping"]
    assert to_me[:2] == [
        (5.0, 0.0, "client_0", "message_lost", "client_1", "loss"),
        (5.5, 1.5, "client_2", "transfer", "client_0", ""),
    ]
    assert (9.25, 1.25, "client_1", "transfer", "client_0", "") in mine
    assert (10.5, 0.25, "client_0", "merge", "", "client_1 client_2") in mine
    assert mine[-1] == (10.75, 4.0, "client_0", "train", "", "round=1 attempt=1")
    assert world.clients[0].storage.merged == {1: 2, 2: 1}


def test_lost_answer_of_a_ping_is_asked_for_again() -> None:
    world = merging(tiny.scripted(("pong_loss", "client_0", 0, 1)), packet_loss=0.5)
    tiny.run(world.clock, 6.5)
    pings = [e for e in tiny.events(world.trace, "ping") if e[2] == "client_0"]
    assert pings == [
        (4.0, 2.0, "client_0", "ping", "", "asked=2 answered=1"),
        (6.0, 0.5, "client_0", "ping", "", "asked=1 answered=1"),
    ]


@pytest.mark.parametrize("option", ["peers", "max_senders"])
def test_limits_on_peers_and_senders(option: str) -> None:
    world = merging(settings={option: 1})
    tiny.run(world.clock, 60.0)
    merges = tiny.events(world.trace, "merge")
    assert merges
    assert all(len(peers.split()) == 1 for *_, peers in merges)
    asked = {e[5].split()[0] for e in tiny.events(world.trace, "ping")}
    assert asked == ({"asked=1"} if option == "peers" else {"asked=2"})


def test_random_initiator_lets_one_client_at_a_time_act() -> None:
    world = merging(settings={"schedule": "random_initiator"})
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
    world = merging(settings={"schedule": "lockstep"})
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


def test_coordinated_schedule_does_not_wait_for_the_dead() -> None:
    world = merging(settings={"schedule": "lockstep"}, faults=crash("client_2", "2 s"))
    tiny.run(world.clock, 60.0)
    assert {event[2] for event in tiny.events(world.trace, "train")} == {"client_0", "client_1"}
    assert world.clients[0].storage.rounds > 3


@pytest.mark.parametrize("schedule", ["independent", "random_initiator", "lockstep"])
def test_client_without_peers_trains_on_alone(schedule: str) -> None:
    described = tiny.scenario([[0.0]], [2.0], {"braintorrent": {"schedule": schedule}})
    world, _ = tiny.world(described, samples=[100], steps=[2])
    tiny.run(world.clock, 12.0)
    trains = [event[:2] for event in tiny.events(world.trace, "train")]
    assert trains == [(0.0, 4.0), (4.0, 4.0), (8.0, 4.0)]
    assert world.network.end() == world.network.tally.sent == 0


def test_staleness_counts_the_rounds_that_a_client_has_not_merged() -> None:
    # At 11.75 the clients have done 2, 2 and 1 rounds, of which client 0 has merged one of each
    # peer and the others none. At 12 client 1 loses its storage: its rounds are gone, and those
    # of them that client 0 has merged don't make up for rounds that client 1 will do anew.
    described = tiny.scenario(
        LATENCY,
        STEP_S,
        {"braintorrent": {"ping_timeout": "2 s", "transfer_timeout": "4 s"}},
        merge_time="0.25 s",
        faults=crash("client_1", "12 s", loses_storage=True),
    )
    world, running = tiny.world(described, samples=SAMPLES, steps=STEPS)
    tiny.run(world.clock, 11.75)
    assert world.clients[0].storage.merged == {1: 1, 2: 1}
    assert running.staleness() == [(1 + 0) / 2, (2 + 1) / 2, (2 + 2) / 2]
    tiny.run(world.clock, 12.0)
    assert running.staleness() == [(0 + 0) / 2, (2 + 1) / 2, (2 + 0) / 2]


@given(st.integers(0, 2**16), st.integers(1, 30), st.integers(1, 30))
def test_drawn_peers_are_those_of_a_full_sort(seed: int, number: int, candidates: int) -> None:
    generator = np.random.default_rng(seed)
    # A coarse grid: many draws are equal, and then the lower index comes first.
    draws = generator.integers(0, 5, size=30) / 5
    among = np.sort(generator.choice(30, size=max(number, candidates), replace=False))
    chosen = lowest(among, draws, number)
    assert chosen.tolist() == sorted(sorted(among.tolist(), key=lambda i: draws[i])[:number])
