"""Swarm learning with three clients, against times worked out by hand.

Client 0 trains for 2 s, client 1 for 3 and client 2 for 4; they aggregate in turn. A message takes
0.25 s one way, a model's bytes 1 s: to hand a model on takes 1.75 s, 0.5 of them for an offer and
its acknowledgement. Two models that come from one client or to one at once take 2.25 s each.
Heartbeats are sent at 0, 5, 10, ...; 15 s after the last that was heard a client is suspected.
"""

import re
from typing import Any

import pytest

from braintorrent.testing import Merge, Played, check_protocol, play
from sim.protocols.fedavg import ServerRounds
from sim.protocols.swarm import Swarming
from sim.record.errors import ScenarioError
from sim.runs.build import check_timeouts
from tests.sim import tiny
from tests.sim.protocols.serving import crash

Row = tuple[float, float, str, str, str]
NONE = {"kind": "none"}
TRAININGS = [
    (0.0, 2.0, "client_0", "train", ""),
    (0.0, 3.0, "client_1", "train", ""),
    (0.0, 4.0, "client_2", "train", ""),
]
UPLOADS = [
    (3.5, 1.25, "client_1", "transfer", "client_0"),
    (4.5, 1.25, "client_2", "transfer", "client_0"),
    (5.75, 0.0, "client_0", "merge", ""),
]


def swarm(until_s: float, settings: dict[str, Any] | None = None, **more: Any) -> Played:
    settings = {"next": "round_robin", **(settings or {})}
    world: dict[str, Any] = {"round_s": [2.0, 3.0, 4.0], "latency_s": 0.25}
    return play("swarm", settings, until_s=until_s, **(world | more))


def rows(played: Played, *kinds: str) -> list[Row]:
    """Start, duration, node, kind and peer; all that happened, or of these kinds."""
    return [
        (r.time_s, r.duration_s, r.node, r.kind, r.peer)
        for r in played.rows
        if not kinds or r.kind in kinds
    ]


def turns(played: Played) -> list[tuple[int, int, int]]:
    """Round, term and aggregator of the turn that each client goes by."""
    running = played.running
    assert isinstance(running, Swarming)
    return [running.turn(node)[1:4] for node in played.world.clients]


# -- nothing fails -----------------------------------------------------------------------------


def test_one_round() -> None:
    # Client 0 has both updates at 5.75, and both others its average at 6.25 + 2.25.
    played = swarm(8.5)
    assert rows(played) == [
        *TRAININGS,
        *UPLOADS,
        (5.75, 2.0, "client_0", "train", ""),
        (6.25, 2.25, "client_0", "transfer", "client_1"),
        (6.25, 2.25, "client_0", "transfer", "client_2"),
    ]
    third = 100 / 300
    weights = {"client_0.0": third, "client_1.0": third, "client_2.0": third}
    assert played.merges == [Merge(5.75, "client_0", weights)]
    assert turns(played) == [(1, 0, 1)] * 3


def test_models_are_those_of_fedavg() -> None:
    # Everybody is up, and nobody late: the same third average, by content, at another time.
    samples = [100, 300, 200]
    thirds_s = swarm(60.0, samples=samples).merges[2].time_s, fedavg(60.0, samples).merges[2].time_s
    mine, other = swarm(thirds_s[0], samples=samples), fedavg(thirds_s[1], samples)
    assert isinstance(other.running, ServerRounds)
    assert other.running.server_round == 3
    assert mine.world.clients[2].storage.received.name == other.running.global_model.name
    assert [merge.weights for merge in mine.merges] == [merge.weights for merge in other.merges]


def fedavg(until_s: float, samples: list[int]) -> Played:
    world: dict[str, Any] = {"round_s": [2.0, 3.0, 4.0], "latency_s": 0.25}
    return play("fedavg", until_s=until_s, samples=samples, **world)


@pytest.mark.parametrize(
    ("following", "expected"),
    [
        ("round_robin", [[0, 1, 2], [1, 2, 0], [2, 0, 1], [0, 1, 2]]),
        ("elected", [[0, 1, 2]] * 4),
    ],
)
def test_who_is_next(following: str, expected: list[list[int]]) -> None:
    running = swarm(0.0, {"next": following}).running
    assert isinstance(running, Swarming)
    assert [running.candidates(number) for number in range(4)] == expected


def test_a_random_order_is_drawn_for_each_round() -> None:
    running = swarm(0.0, {"next": "random"}, round_s=[1.0] * 8).running
    assert isinstance(running, Swarming)
    orders = [running.candidates(number) for number in range(4)]
    assert all(sorted(order) == list(range(8)) for order in orders)
    assert len({tuple(order) for order in orders}) == 4


def test_late_one_is_not_waited_for() -> None:
    # Client 2 needs 8 s. Client 0 has two updates at 4.75 and waits until 6.75 for the third.
    # Client 2 breaks its upload off when the next round's model is there, and trains that.
    settings = {"minimum_peers": 2, "wait_after_minimum": "2 s"}
    played = swarm(9.5, settings, round_s=[2.0, 3.0, 8.0])
    assert rows(played)[3:] == [
        (6.75, 0.0, "client_0", "merge", ""),
        (0.0, 8.0, "client_2", "train", ""),
        (6.75, 2.0, "client_0", "train", ""),
        (7.25, 2.25, "client_0", "transfer", "client_1"),
        (7.25, 2.25, "client_0", "transfer", "client_2"),
        (8.5, 1.0, "client_2", "transfer_lost", "client_0"),
    ]
    assert played.rows[3].peers == ("client_1",)


def test_a_client_alone_goes_on() -> None:
    assert rows(swarm(6.0, round_s=[2.0]), "train") == [
        (2.0 * i, 2.0, "client_0", "train", "") for i in range(3)
    ]


# -- a trainer crashes -------------------------------------------------------------------------


def test_trainer_that_is_suspected_is_not_waited_for_and_takes_part_again() -> None:
    # It crashes at 3, and is suspected at 15.25. It is back at 23, asks client 0 and is sent the
    # model of round 2 from 23.25 on; what it trained meanwhile counts for nothing.
    played = swarm(33.0, faults=crash("client_2", "3 s", recovers_after="20 s"))
    assert [(row.time_s, row.node, row.peers) for row in played.rows if row.kind == "merge"] == [
        (15.25, "client_0", ("client_1",)),
        (20.0, "client_1", ("client_0",)),
        (32.75, "client_0", ("client_1", "client_2")),
    ]
    assert [row[:2] for row in rows(played, "train") if row[2] == "client_2"] == [
        (23.0, 4.0),
        (27.0, 4.0),
    ]


def test_trainer_that_lost_its_storage_is_sent_the_model() -> None:
    fault = crash("client_2", "10 s", recovers_after="1 s", loses_storage=True)
    played = swarm(60.0, faults=fault)
    assert max(played.running.staleness()) <= 1.0
    assert len(played.merges[-1].weights) == 3


def test_pruned_client_never_comes_back() -> None:
    fault = crash("client_2", "3 s", recovers_after="20 s")
    played = swarm(300.0, {"returns": False}, faults=fault)
    assert not [row for row in played.rows if row.peers and "client_2" in row.peers]
    assert (rows(played, "transfer")[-1][0] > 290.0) and turns(played)[2][0] < turns(played)[0][0]


# -- the aggregator crashes ----------------------------------------------------------------------

COLLECTING = crash("client_0", "4 s", recovers_after="26 s")
# Client 1's upload breaks, and nothing tells it so before the detector does; client 2's offer of
# 4 s isn't acknowledged until 14.
BROKEN = [
    (4.0, 0.0, "client_0", "crash", ""),
    (3.5, 0.5, "client_1", "transfer_lost", "client_0"),
    (4.0, 0.25, "client_2", "message_lost", "client_0"),
]


def test_survivors_elect_another_while_it_collects() -> None:
    # Client 2 elects client 1, which hears of it at 14.25 and hands in to itself.
    played = swarm(16.25, faults=COLLECTING)
    assert rows(played)[3:] == [
        *BROKEN,
        (14.0, 0.25, "client_2", "message_lost", "client_0"),
        (14.5, 1.25, "client_2", "transfer", "client_1"),
        (15.75, 0.0, "client_1", "merge", ""),
    ]
    assert played.merges[0].weights == {"client_1.0": 0.5, "client_2.0": 0.5}
    assert turns(played)[1] == (1, 1, 1)


def test_survivors_wait_while_it_collects() -> None:
    # Back at 30 from its storage, it lacks what had come; both offer again at 30.25.
    played = swarm(33.0, {"on_dead_aggregator": "block"}, faults=COLLECTING)
    assert rows(played)[3:] == [
        *BROKEN,
        (30.0, 0.0, "client_0", "recover", ""),
        (30.75, 2.25, "client_1", "transfer", "client_0"),
        (30.75, 2.25, "client_2", "transfer", "client_0"),
        (33.0, 0.0, "client_0", "merge", ""),
    ]


def test_job_is_aborted_while_it_collects() -> None:
    # Whoever comes back asks, and hears of it.
    played = swarm(500.0, {"on_dead_aggregator": "abort"}, faults=COLLECTING)
    assert rows(played)[3:] == [
        *BROKEN,
        (14.0, 0.0, "client_2", "abort", "client_0"),
        (14.0, 0.25, "client_2", "message_lost", "client_0"),
        (30.0, 0.0, "client_0", "recover", ""),
    ]


SENDING = crash("client_0", "7 s", recovers_after="30 s")


def test_survivors_elect_another_while_it_sends() -> None:
    # Its last heartbeat was there at 5.25: at 20.25 both elect client 1, and client 2 hands in.
    played = swarm(22.5, faults=SENDING)
    assert rows(played)[6:] == [
        (7.0, 0.0, "client_0", "crash", ""),
        (6.25, 0.75, "client_0", "transfer_lost", "client_1"),
        (6.25, 0.75, "client_0", "transfer_lost", "client_2"),
        (5.75, 1.25, "client_0", "train_lost", ""),
        (20.75, 1.25, "client_2", "transfer", "client_1"),
        (22.0, 0.0, "client_1", "merge", ""),
    ]


def test_it_goes_on_with_what_it_had_averaged() -> None:
    # Client 0 has its average in stable storage. Client 1, whose turn is next, is to have its
    # update of round 1, and asks for the model of that round.
    fault = crash("client_0", "7 s", recovers_after="3 s")
    streams = tiny.scripted(lucks={("ask_of", 0, 2, 2): 0.0})  # It asks client 2 what is new.
    played = swarm(60.0, {"on_dead_aggregator": "block"}, faults=fault, streams=streams)
    assert [row[:3] for row in rows(played, "merge")[:2]] == [
        (5.75, 0.0, "client_0"),
        (18.25, 0.0, "client_1"),
    ]
    assert played.merges[1].weights.keys() == {"client_0.1", "client_1.1", "client_2.1"}


def test_job_is_aborted_while_it_sends() -> None:
    played = swarm(500.0, {"on_dead_aggregator": "abort"}, faults=SENDING)
    assert rows(played, "abort") == [
        (20.25, 0.0, "client_1", "abort", "client_0"),
        (20.25, 0.0, "client_2", "abort", "client_0"),
    ]
    # Client 0 goes on from its storage at 37, and hears of the end half a second later.
    assert rows(played)[-1] == (37.0, 2.0, "client_0", "train", "")


def test_one_missing_acknowledgement_aborts_the_job() -> None:
    # Client 2 is down from 3 on, and nobody suspects anybody. Client 0 has enough at 5.75, and its
    # offer to client 2 isn't acknowledged until 15.75.
    rule = {"on_dead_aggregator": "abort", "minimum_peers": 2, "wait_after_minimum": "1 s"}
    fault = crash("client_2", "3 s", recovers_after="20 s")
    played = swarm(500.0, rule, faults=fault, failure_detection=NONE)
    assert rows(played, "abort") == [(15.75, 0.0, "client_0", "abort", "client_2")]
    assert played.events[-1] == (27.0, "client_2", "train")


def test_without_a_detector_its_silence_is_found_out_by_asking() -> None:
    # Client 0 has client 1's update when it crashes at 5.5. Client 1 hears nothing for 8 s, asks,
    # and elects itself 10 s later. Client 2's upload stalls until it is told.
    fault = crash("client_0", "5.5 s")
    played = swarm(25.0, {"timeout": "8 s"}, faults=fault, failure_detection=NONE)
    assert rows(played)[4:] == [
        (5.5, 0.0, "client_0", "crash", ""),
        (4.5, 1.0, "client_2", "transfer_lost", "client_0"),
        (13.0, 0.25, "client_1", "message_lost", "client_0"),
        (23.0, 0.25, "client_1", "message_lost", "client_0"),
        (23.75, 1.25, "client_2", "transfer", "client_1"),
        (25.0, 0.0, "client_1", "merge", ""),
    ]


def test_aggregator_that_is_slow_is_not_given_up() -> None:
    # Client 2 trains for 500 s; the others ask every 8 s, and client 0 acknowledges.
    played = swarm(500.0, {"timeout": "8 s"}, round_s=[2.0, 3.0, 500.0], failure_detection=NONE)
    assert turns(played) == [(0, 0, 0)] * 3


def test_a_model_on_its_way_is_not_sent_again_for_each_reminder() -> None:
    # A model's bytes take 32 s. From 67.75 on client 1 aggregates, and is sent client 0's average,
    # and its update from 70.25 on; client 2's question of each second is answered by no third copy.
    thin = {"uplink": "256 bit/s", "downlink": "256 bit/s"}
    played = swarm(165.0, {"timeout": "1 s"}, links=thin)
    assert rows(played, "transfer") == [
        (3.5, 63.25, "client_1", "transfer", "client_0"),
        (4.5, 63.25, "client_2", "transfer", "client_0"),
        (68.25, 95.25, "client_0", "transfer", "client_1"),
        (68.25, 95.25, "client_0", "transfer", "client_2"),
        (70.25, 94.25, "client_0", "transfer", "client_1"),
    ]


def test_two_halves_become_one_again() -> None:
    # Each half of a network that fell apart goes on; then the newer turn counts for all.
    span = {"at": "3 s", "heals_after": "60 s"}
    cut = {"cut": {"kind": "partition", "groups": [["client_2"]], **span}}
    during, after = (swarm(until_s, faults=cut) for until_s in (63.0, 200.0))
    rounds = [number for number, _, _ in turns(during)]
    assert rounds[0] == rounds[1] != rounds[2] and min(rounds) >= 3
    assert max(after.running.staleness()) <= 1.0
    assert len(after.merges[-1].weights) == 3


# -- promises ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fitting", "wrong", "mistake"),
    [
        (
            {"minimum_peers": 3},
            {"minimum_peers": 4},
            "minimum_peers: is more than the 3 clients that there are: nothing would be averaged "
            "(seed 0); allowed: all, or up to 3",
        ),
        (
            {"timeout": "0.5 s"},
            {"timeout": "0.49 s"},
            "timeout: is shorter than any transfer: all would ask before an average could be there "
            "(seed 0); allowed: at least 500 ms",
        ),
    ],
)
def test_what_could_never_be_there_is_refused(
    fitting: dict[str, Any], wrong: dict[str, Any], mistake: str
) -> None:
    latency = [[0.5] * 3] * 3
    check_timeouts(tiny.scenario(latency, [1.0] * 3, {"swarm": fitting}))
    with pytest.raises(ScenarioError, match=re.escape(f": protocols.swarm.{mistake}") + "$"):
        check_timeouts(tiny.scenario(latency, [1.0] * 3, {"swarm": wrong}))


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [
        {"next": "elected", "timeout": "2 s", "ack_timeout": "1 s"},
        {"on_dead_aggregator": "block", "minimum_peers": 1, "wait_after_minimum": "1 s"},
        {"on_dead_aggregator": "abort", "next": "round_robin"},
        {"returns": False, "ack_timeout": "3 s", "timeout": "5 s"},
    ],
)
def test_it_keeps_its_promises_in_many_worlds(settings: dict[str, Any]) -> None:
    assert check_protocol("swarm", settings, worlds=50, seed=15)["merge"] > 10
