"""Delivery: latency, bandwidth, loss, partitions, crashes, and what the tally says of them."""

from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.world.clock import Tie
from sim.world.links.flows import Sharing
from sim.world.links.windows import Cut, Degraded, Direction, Windows
from sim.world.network import Network, Transfer
from sim.world.transport import Tcp, fastest
from tests.sim import tiny
from tests.sim.world.messages import at, happened, settled


def send(network: Network, size_bytes: int, arrivals: list[float], **more: Any) -> Transfer:
    return network.send(
        0, 1, size_bytes, delivered=lambda _: arrivals.append(network.clock.now), **more
    )


class Told:
    """A message from client 0 to client 1, when it arrived, and when its failure was known."""

    def __init__(self, network: Network, size_bytes: int) -> None:
        self.at_s: list[float] = []
        self.delivered_s: list[float] = []
        self.transfer = network.send(
            0,
            1,
            size_bytes,
            delivered=lambda _: self.delivered_s.append(network.clock.now),
            failed=lambda _: self.at_s.append(network.clock.now),
            acknowledge=True,
            purpose="ask",
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
    assert not happened(transfer.settled)
    tiny.run(network.clock, 0.75)
    assert transfer.settled.value is True
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


# -- loss ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("luck", "latency_s", "arrives_s"),
    [
        (0.5, 0.25, 0.25),  # At the first try.
        (0.3, 0.25, 1.25),  # The first copy is lost, the next is sent after 1 s,
        (0.2, 0.25, 3.25),  # after 2 s more,
        (0.1, 0.25, 7.25),  # after 4 s more.
        (0.3, 2.0, 6.0),  # A round trip of 4 s is waited for.
        (0.2, 2.0, 14.0),
    ],
)
def test_loss_delays_a_control_message(luck: float, latency_s: float, arrives_s: float) -> None:
    streams = tiny.scripted(lucks={("ask", 0, 1, 1): luck})
    network = tiny.network(latency_s, [16.0, 16.0], streams=streams, packet_loss=0.5)
    arrivals: list[float] = []
    for _ in range(2):
        send(network, 0, arrivals, purpose="ask")
    tiny.run(network.clock, 100.0)
    assert arrivals == [latency_s, arrives_s]
    assert settled(network) == {"sent": 2, "delivered": 2, "in_flight": 0}


def test_control_message_that_is_lost_for_too_long() -> None:
    # Copies are sent at 0, 1, 3, 7 and 15; the next would be at 31, after the stall time-out.
    streams = tiny.scripted(lucks={("ask", 0, 1): 0.02})
    network = tiny.network(0.25, [16.0, 16.0], streams=streams, packet_loss=0.5)
    told = Told(network, 0)
    tiny.run(network.clock, 100.0)
    assert told.at_s == [30.0]
    assert tiny.events(network.trace) == [
        (0.0, 30.0, "client_0", "message_lost", "client_1", "loss")
    ]
    assert settled(network) == {"sent": 1, "delivered": 0, "in_flight": 0, "loss": 1}


def test_delay_by_loss_is_as_rare_as_the_loss_says() -> None:
    network = tiny.network(0.25, [16.0, 16.0], packet_loss=0.3)
    arrivals: list[float] = []
    for _ in range(4000):
        send(network, 0, arrivals)
    tiny.run(network.clock, 100.0)
    for copies, at_s in enumerate([0.25, 1.25, 3.25]):
        chance = 0.3**copies * 0.7
        # Three standard deviations of a binomial proportion.
        bound = 3 * np.sqrt(chance * (1 - chance) / 4000)
        assert abs(arrivals.count(at_s) / 4000 - chance) < bound


@pytest.mark.parametrize(
    ("cut_s", "arrives_s"),
    [
        (0.5, 5.25),  # The first copy is lost before; the second, of 1 s, is held until 5.
        (0.0, 6.25),  # The first is held and lost all the same; the second follows after 1 s.
    ],
)
def test_partition_holds_a_copy_whether_it_is_lost_or_not(cut_s: float, arrives_s: float) -> None:
    streams = tiny.scripted(lucks={("message", 0, 1): 0.3})
    network = tiny.network(0.25, [16.0, 16.0], streams=streams, packet_loss=0.5)
    network.split("cut", Cut(Windows([(cut_s, 5.0)]), np.array([0, 1])))
    arrivals: list[float] = []
    send(network, 0, arrivals)
    tiny.run(network.clock, 100.0)
    assert arrivals == [arrives_s]


def test_a_transfer_may_go_missing_as_a_whole() -> None:
    # Three in turn, of 4 s each; the second one's last byte is at 8.25.
    streams = tiny.scripted(("transfer_loss", 0, 1, 1))
    network = tiny.network(0.25, [16.0, 16.0], streams=streams, transfer_loss=0.5)
    told = []
    for time_s in (0.0, 4.0, 8.0):
        at(network, time_s, lambda: told.append(Told(network, 64)))
    tiny.run(network.clock, 100.0)
    assert [each.at_s for each in told] == [[], [8.25], []]
    assert tiny.events(network.trace)[1] == (
        4.0, 4.25, "client_0", "transfer_lost", "client_1", "loss"
    )  # fmt: skip
    assert settled(network) == {"sent": 5, "delivered": 4, "in_flight": 0, "loss": 1}


def test_loss_bounds_the_rate_of_a_transfer_and_leaves_the_rest_to_others() -> None:
    # Two senders into a downlink of 2^20 B/s. The far one is held to `fastest`; the near one, whose
    # bound is above all links, gets what is left.
    capacity = 2.0**20
    latency_s = [[0, 0, 0.5], [0, 0, 1e-6], [0.5, 1e-6, 0]]
    bound = fastest(0.001, 1.0)
    assert bound < capacity / 4 and fastest(0.001, 2e-6) > capacity
    for sharing, near in (
        ("max_min", capacity - bound),
        ("equal", capacity / 2),
        ("none", capacity),
    ):
        network = tiny.network(latency_s, [capacity] * 3, sharing=sharing, packet_loss=0.001)
        far, other = network.send(0, 2, 2**30), network.send(1, 2, 2**30)
        tiny.run(network.clock, 1.0)
        assert far.flow is not None and other.flow is not None
        assert tuple(map(network.flows.rate_of, (far.flow, other.flow))) == (bound, near)


@pytest.mark.parametrize("purpose", ["ask", "update", "acknowledgement"])
def test_one_message_more_shifts_no_other_ones_luck(purpose: str) -> None:
    def arrivals(extra: bool) -> list[float]:
        network = tiny.network(0.25, [16.0] * 3, packet_loss=0.5)
        found: list[float] = []
        for _ in range(50):
            if extra:
                network.send(0, 1, purpose="another")
                network.send(1, 0, purpose=purpose)
                network.send(0, 2, purpose=purpose)
                network.ping(0, np.array([1]))
            send(network, 0, found, purpose=purpose)
        tiny.run(network.clock, 100.0)
        return found

    alone = arrivals(False)
    assert len(set(alone)) > 2
    assert arrivals(True) == alone


# -- partitions ------------------------------------------------------------------------------------


def test_transfer_frozen_by_a_partition_goes_on_with_what_remained() -> None:
    # 64 B at 16 B/s from 0.25 on. From 1 to 3 nothing passes: 52 B are left, until 6.25.
    network = tiny.network(0.25, [16.0, 16.0])
    network.split("cut", Cut(Windows([(1.0, 3.0)]), np.array([0, 1])))
    told = Told(network, 64)
    tiny.run(network.clock, 2.0)
    assert network.flows.running == 0
    tiny.run(network.clock, 100.0)
    assert tiny.events(network.trace) == [
        (1.0, 0.0, "", "partition", "", "cut"),
        (3.0, 0.0, "", "heal", "", "cut"),
        (0.0, 6.25, "client_0", "transfer", "client_1", ""),
    ]
    assert told.at_s == []


def test_transfer_frozen_for_too_long_is_lost_to_both_ends() -> None:
    network = tiny.network(0.25, [16.0, 16.0])
    network.split("cut", Cut(Windows([(1.0, 31.0)]), np.array([0, 1])))
    told = Told(network, 64)
    tiny.run(network.clock, 100.0)
    assert tiny.events(network.trace, "transfer_lost") == [
        (0.0, 31.0, "client_0", "transfer_lost", "client_1", "partition")
    ]
    assert told.at_s == [31.0] and told.transfer.settled.value is False


@pytest.mark.parametrize("size", [0, 64])
def test_what_is_sent_in_a_partition_waits_for_its_end(size: int) -> None:
    network = tiny.network(0.25, [16.0, 16.0])
    network.split("cut", Cut(Windows([(1.0, 3.0)]), np.array([0, 1])))
    network.split("again", Cut(Windows([(3.0, 4.0)]), np.array([1, 0])))
    arrivals: list[float] = []
    at(network, 2.5, lambda: send(network, size, arrivals))
    at(network, 4.0, lambda: send(network, size, arrivals))
    tiny.run(network.clock, 100.0)
    assert arrivals == [4.25 + size / 16.0] * 2


@pytest.mark.parametrize("size", [0, 64])
def test_what_is_sent_in_a_long_partition_is_lost(size: int) -> None:
    network = tiny.network(0.25, [16.0, 16.0])
    network.split("cut", Cut(Windows([(1.0, 32.0)]), np.array([0, 1])))
    told = []
    at(network, 2.0, lambda: told.append(Told(network, size)))
    tiny.run(network.clock, 100.0)
    assert told[0].at_s == [32.0]
    assert settled(network) == {"sent": 1, "delivered": 0, "in_flight": 0, "partition": 1}


def test_control_message_on_the_wire_passes_a_partition_that_begins() -> None:
    network = tiny.network(0.25, [16.0, 16.0])
    network.split("cut", Cut(Windows([(0.125, 100.0)]), np.array([0, 1])))
    arrivals: list[float] = []
    send(network, 0, arrivals)
    tiny.run(network.clock, 1.0)
    assert arrivals == [0.25]


def test_acknowledgement_may_be_lost_by_a_partition() -> None:
    # The last byte arrives at 4.25, as the partition begins: it is there, but nobody can say so.
    network = tiny.network(0.25, [16.0, 16.0])
    network.split("cut", Cut(Windows([(4.25, 100.0)]), np.array([0, 1])))
    told = Told(network, 64)
    tiny.run(network.clock, 100.0)
    assert told.delivered_s == [4.25]
    assert told.at_s == [34.25] and told.transfer.settled.value is False
    assert settled(network) == {"sent": 2, "delivered": 1, "in_flight": 0, "partition": 1}


def test_who_crashes_does_not_send_again_what_was_held_up() -> None:
    # The acknowledgement of 4.25 is held up until 10; client 1, which would send it, crashes at 5.
    network = tiny.network(0.25, [16.0, 16.0])
    network.split("cut", Cut(Windows([(4.25, 10.0)]), np.array([0, 1])))
    told = Told(network, 64)
    at(network, 5.0, lambda: network.node_down(1))
    tiny.run(network.clock, 100.0)
    assert told.at_s == [34.25] and told.transfer.settled.value is False
    assert settled(network)["sender_down"] == 1


def test_partition_leaves_transfers_within_a_group() -> None:
    groups = np.array([0, 0, 1])
    network = tiny.network(0.25, [16.0] * 3)
    network.split("cut", Cut(Windows([(1.0, 3.0)]), groups))
    network.send(0, 1, 64)
    network.send(0, 2, 64)
    tiny.run(network.clock, 4.25)
    assert settled(network) == {"sent": 2, "delivered": 1, "in_flight": 1}


def test_a_link_that_flaps_holds_up_a_transfer_each_time() -> None:
    # Of 64 B at 16 B/s from 0.25 on, 12 come by 1, 16 from 3 to 4, 16 from 6 to 7; 20 are left.
    network = tiny.network(0.25, [16.0, 16.0], stall_timeout_s=2.5)
    network.split("cut", Cut(Windows([(1.0, 3.0), (4.0, 6.0), (7.0, 9.0)]), np.array([0, 1])))
    told = Told(network, 64)
    tiny.run(network.clock, 100.0)
    assert tiny.events(network.trace) == [
        (1.0, 0.0, "", "partition", "", "cut"),
        (3.0, 0.0, "", "heal", "", "cut"),
        (4.0, 0.0, "", "partition", "", "cut"),
        (6.0, 0.0, "", "heal", "", "cut"),
        (7.0, 0.0, "", "partition", "", "cut"),
        (9.0, 0.0, "", "heal", "", "cut"),
        (0.0, 10.25, "client_0", "transfer", "client_1", ""),
    ]
    assert told.at_s == []


def test_a_link_that_flaps_breaks_a_transfer_when_it_does_not_heal_in_time() -> None:
    network = tiny.network(0.25, [16.0, 16.0], stall_timeout_s=2.5)
    network.split("cut", Cut(Windows([(1.0, 3.0), (4.0, 6.5)]), np.array([0, 1])))
    told = Told(network, 64)
    tiny.run(network.clock, 100.0)
    assert tiny.events(network.trace, "transfer", "transfer_lost") == [
        (0.0, 6.5, "client_0", "transfer_lost", "client_1", "partition")
    ]
    assert told.at_s == [6.5]


@pytest.mark.parametrize("direction", ["both", "out", "in"])
@pytest.mark.parametrize("groups", [[0, 1], [1, 0]])
def test_a_cut_of_either_way_holds_up_what_needs_both(
    direction: Direction, groups: list[int]
) -> None:
    # As when both are cut: 52 of 64 B are left at 1, and the message waits from 2 to 3.
    network = tiny.network(0.25, [16.0, 16.0])
    network.split("cut", Cut(Windows([(1.0, 3.0)]), np.array(groups), direction))
    arrivals: list[float] = []
    send(network, 64, arrivals)
    at(network, 2.0, lambda: send(network, 0, arrivals))
    tiny.run(network.clock, 100.0)
    assert arrivals == [3.25, 6.25]


# -- degraded links --------------------------------------------------------------------------------


def degraded(
    network: Network, share: float, latency_s: float, *struck: tuple[int, float, float]
) -> None:
    """`struck`: a node, from when to when."""
    rows = [([node], Windows([(from_s, to_s)])) for node, from_s, to_s in struck]
    network.degrade("slow", Degraded(len(network.wiring.names), share, latency_s, rows))


@pytest.mark.parametrize("sharing", ["max_min", "equal", "none"])
@pytest.mark.parametrize("struck", [0, 1])
def test_transfer_through_links_that_get_slow(sharing: Sharing, struck: int) -> None:
    # 64 B at 16 B/s from 0.25 on: 28 by 2, then 8 by 4 at a quarter of the rate, 28 left: 1.75 s.
    network = tiny.network(0.25, [16.0, 16.0], sharing=sharing)
    degraded(network, 0.25, 0.0, (struck, 2.0, 4.0))
    told = Told(network, 64)
    tiny.run(network.clock, 100.0)
    name = f"client_{struck}"
    assert tiny.events(network.trace) == [
        (2.0, 0.0, name, "degrade", "", "cause=slow factor=4.0"),
        (4.0, 0.0, name, "degrade", "", "cause=slow factor=1.0"),
        (0.0, 5.75, "client_0", "transfer", "client_1", ""),
    ]
    assert told.at_s == [] and network.flows.carried.tolist() == [64.0, 0.0, 0.0, 64.0]


def test_several_that_degrade_a_link_multiply_and_add_up() -> None:
    # Half from 2 to 6, a quarter of that from 4 to 8: of 128 B at 16 B/s 32 come by 2, 16 by 4,
    # 4 by 6, 8 by 8; 68 are left. A message takes 0.25 s, and 1 s more each time.
    network = tiny.network(0.25, [16.0, 16.0])
    degraded(network, 0.5, 1.0, (0, 2.0, 6.0))
    degraded(network, 0.25, 1.0, (0, 4.0, 8.0))
    at(network, 0.0, lambda: network.send(0, 1, 124))
    arrivals: list[float] = []
    for time_s in (1.0, 2.0, 4.0, 6.0, 8.0):
        at(network, time_s, lambda: send(network, 0, arrivals), Tie.TIMEOUT)
    tiny.run(network.clock, 100.0)
    assert tiny.events(network.trace, "transfer")[0][1] == 12.25
    assert sorted(arrivals) == [1.25, 3.25, 6.25, 7.25, 8.25]


def test_a_message_may_overtake_one_that_was_sent_when_links_were_slow() -> None:
    network = tiny.network(0.25, [16.0, 16.0])
    degraded(network, 1.0, 2.0, (0, 0.0, 1.0))
    told: list[float] = []

    def offer() -> None:
        network.send(0, 1, delivered=lambda transfer: told.append(transfer.start_s))

    for time_s in (0.5, 1.0):
        at(network, time_s, offer)
    tiny.run(network.clock, 100.0)
    assert told == [1.0, 0.5]
    # With less bandwidth a transfer takes longer by a factor; with more latency alone it doesn't.
    assert [row.factor for row in network.trace.rows] == [None, 1.0]


def test_what_waits_for_a_partition_takes_as_long_as_when_it_is_sent() -> None:
    # Held up until 3, when links are slow; the answer, sent at 4.25, is quick again.
    network = tiny.network(0.25, [16.0, 16.0])
    network.split("cut", Cut(Windows([(1.0, 3.0)]), np.array([0, 1])))
    degraded(network, 1.0, 1.0, (1, 2.0, 4.0))
    told: list[Told] = []
    at(network, 1.5, lambda: told.append(Told(network, 0)))
    tiny.run(network.clock, 4.5)
    assert told[0].delivered_s == [4.25] and told[0].transfer.settled.value is True


def test_a_slow_message_is_not_held_up_and_outlives_its_sender() -> None:
    network = tiny.network(0.25, [16.0, 16.0])
    degraded(network, 1.0, 2.0, (0, 0.0, 9.0))
    arrivals: list[float] = []
    send(network, 0, arrivals)
    at(network, 1.0, lambda: network.node_down(0))
    tiny.run(network.clock, 100.0)
    assert arrivals == [2.25]


def test_who_is_back_resets_what_is_open_through_slow_links() -> None:
    network = tiny.network(0.25, [16.0, 16.0])
    degraded(network, 1.0, 2.0, (0, 5.0, 9.0))
    told = Told(network, 64)
    at(network, 2.0, lambda: network.node_down(1))
    at(network, 6.0, lambda: network.node_up(1))
    tiny.run(network.clock, 100.0)
    assert told.at_s == [8.25]


def test_what_takes_longer_than_anybody_waits_for_a_byte_is_late() -> None:
    network = tiny.network(0.25, [16.0, 16.0], stall_timeout_s=2.0)
    degraded(network, 1.0, 1.875, (0, 0.0, 1.0))
    told = Told(network, 64)
    tiny.run(network.clock, 100.0)
    assert told.at_s == [2.0]
    assert settled(network) == {"sent": 1, "delivered": 0, "in_flight": 0, "late": 1}


def test_longer_round_trips_lower_the_bound_that_loss_sets() -> None:
    capacity = 2.0**40
    network = tiny.network(0.25, [capacity] * 2, packet_loss=0.001)
    degraded(network, 1.0, 0.5, (0, 2.0, 4.0))
    transfer = network.send(0, 1, 2**30)
    for time_s, round_trip_s in ((1.0, 0.5), (3.0, 1.5), (5.0, 0.5)):
        tiny.run(network.clock, time_s)
        assert transfer.flow is not None
        assert network.flows.rate_of(transfer.flow) == fastest(0.001, round_trip_s)


def test_tcp_on_a_degraded_link() -> None:
    # A way takes 1.25 s until 12: the first byte is there at 10, and 20 B come each round trip of
    # 2.5 s, from 12 on of 0.5 s.
    tcp = Tcp.model_validate(
        {"kind": "tcp", "latency_factor": 8.0, "bandwidth_factor": 1.0, "window": "20 B"}
    )
    network = tiny.network(0.25, [2.0**20] * 2, transport=tcp)
    degraded(network, 0.5, 1.0, (1, 0.0, 12.0))
    transfer = network.send(0, 1, 80)
    for time_s, rate in ((11.0, 8.0), (12.5, 40.0)):
        tiny.run(network.clock, time_s)
        assert transfer.flow is not None and network.flows.rate_of(transfer.flow) == rate
    # 16 B by 12, the other 64 at 40 B/s.
    tiny.run(network.clock, 100.0)
    assert tiny.events(network.trace, "transfer") == [
        (0.0, 13.6, "client_0", "transfer", "client_1", "")
    ]


def test_window_bounds_what_flows_when_links_without_latency_get_slow() -> None:
    tcp = Tcp.model_validate({"kind": "tcp", "bandwidth_factor": 1.0, "window": "20 B"})
    network = tiny.network(0.0, [8.0] * 2, transport=tcp)
    degraded(network, 1.0, 2.0, (1, 1.0, 9.0))
    network.send(0, 1, 56)
    tiny.run(network.clock, 100.0)
    # 8 B by 1, then 20 in each round trip of 4 s until 9, and the last 8 at full rate.
    assert tiny.events(network.trace, "transfer") == [
        (0.0, 10.0, "client_0", "transfer", "client_1", "")
    ]


def test_what_waits_for_a_partition_to_heal_is_held_up_where_links_were_slow_at_first() -> None:
    network = tiny.network(0.25, [16.0] * 2)
    degraded(network, 1.0, 8.0, (0, 0.0, 1.0))
    network.split("cut", Cut(Windows([(0.0, 3.0)]), np.array([0, 1])))
    network.send(0, 1)
    at(network, 2.0, lambda: network.node_down(0))
    tiny.run(network.clock, 100.0)
    assert settled(network) == {"sent": 1, "delivered": 0, "in_flight": 0, "sender_down": 1}


# -- crashes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("crashed", [0, 1])
@pytest.mark.parametrize(
    ("crash_s", "back_s", "told_s"),
    [
        (2.0, None, 32.0),  # The last byte came at 2.
        (2.0, 10.0, 10.25),  # Who is back resets what is open.
        (2.0, 40.0, 32.0),
        (0.125, None, 30.0),  # No byte ever came.
        (0.125, 29.875, 30.0),
    ],
)
def test_who_is_left_learns_of_a_crash(
    crashed: int, crash_s: float, back_s: float | None, told_s: float
) -> None:
    network = tiny.network(0.25, [16.0, 16.0])
    told = Told(network, 64)
    at(network, crash_s, lambda: network.node_down(crashed))
    if back_s is not None:
        at(network, back_s, lambda: network.node_up(crashed))
    tiny.run(network.clock, 100.0)
    assert told.at_s == [told_s] and told.transfer.settled.value is False


def test_reset_waits_for_the_end_of_a_partition() -> None:
    network = tiny.network(0.25, [16.0, 16.0])
    network.split("cut", Cut(Windows([(9.0, 12.0)]), np.array([0, 1])))
    told = Told(network, 64)
    at(network, 2.0, lambda: network.node_down(1))
    at(network, 10.0, lambda: network.node_up(1))
    tiny.run(network.clock, 100.0)
    assert told.at_s == [12.25]


def test_crash_of_the_receiver_of_a_frozen_transfer() -> None:
    # Nothing has come since 1.
    network = tiny.network(0.25, [16.0, 16.0])
    network.split("cut", Cut(Windows([(1.0, 20.0)]), np.array([0, 1])))
    told = Told(network, 64)
    at(network, 5.0, lambda: network.node_down(1))
    tiny.run(network.clock, 100.0)
    assert told.at_s == [31.0]


@pytest.mark.parametrize(("size", "kind"), [(0, "message_lost"), (64, "transfer_lost")])
@pytest.mark.parametrize(("back_s", "told_s"), [(5.0, 5.25), (None, 31.0)])
def test_message_to_a_dead_node(size: int, kind: str, back_s: float | None, told_s: float) -> None:
    network = tiny.network(0.25, [16.0, 16.0])
    network.node_down(1)
    told = []
    at(network, 1.0, lambda: told.append(Told(network, size)))
    if back_s is not None:
        at(network, back_s, lambda: network.node_up(1))
    tiny.run(network.clock, 100.0)
    assert told[0].at_s == [told_s]
    assert tiny.events(network.trace) == [
        (1.0, 0.25, "client_0", kind, "client_1", "receiver_down")
    ]


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
    assert not happened(transfer.settled)
    assert settled(network) == {"sent": 1, "delivered": 0, "in_flight": 0, "abandoned": 1}
    assert transfer.flow is None and network.flows.running == 0


# -- all of it -------------------------------------------------------------------------------------

INSTANTS = st.integers(0, 80).map(lambda each: each / 4)
NODES = st.integers(0, 2)
DIRECTIONS: list[Direction] = ["both", "out", "in"]


@settings(max_examples=60, deadline=None)
@given(
    sends=st.lists(st.tuples(INSTANTS, NODES, NODES, st.sampled_from([0, 16, 200])), max_size=15),
    pings=st.lists(st.tuples(INSTANTS, NODES), max_size=5),
    toggles=st.lists(st.tuples(INSTANTS, NODES), max_size=8),
    splits=st.lists(
        st.tuples(INSTANTS, INSTANTS, st.sampled_from([1, 2, 4]), st.sampled_from(DIRECTIONS)),
        max_size=3,
    ),
    slow=st.lists(
        st.tuples(INSTANTS, INSTANTS, NODES, st.sampled_from([1.0, 0.5, 0.1]), INSTANTS), max_size=3
    ),
    sharing=st.sampled_from(["max_min", "equal", "none"]),
    loss=st.sampled_from([0.0, 1e-6, 0.3]),
    missing=st.sampled_from([0.0, 0.3]),
)
def test_every_message_ends_once_and_who_waits_is_told(
    sends: list[tuple[float, int, int, int]],
    pings: list[tuple[float, int]],
    toggles: list[tuple[float, int]],
    splits: list[tuple[float, float, int, Direction]],
    slow: list[tuple[float, float, int, float, float]],
    sharing: Sharing,
    loss: float,
    missing: float,
) -> None:
    network = tiny.network(
        [[0, 0.25, 2.0], [0.5, 0, 0.0], [2.0, 0.0, 0]],
        [16.0, 32.0, 8.0],
        sharing=sharing,
        packet_loss=loss,
        transfer_loss=missing,
        stall_timeout_s=6.0,
    )
    ends: list[tuple[Transfer, str, float]] = []

    def offer(source: int, target: int, size_bytes: int) -> None:
        if network.up.current[source] and source != target:
            network.send(
                source,
                target,
                size_bytes,
                delivered=lambda transfer: ends.append((transfer, "delivered", network.clock.now)),
                failed=lambda transfer: ends.append((transfer, "failed", network.clock.now)),
                acknowledge=True,
            )

    def toggle(node: int) -> None:
        (network.node_down if network.up.current[node] else network.node_up)(node)

    for time_s, source, target, size_bytes in sends:
        at(network, time_s, partial(offer, source, target, size_bytes), Tie.COMPUTED)
    for time_s, source in pings:
        peers = np.array([node for node in range(3) if node != source])
        at(network, time_s, partial(network.ping, source, peers), Tie.COMPUTED)
    for time_s, node in toggles:
        at(network, time_s, partial(toggle, node))
    for from_s, lasts_s, alone, direction in splits:
        groups = np.array([alone >> node & 1 for node in range(3)])
        network.split("cut", Cut(Windows([(from_s, from_s + lasts_s)]), groups, direction))
    for from_s, lasts_s, node, share, latency_s in slow:
        degraded(network, share, latency_s, (node, from_s, from_s + lasts_s))
    for until_s in (1.0, 5.0, 20.0, 30.0, 1e6):
        tiny.run(network.clock, until_s)
        tally = network.tally
        # Open pings are counted as a whole when they end.
        pinging = sum(ping.in_flight() for ping in network._pings)
        ended = tally.delivered + sum(tally.lost.values())
        assert tally.sent == ended + network.in_flight() - pinging
    assert settled(network)["in_flight"] == 0 and network.flows.running == 0
    for transfer in {transfer: None for transfer, _, _ in ends}:
        what = [kind for each, kind, _ in ends if each is transfer]
        # If its acknowledgement is lost, it has arrived, and is believed to have failed.
        assert what in (["delivered"], ["failed"], ["delivered", "failed"])
        assert transfer.settled.value is (what == ["delivered"])
