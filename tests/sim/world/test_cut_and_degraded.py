"""Messages through partitions and over links that are slow for a while."""

import numpy as np
import pytest

from sim.world.clock import Tie
from sim.world.links.flows import Sharing
from sim.world.links.windows import Cut, Direction, Windows
from sim.world.transport import Tcp, fastest
from tests.sim import tiny
from tests.sim.world.messages import Told, at, degraded, send, settled

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
    assert told.at_s == []


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
