"""Gossip in worlds of two and three clients, against times worked out by hand."""

from collections.abc import Mapping
from typing import Any

import pytest

from braintorrent.testing import Merge, Played, check_protocol, play, scripted
from tests.sim import tiny
from tests.sim.protocols.serving import crash

# A model takes a second, a merge of two half a second. Client 0's first tick is at 3; the next are
# at 7, 11, ... where the period is 4 s. Client 1's are at 0, 4, 8, ..., or at 15 alone.
Ticks = tuple[str, Mapping[tiny.Name, float]]
OFTEN: Ticks = "4 s", {("push_phase", 0): 0.75, ("push_phase", 1): 0.0}
SELDOM: Ticks = "16 s", {("push_phase", 0): 3 / 16, ("push_phase", 1): 15 / 16}
FIRST = [(2.0, "client_0", "train"), (3.0, "client_1", "train")]


def gossip(until_s: float, ticks: Ticks = SELDOM, faults: Any = None, **settings: Any) -> Played:
    period, phases = ticks
    return play(
        "gossip",
        {"period": period, **settings},
        until_s=until_s,
        round_s=[2.0, 3.0],
        streams=scripted(lucks=phases),
        merge_time="0.25 s",
        faults=faults,
    )


def test_who_gets_a_model_merges_it_and_trains() -> None:
    # At 4 client 1 has just been sent a model, and at 7 client 0 is training: they push what their
    # last round came to. From 7.5 on both wait for the next model.
    played = gossip(9.5, OFTEN)
    assert played.events == [
        *FIRST,
        (4.0, "client_0", "transfer"),
        (4.5, "client_1", "merge"),
        (5.0, "client_1", "transfer"),
        (5.5, "client_0", "merge"),
        (7.5, "client_1", "train"),
        (7.5, "client_0", "train"),
        (8.0, "client_0", "transfer"),
        (8.5, "client_1", "merge"),
        (9.0, "client_1", "transfer"),
        (9.5, "client_0", "merge"),
    ]
    # The rounds of a merge are those of the oldest in it: client 1's second model has two.
    assert played.merges == [
        Merge(4.5, "client_1", {"client_0.0": 1 / 2, "client_1.0": 1 / 2}),
        Merge(5.5, "client_0", {"client_0.0": 1 / 2, "client_1.0": 1 / 2}),
        Merge(8.5, "client_1", {"client_0.0": 1 / 3, "client_1.1": 2 / 3}),
        Merge(9.5, "client_0", {"client_0.1": 1 / 2, "client_1.1": 1 / 2}),
    ]


def test_who_gets_nothing_does_not_go_on_training() -> None:
    assert gossip(2.875).events == FIRST[:1]
    assert gossip(15.875).of("train")[2:] == [(7.5, "client_1", "train")]


def test_what_has_come_by_the_end_of_a_round_is_merged_at_once_of_each_peer_the_last() -> None:
    # Client 0's model is there at 3, 5, 7, 9 and, its second one, at 11.
    played = play(
        "gossip",
        {"period": "2 s"},
        until_s=12.0,
        round_s=[2.0, 6.0],
        streams=scripted(lucks={("push_phase",): 0.0}),
    )
    assert [merge for merge in played.merges if merge.node == "client_1"] == [
        Merge(6.0, "client_1", {"client_0.0": 1 / 2, "client_1.0": 1 / 2}),
        Merge(12.0, "client_1", {"client_0.1": 1 / 2, "client_1.1": 1 / 2}),
    ]


@pytest.mark.parametrize(
    ("weights", "shares"),
    [("age", (3 / 4, 1 / 4)), ("equal", (1 / 2, 1 / 2)), ("samples", (1 / 4, 3 / 4))],
)
def test_weights_of_a_merge(weights: str, shares: tuple[float, float]) -> None:
    # Client 0 has three optimiser steps in a local round and client 1 has one; both take 3 s.
    described = tiny.scenario(
        [[0, 0]] * 2, [1.0, 3.0], {"gossip": {"period": "4 s", "weights": weights}}
    )
    streams = scripted(lucks=OFTEN[1])
    world, _ = tiny.world(described, samples=(100, 300), steps=(3, 1), streams=streams)
    tiny.run(world.clock, 4.0)
    lineage, (_, node) = world.lineage, world.clients
    first = tuple(lineage.trained(lineage.initial(), client, 0) for client in range(2))
    assert node.storage.received is lineage.combined((first[0], first[1]), shares)
    tiny.run(world.clock, 7.0)
    assert node.storage.notes == {"age": 4}  # The older has 3.


def test_answers_of_push_pull_are_what_the_receiver_has() -> None:
    played = gossip(7.5, exchange="push_pull")
    assert played.events == [
        *FIRST,
        (4.0, "client_0", "transfer"),
        (4.5, "client_1", "merge"),
        (5.0, "client_1", "transfer"),
        (5.5, "client_0", "merge"),
        (7.5, "client_1", "train"),
        (7.5, "client_0", "train"),
    ]


def test_a_slow_link_carries_one_push_and_one_answer_at_a_time() -> None:
    # Client 0 could push at even seconds, and answer at odd ones: each flows for 8 s, in 15.
    played = play(
        "gossip",
        {"period": "2 s", "exchange": "push_pull"},
        until_s=128.0,
        round_s=[2.0, 2.0],
        streams=scripted(lucks={("push_phase",): 0.0}),
        links={"uplink": ["128 B/s", "1024 B/s"], "downlink": "1024 B/s"},
    )
    took_s = [r.duration_s for r in played.rows if (r.node, r.kind) == ("client_0", "transfer")]
    assert took_s[1:] == [15.0] * 13


def test_what_came_waits_for_a_first_round_and_is_merged_again_where_a_round_fails() -> None:
    # Client 1's first and third attempts fail, after 0.78 and 0.48 of their 8 s. It is sent one
    # model, which is there at 4: too early for an answer.
    luck = {"kind": "client_dropout", "nodes": ["client_1"], "probability": 0.5, "seed": 21}
    played = play(
        "gossip",
        {"period": "64 s", "exchange": "push_pull"},
        until_s=30.0,
        round_s=[2.0, 8.0],
        streams=scripted(lucks={("push_phase", 0): 3 / 64, ("push_phase", 1): 63 / 64}),
        merge_time="0.25 s",
        faults={"luck": luck},
    )
    assert [event[1:] for event in played.events] == [
        ("client_0", "train"),
        ("client_0", "transfer"),
        ("client_1", "train_lost"),
        ("client_1", "train"),
        ("client_1", "merge"),
        ("client_1", "train_lost"),
        ("client_1", "merge"),
        ("client_1", "train"),
    ]
    both = {"client_0.0": 1 / 2, "client_1.0": 1 / 2}
    assert [merge.weights for merge in played.merges] == [both, both]
    assert played.running.staleness() == [2.0, 0.0]


def test_train_then_merge() -> None:
    # What client 1 pushes at 15 is the merge.
    played = gossip(18.5, order="train_then_merge")
    assert played.events == [
        *FIRST,
        (4.0, "client_0", "transfer"),
        (7.0, "client_1", "train"),
        (7.5, "client_1", "merge"),
        (16.0, "client_1", "transfer"),
        (18.0, "client_0", "train"),
        (18.5, "client_0", "merge"),
    ]
    assert played.merges == [
        Merge(7.5, "client_1", {"client_0.0": 1 / 3, "client_1.1": 2 / 3}),
        Merge(18.5, "client_0", {"client_0.1": 1 / 2, "average.0": 1 / 2}),
    ]
    assert played.world.clients[0].storage.newest is played.world.clients[0].storage.received


@pytest.mark.parametrize("node", ["client_0", "client_1"])
def test_a_crash_in_the_middle_of_a_push_loses_it_and_shifts_no_other(node: str) -> None:
    # From 3.5 to 4.5. Who is back has its model, and waits; the next push is at 19.
    played = gossip(20.0, faults=crash(node, "3.5 s", recovers_after="1 s"))
    lost = "transfer_lost"
    assert played.of("transfer", lost, "merge")[:3] == [
        (3.5, "client_0", lost),
        (16.0, "client_1", "transfer"),
        (16.5, "client_0", "merge"),
    ]
    assert played.rows[3].cause == ("sender_down" if node == "client_0" else "receiver_down")
    assert played.of("train") == [*FIRST, (18.5, "client_0", "train")]
    assert played.events[-1] == (20.0, "client_0", "transfer")


def test_a_crash_takes_what_has_come_and_the_round_that_is_under_way() -> None:
    # Client 1 has merged what came at 4. With its storage lost it begins as at first.
    for loses_storage, rounds in ((False, [0.0, 1.0]), (True, [0.0, 0.0])):
        fault = crash("client_1", "6 s", recovers_after="1 s", loses_storage=loses_storage)
        played = gossip(9.75, faults=fault)
        assert played.rounds("client_1") == rounds
        lost = [] if not loses_storage else [(10.0, "client_1", "train")]
        assert gossip(14.0, faults=fault).of("train")[2:] == lost


def test_who_is_suspected_is_sent_nothing() -> None:
    # Client 1's last heartbeat was at 5: it is suspected from 20 on. Until then its silence is only
    # that of one push: it isn't sent another.
    played = gossip(40.0, OFTEN, faults=crash("client_1", "7.5 s"))
    assert played.of("transfer_lost") == [(7.5, "client_0", "transfer_lost")]


def test_slow_links_carry_fewer_pushes_not_more_at_once() -> None:
    # A model of client 0 takes 2 s: its ticks at 3, 5 and 7 are passed over.
    played = play(
        "gossip",
        {"period": "1 s"},
        until_s=8.0,
        round_s=[2.0, 64.0, 64.0],
        streams=scripted(lucks={("push_phase",): 0.0}),
        links={"uplink": ["512 B/s", "1024 B/s", "1024 B/s"], "downlink": "1024 B/s"},
    )
    assert [time_s for time_s, _, _ in played.of("transfer")] == [4.0, 6.0, 8.0]


def test_over_a_topology_a_client_pushes_to_its_neighbours() -> None:
    settings = {"period": "1 s", "topology": "ring"}
    played = play("gossip", settings, until_s=12.0, round_s=[1.0] * 5)
    pushes = [(row.node, row.peer) for row in played.rows if row.kind == "transfer"]
    assert {(int(peer[-1]) - int(node[-1])) % 5 for node, peer in pushes} == {1, 4}


@pytest.mark.slow
@pytest.mark.parametrize("order", ["merge_then_train", "train_then_merge"])
@pytest.mark.parametrize("exchange", ["push", "push_pull"])
@pytest.mark.parametrize("weights", ["age", "equal", "samples"])
def test_what_all_protocols_promise_however_it_is_set(
    order: str, exchange: str, weights: str
) -> None:
    settings = {"period": "2 s", "order": order, "exchange": exchange, "weights": weights}
    assert check_protocol("gossip", settings, worlds=15)["merge"] > 0
