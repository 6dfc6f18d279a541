"""Pings: who is reached, who answers in time, and how the messages are counted."""

import numpy as np
import pytest

from sim.world.links.windows import Cut, Degraded, Direction, Windows
from sim.world.network import Network
from tests.sim import tiny
from tests.sim.world.messages import at, happened, settled

FOUR = [[0, 0.25, 0.5, 2.0], [0.25, 0, 1, 1], [0.5, 1, 0, 1], [2.0, 1, 1, 0]]
PEERS = np.array([1, 2, 3])


def test_ping_ends_with_the_last_answer() -> None:
    network = tiny.network(FOUR, [16.0] * 4)
    ping = network.ping(0, PEERS, 8.0)
    tiny.run(network.clock, 3.75)
    assert not happened(ping.replied)
    tiny.run(network.clock, 4.0)
    assert happened(ping.replied)
    assert ping.answered.tolist() == [True, True, True]
    assert ping.reached_s.tolist() == [0.25, 0.5, 2.0]
    assert settled(network) == {"sent": 6, "delivered": 6, "in_flight": 0}


def test_late_answer_is_no_answer() -> None:
    # Client 3 is reached at 2 and its answer would be back at 4, half a second too late.
    network = tiny.network(FOUR, [16.0] * 4)
    ping = network.ping(0, PEERS, 3.5)
    tiny.run(network.clock, 10.0)
    assert ping.answered.tolist() == [True, True, False]
    assert tiny.events(network.trace) == [(0.0, 3.5, "client_0", "ping", "", "asked=3 answered=2")]
    assert settled(network) == {"sent": 6, "delivered": 5, "in_flight": 0, "late": 1}


def test_ping_meets_a_dead_peer_a_lost_question_and_a_lost_answer() -> None:
    # Client 1 is down from 0.125 and no longer answers; the question to client 2 is lost; client 3
    # answers, and its answer is lost: 3 questions and 1 answer sent, 1 question delivered.
    streams = tiny.scripted(("ping_loss", 0, 2, 0), ("pong_loss", 0, 3, 0))
    network = tiny.network(FOUR, [16.0] * 4, streams=streams, packet_loss=0.5)
    ping = network.ping(0, PEERS, 8.0)
    at(network, 0.125, lambda: network.node_down(1))
    tiny.run(network.clock, 10.0)
    assert ping.answered.tolist() == [False, False, False]
    assert tiny.events(network.trace) == [(0.0, 8.0, "client_0", "ping", "", "asked=3 answered=0")]
    assert settled(network) == {
        "sent": 4, "delivered": 1, "in_flight": 0, "loss": 2, "receiver_down": 1
    }  # fmt: skip


def test_peer_that_crashes_when_it_is_reached_has_answered() -> None:
    # Completions come before faults: the question of 0.25 still finds client 1 up.
    network = tiny.network(FOUR, [16.0] * 4)
    ping = network.ping(0, PEERS, 8.0)
    at(network, 0.25, lambda: network.node_down(1))
    tiny.run(network.clock, 10.0)
    assert ping.answered.tolist() == [True, True, True]


def test_partition_between_question_and_answer() -> None:
    # From 0.375 on clients 0 and 1 are cut off from 2 and 3: client 1 has answered; the question to
    # client 2 arrives at 0.5 (it was sent before), its answer finds the partition; so does 3's.
    groups = np.array([0, 0, 1, 1])
    network = tiny.network(FOUR, [16.0] * 4)
    network.split("cut", Cut(Windows([(0.375, 5.0)]), groups))
    ping = network.ping(0, PEERS, 8.0)
    tiny.run(network.clock, 10.0)
    assert ping.answered.tolist() == [True, False, False]
    assert settled(network) == {"sent": 6, "delivered": 4, "in_flight": 0, "partition": 2}


def test_crash_of_the_asker_ends_the_ping() -> None:
    # At 0.75 client 1's answer is back, client 2's is under way, client 3 not yet reached.
    network = tiny.network(FOUR, [16.0] * 4)
    ping = network.ping(0, PEERS, 8.0)
    at(network, 0.75, lambda: network.node_down(0))
    tiny.run(network.clock, 10.0)
    assert not happened(ping.replied)
    assert settled(network) == {
        "sent": 5, "delivered": 3, "in_flight": 0, "receiver_down": 2
    }  # fmt: skip


def test_ping_at_the_end_of_a_run_is_in_flight() -> None:
    network = tiny.network(FOUR, [16.0] * 4)
    network.ping(0, PEERS, 8.0)
    tiny.run(network.clock, 0.75)
    assert settled(network) == {"sent": 5, "delivered": 3, "in_flight": 2}


def test_ping_of_nobody_is_over_at_once() -> None:
    network = tiny.network(FOUR, [16.0] * 4)
    ping = network.ping(0, PEERS[:0], 8.0)
    tiny.run(network.clock, 0.0)
    assert happened(ping.replied)


def test_who_is_asked_changes_nobody_elses_luck() -> None:
    def answered(peers: list[int]) -> dict[int, bool]:
        network = tiny.network(0.25, [16.0] * 20, packet_loss=0.3)
        ping = network.ping(0, np.array(peers), 8.0)
        tiny.run(network.clock, 10.0)
        return dict(zip(peers, ping.answered.tolist(), strict=True))

    everybody, few = answered(list(range(1, 20))), answered([3, 8, 17])
    assert few == {peer: everybody[peer] for peer in few}
    assert set(everybody.values()) == {True, False}


@pytest.mark.parametrize("symmetric", [False, True])
def test_ping_pays_the_latency_of_each_way(symmetric: bool) -> None:
    # There 0.25 s, back 0.5 s, or with links that are alike both ways 0.25 s again.
    latency_s = [[0, 0.25], [0.25 if symmetric else 0.5, 0]]
    network = tiny.network(latency_s, [1.0, 1.0])
    ping = network.ping(0, np.array([1]), 2.0)
    ping.replied.callbacks.append(lambda _: replied.append(network.clock.now))
    replied: list[float] = []
    tiny.run(network.clock, 2.0)
    assert replied == [0.5 if symmetric else 0.75]


def answered_at(network: Network, peers: list[int], timeout_s: float | None = None) -> list[float]:
    ping = network.ping(0, np.array(peers), timeout_s)
    at_s: list[float] = []
    assert ping.replied.callbacks is not None
    ping.replied.callbacks.append(lambda _: at_s.append(network.clock.now))
    tiny.run(network.clock, 100.0)
    return at_s


@pytest.mark.parametrize(
    ("down", "replied_s"),
    [
        ([], 4.0),  # Client 3's answer.
        ([1], 4.0),  # A round trip of 0.5 s is waited for 1.5 s, and no other one for longer.
        ([2], 4.0),
        ([3], 12.0),  # Three round trips of 4 s.
        ([1, 2, 3], 12.0),
    ],
)
def test_each_pair_is_waited_for_as_long_as_three_round_trips(
    down: list[int], replied_s: float
) -> None:
    network = tiny.network(FOUR, [16.0] * 4)
    for peer in down:
        network.node_down(peer)
    assert answered_at(network, [1, 2, 3]) == [replied_s]


@pytest.mark.parametrize(("latency_s", "replied_s"), [(0.125, 1.0), (0.25, 1.5)])
def test_an_answer_is_waited_for_at_least_a_second(latency_s: float, replied_s: float) -> None:
    network = tiny.network(latency_s, [16.0] * 2)
    network.node_down(1)
    assert answered_at(network, [1]) == [replied_s]


def test_a_given_time_out_holds_for_all_pairs() -> None:
    network = tiny.network(FOUR, [16.0] * 4)
    network.node_down(1)
    assert answered_at(network, [1, 2], 8.0) == [8.0]


def test_what_a_partition_blocks_has_not_answered_in_time() -> None:
    network = tiny.network(FOUR, [16.0] * 4)
    network.split("cut", Cut(Windows([(0.0, 0.125)]), np.array([0, 1, 0, 0])))
    assert answered_at(network, [1, 2]) == [1.5]
    assert settled(network)["partition"] == 1


@pytest.mark.parametrize(
    ("asker", "direction", "reached"),
    # Client 1 is named.
    [
        (0, "both", False),
        (0, "in", False),
        (0, "out", True),
        (1, "both", False),
        (1, "in", True),
        (1, "out", False),
    ],
)
def test_a_cut_of_one_way_stops_a_question_or_its_answer(
    asker: int, direction: Direction, reached: bool
) -> None:
    network = tiny.network(0.25, [16.0] * 2)
    network.split("cut", Cut(Windows([(0.0, 9.0)]), np.array([0, 1]), direction))
    ping = network.ping(asker, np.array([1 - asker]), 8.0)
    tiny.run(network.clock, 10.0)
    assert ping.answered.tolist() == [False]
    assert settled(network) == {
        "sent": 1 + reached, "delivered": int(reached), "in_flight": 0, "partition": 1
    }  # fmt: skip


def test_a_ping_through_degraded_links() -> None:
    # Client 1's answer is sent at 0.25, when links are quick; client 2 is reached 1 s later, and
    # its answer of 1.5 takes 1 s more, too. Nobody knows to wait for more than three round trips.
    network = tiny.network(FOUR, [16.0] * 4)
    slow = Windows([(0.5, 9.0)])
    network.degrade("slow", Degraded(4, 1.0, 1.0, [([1], slow), ([2], Windows([(0.0, 9.0)]))]))
    ping = network.ping(0, np.array([1, 2]))
    tiny.run(network.clock, 10.0)
    assert ping.reached_s.tolist() == [0.25, 1.5]
    assert ping.answered.tolist() == [True, True]
    assert tiny.events(network.trace, "ping") == [
        (0.0, 3.0, "client_0", "ping", "", "asked=2 answered=2")
    ]


def test_nobody_waits_for_longer_because_links_are_degraded() -> None:
    # Three round trips of 0.5 s, and the answer would take 2.5 s.
    network = tiny.network(FOUR, [16.0] * 4)
    network.degrade("slow", Degraded(4, 1.0, 1.0, [([1], Windows([(0.0, 9.0)]))]))
    assert answered_at(network, [1]) == [1.5]
    assert settled(network)["late"] == 1
