"""Delivery: latency, bandwidth, loss, partitions, crashes, and what the tally says of them."""

from typing import Any

import numpy as np
import pytest
import simpy

from sim.world.clock import Tie
from sim.world.network import Network, Transfer
from tests.sim import tiny


def settled(network: Network) -> dict[str, int]:
    """How the messages ended; the end of a run checks that none is missing."""
    in_flight = network.end()
    tally = network.tally
    assert tally.sent == tally.delivered + sum(tally.lost.values()) + in_flight
    return {
        "sent": tally.sent,
        "delivered": tally.delivered,
        "in_flight": in_flight,
        **{cause: number for cause, number in tally.lost.items() if number},
    }


def at(network: Network, time_s: float, act: Any, tie: Tie = Tie.FAULT) -> None:
    event = network.clock.at(time_s, tie)
    assert event.callbacks is not None
    event.callbacks.append(lambda _: act())


def happened(event: simpy.Event) -> bool:
    return event.triggered


def send(network: Network, size_bytes: int, arrivals: list[float], **more: Any) -> Transfer:
    return network.send(
        0, 1, size_bytes, delivered=lambda _: arrivals.append(network.clock.now), **more
    )


def test_transfer_takes_latency_and_size_over_bandwidth() -> None:
    # 0.25 s, then 64 B at min(16, 8) = 8 B/s.
    network = tiny.network(0.25, [16.0, 8.0])
    arrivals: list[float] = []
    send(network, 64, arrivals)
    tiny.run(network.clock, 100.0)
    assert arrivals == [8.25]
    assert tiny.events(network.trace) == [(0.0, 8.25, "client_0", "transfer", "client_1", "")]
    assert network.trace.rows[0].bytes == 64
    assert network.tally.bytes_delivered == 64


def test_control_message_pays_latency_only() -> None:
    network = tiny.network([[0, 0.25], [0.5, 0]], [1e-3, 1e-3])
    arrivals: list[float] = []
    transfer = send(network, 0, arrivals, acknowledge=True)
    tiny.run(network.clock, 0.5)
    assert arrivals == [0.25]
    assert not happened(transfer.acknowledged)
    tiny.run(network.clock, 0.75)
    assert happened(transfer.acknowledged)
    assert tiny.events(network.trace) == []
    assert settled(network) == {"sent": 2, "delivered": 2, "in_flight": 0}


def test_two_transfers_share_an_uplink() -> None:
    # 64 B each at 16 B/s, the second sent at 2: rates 16, then 8 and 8, then 16 for the second.
    network = tiny.network(0.5, [16.0, 16.0, 16.0], sharing="max_min")
    network.send(0, 1, 64)
    at(network, 2.0, lambda: network.send(0, 2, 64))
    tiny.run(network.clock, 100.0)
    assert tiny.events(network.trace) == [
        (0.0, 6.5, "client_0", "transfer", "client_1", ""),
        (2.0, 6.5, "client_0", "transfer", "client_2", ""),
    ]


@pytest.mark.parametrize(("size", "kind"), [(0, "message_lost"), (64, "transfer_lost")])
def test_lost_message_never_arrives(size: int, kind: str) -> None:
    streams = tiny.scripted(("packet_loss", "client_0", 1))
    network = tiny.network(0.25, [16.0, 16.0], streams=streams, packet_loss=0.5)
    arrivals: list[float] = []
    for _ in range(3):
        send(network, size, arrivals)
    tiny.run(network.clock, 100.0)
    assert len(arrivals) == 2
    lost = [event for event in tiny.events(network.trace) if event[3] == kind]
    assert lost == [(0.0, 0.0, "client_0", kind, "client_1", "loss")]
    assert settled(network) == {"sent": 3, "delivered": 2, "in_flight": 0, "loss": 1}


def test_share_of_lost_messages_is_the_probability() -> None:
    network = tiny.network(0.25, [16.0, 16.0], packet_loss=0.3)
    for _ in range(4000):
        network.send(0, 1)
    tiny.run(network.clock, 1.0)
    # Three standard deviations of a binomial proportion.
    share = network.tally.lost["loss"] / 4000
    assert abs(share - 0.3) < 3 * np.sqrt(0.3 * 0.7 / 4000)


def test_partition_breaks_a_transfer_and_heals_during_the_next() -> None:
    # The partition stands from 1 to 3. A transfer of 4 s that is under way at 1 breaks; one that is
    # sent at 2.5 is lost although it would arrive after the healing; one sent at 3 arrives.
    network = tiny.network(0.25, [16.0, 16.0])
    network.split("cut", 1.0, 3.0, np.array([0, 1]))
    arrivals: list[float] = []
    send(network, 64, arrivals)
    at(network, 2.5, lambda: send(network, 64, arrivals))
    at(network, 3.0, lambda: send(network, 64, arrivals))
    tiny.run(network.clock, 100.0)
    assert tiny.events(network.trace) == [
        (0.0, 1.0, "client_0", "transfer_lost", "client_1", "partition"),
        (1.0, 0.0, "", "partition", "", "cut"),
        (2.5, 0.0, "client_0", "transfer_lost", "client_1", "partition"),
        (3.0, 0.0, "", "heal", "", "cut"),
        (3.0, 4.25, "client_0", "transfer", "client_1", ""),
    ]
    assert arrivals == [7.25]


def test_partition_leaves_transfers_within_a_group() -> None:
    groups = np.array([0, 0, 1])
    network = tiny.network(0.25, [16.0] * 3)
    network.split("cut", 1.0, 3.0, groups)
    network.send(0, 1, 64)
    network.send(0, 2, 64)
    tiny.run(network.clock, 100.0)
    assert settled(network) == {"sent": 2, "delivered": 1, "in_flight": 0, "partition": 1}


@pytest.mark.parametrize(("crashed", "cause"), [(0, "sender_down"), (1, "receiver_down")])
@pytest.mark.parametrize("time_s", [0.125, 2.0])
def test_crash_in_a_transfer(crashed: int, cause: str, time_s: float) -> None:
    # Once while the first bit is on the wire, once while bytes flow.
    network = tiny.network(0.25, [16.0, 16.0])
    arrivals: list[float] = []
    send(network, 64, arrivals)
    at(network, time_s, lambda: network.node_down(crashed))
    tiny.run(network.clock, 100.0)
    assert arrivals == []
    assert tiny.events(network.trace) == [
        (0.0, time_s, "client_0", "transfer_lost", "client_1", cause)
    ]
    assert network.flows.running == 0


def test_crash_frees_the_link_for_others() -> None:
    # Two flows of 64 B into a downlink of 16 B/s, 8 B/s each; at 2 one sender crashes.
    network = tiny.network(0.0, [16.0] * 3, sharing="max_min")
    network.send(0, 2, 64)
    network.send(1, 2, 64)
    at(network, 2.0, lambda: network.node_down(0))
    tiny.run(network.clock, 100.0)
    assert tiny.events(network.trace)[1] == (0.0, 5.0, "client_1", "transfer", "client_2", "")


def test_control_message_outlives_its_sender_but_not_its_receiver() -> None:
    network = tiny.network(0.25, [16.0, 16.0])
    arrivals: list[float] = []
    send(network, 0, arrivals)
    at(network, 0.125, lambda: network.node_down(0))
    tiny.run(network.clock, 0.25)
    assert arrivals == [0.25]
    at(network, 0.25, lambda: network.node_up(0))
    at(network, 0.5, lambda: send(network, 0, arrivals))
    at(network, 0.625, lambda: network.node_down(1))
    tiny.run(network.clock, 10.0)
    assert arrivals == [0.25]
    assert settled(network)["receiver_down"] == 1


def test_message_under_way_at_the_end_is_in_flight() -> None:
    network = tiny.network(0.25, [16.0, 16.0])
    network.send(0, 1, 64)
    network.send(0, 1)
    tiny.run(network.clock, 1.0)
    assert settled(network) == {"sent": 2, "delivered": 1, "in_flight": 1}


def test_cancelled_transfer_is_lost_once() -> None:
    network = tiny.network(0.25, [16.0, 16.0])
    arrivals: list[float] = []
    transfer = send(network, 64, arrivals)
    at(network, 1.0, lambda: network.cancel(transfer))
    at(network, 2.0, lambda: network.cancel(transfer))
    tiny.run(network.clock, 100.0)
    assert arrivals == []
    assert settled(network) == {"sent": 1, "delivered": 0, "in_flight": 0, "timeout": 1}


# -- pings -----------------------------------------------------------------------------------------

FOUR = [[0, 0.25, 0.5, 2.0], [0.25, 0, 1, 1], [0.5, 1, 0, 1], [2.0, 1, 1, 0]]
PEERS = np.array([1, 2, 3])


def test_ping_ends_with_the_last_answer() -> None:
    network = tiny.network(FOUR, [16.0] * 4)
    ping = network.ping(0, PEERS, 8.0, 0)
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
    ping = network.ping(0, PEERS, 3.5, 0)
    tiny.run(network.clock, 10.0)
    assert ping.answered.tolist() == [True, True, False]
    assert tiny.events(network.trace) == [(0.0, 3.5, "client_0", "ping", "", "asked=3 answered=2")]
    assert settled(network) == {"sent": 6, "delivered": 5, "in_flight": 0, "late": 1}


def test_ping_meets_a_dead_peer_a_lost_question_and_a_lost_answer() -> None:
    # Client 1 is down from 0.125 and no longer answers; the question to client 2 is lost; client 3
    # answers, and its answer is lost: 3 questions and 1 answer sent, 1 question delivered.
    streams = tiny.scripted(("ping_loss", "client_0", 0, 2), ("pong_loss", "client_0", 0, 3))
    network = tiny.network(FOUR, [16.0] * 4, streams=streams, packet_loss=0.5)
    ping = network.ping(0, PEERS, 8.0, 0)
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
    ping = network.ping(0, PEERS, 8.0, 0)
    at(network, 0.25, lambda: network.node_down(1))
    tiny.run(network.clock, 10.0)
    assert ping.answered.tolist() == [True, True, True]


def test_partition_between_question_and_answer() -> None:
    # From 0.375 on clients 0 and 1 are cut off from 2 and 3: client 1 has answered; the question to
    # client 2 arrives at 0.5 (it was sent before), its answer finds the partition; so does 3's.
    groups = np.array([0, 0, 1, 1])
    network = tiny.network(FOUR, [16.0] * 4)
    network.split("cut", 0.375, 5.0, groups)
    ping = network.ping(0, PEERS, 8.0, 0)
    tiny.run(network.clock, 10.0)
    assert ping.answered.tolist() == [True, False, False]
    assert settled(network) == {"sent": 6, "delivered": 4, "in_flight": 0, "partition": 2}


def test_crash_of_the_asker_ends_the_ping() -> None:
    # At 0.75 client 1's answer is back, client 2's is under way, client 3 not yet reached.
    network = tiny.network(FOUR, [16.0] * 4)
    ping = network.ping(0, PEERS, 8.0, 0)
    at(network, 0.75, lambda: network.node_down(0))
    tiny.run(network.clock, 10.0)
    assert not happened(ping.replied)
    assert settled(network) == {
        "sent": 5, "delivered": 3, "in_flight": 0, "receiver_down": 2
    }  # fmt: skip


def test_ping_at_the_end_of_a_run_is_in_flight() -> None:
    network = tiny.network(FOUR, [16.0] * 4)
    network.ping(0, PEERS, 8.0, 0)
    tiny.run(network.clock, 0.75)
    assert settled(network) == {"sent": 5, "delivered": 3, "in_flight": 2}


def test_ping_of_nobody_is_over_at_once() -> None:
    network = tiny.network(FOUR, [16.0] * 4)
    ping = network.ping(0, PEERS[:0], 8.0, 0)
    tiny.run(network.clock, 0.0)
    assert happened(ping.replied)


def test_who_is_asked_changes_nobody_elses_luck() -> None:
    def answered(peers: list[int]) -> dict[int, bool]:
        network = tiny.network(0.25, [16.0] * 20, packet_loss=0.3)
        ping = network.ping(0, np.array(peers), 8.0, 4)
        tiny.run(network.clock, 10.0)
        return dict(zip(peers, ping.answered.tolist(), strict=True))

    everybody, few = answered(list(range(1, 20))), answered([3, 8, 17])
    assert few == {peer: everybody[peer] for peer in few}
    assert set(everybody.values()) == {True, False}


@pytest.mark.parametrize("symmetric", [False, True])
def test_ping_pays_the_latency_of_each_way(symmetric: bool) -> None:
    # There 0.25 s, back 0.5 s, or with links that are alike both ways 0.25 s again.
    latency_s = [[0, 0.25], [0.25 if symmetric else 0.5, 0]]
    network = tiny.network(latency_s, [1.0, 1.0], symmetric=symmetric)
    ping = network.ping(0, np.array([1]), 2.0, 0)
    ping.replied.callbacks.append(lambda _: replied.append(network.clock.now))
    replied: list[float] = []
    tiny.run(network.clock, 2.0)
    assert replied == [0.5 if symmetric else 0.75]
