"""Delivery: latency, bandwidth, loss, crashes, and what the tally says of them."""

from functools import partial
from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.world.clock import Tie
from sim.world.detection import FailureDetection, Heartbeat, NoDetection
from sim.world.links.flows import Sharing
from sim.world.links.windows import Cut, Direction, Windows
from sim.world.network import Transfer
from sim.world.transport import SlowStart, fastest
from tests.sim import tiny
from tests.sim.world.messages import Told, at, degraded, happened, send, settled


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
        (0.3, 0.25, 0.95),  # The first copy is lost, the next is sent after 0.5 + 0.2 s,
        (0.2, 0.25, 2.35),  # after 1.4 s more,
        (0.1, 0.25, 5.15),  # after 2.8 s more.
        (0.3, 2.0, 6.2),  # A round trip of 4 s is waited for.
        (0.2, 2.0, 14.6),
    ],
)
def test_loss_delays_a_control_message(luck: float, latency_s: float, arrives_s: float) -> None:
    streams = tiny.scripted(lucks={("ask", 0, 1, 1): luck})
    network = tiny.network(latency_s, [16.0, 16.0], streams=streams, packet_loss=0.5)
    arrivals: list[float] = []
    for _ in range(2):
        send(network, 0, arrivals, purpose="ask")
    tiny.run(network.clock, 100.0)
    assert arrivals == [latency_s, pytest.approx(arrives_s)]
    assert settled(network) == {"sent": 2, "delivered": 2, "in_flight": 0}


def test_control_message_that_is_lost_for_too_long() -> None:
    # Copies are sent at 0, 0.7, 2.1, 4.9, 10.5 and 21.7; the next would be at 44.1, after the stall
    # time-out.
    streams = tiny.scripted(lucks={("ask", 0, 1): 0.01})
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
    rounded_s = [round(at_s, 9) for at_s in arrivals]
    for copies, at_s in enumerate([0.25, 0.95, 2.35]):
        chance = 0.3**copies * 0.7
        # Three standard deviations of a binomial proportion.
        bound = 3 * np.sqrt(chance * (1 - chance) / 4000)
        assert abs(rounded_s.count(at_s) / 4000 - chance) < bound


@pytest.mark.parametrize(
    ("cut_s", "arrives_s"),
    [
        (0.5, 5.25),  # The first copy is lost before; the second, of 0.7 s, is held until 5.
        (0.0, 5.95),  # The first is held and lost all the same; the second follows after 0.7 s.
    ],
)
def test_partition_holds_a_copy_whether_it_is_lost_or_not(cut_s: float, arrives_s: float) -> None:
    streams = tiny.scripted(lucks={("message", 0, 1): 0.3})
    network = tiny.network(0.25, [16.0, 16.0], streams=streams, packet_loss=0.5)
    network.split("cut", Cut(Windows([(cut_s, 5.0)]), np.array([0, 1])))
    arrivals: list[float] = []
    send(network, 0, arrivals)
    tiny.run(network.clock, 100.0)
    assert arrivals == [pytest.approx(arrives_s)]


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


@pytest.mark.parametrize("ended", [0, 1])
@pytest.mark.parametrize(
    ("end_s", "back_s", "told_s"),
    [
        (2.0, None, 2.25),
        (2.0, 2.125, 2.25),  # The first of two resets.
        (0.125, None, 0.375),
    ],
)
def test_host_of_a_process_that_ends_resets_what_is_open(
    ended: int, end_s: float, back_s: float | None, told_s: float
) -> None:
    network = tiny.network(0.25, [16.0, 16.0])
    told = Told(network, 64)
    at(network, end_s, lambda: network.node_down(ended, resets=True))
    if back_s is not None:
        at(network, back_s, lambda: network.node_up(ended))
    tiny.run(network.clock, 100.0)
    assert told.at_s == [told_s] and told.transfer.settled.value is False


def test_reset_of_a_process_waits_for_the_end_of_a_partition() -> None:
    network = tiny.network(0.25, [16.0, 16.0])
    network.split("cut", Cut(Windows([(1.0, 12.0)]), np.array([0, 1])))
    told = Told(network, 64)
    at(network, 2.0, lambda: network.node_down(1, resets=True))
    tiny.run(network.clock, 100.0)
    assert told.at_s == [12.25]


@pytest.mark.parametrize("size", [0, 64])
@pytest.mark.parametrize(
    ("latency_s", "begun_s", "told_s"),
    [
        (0.25, 1.875, 2.25),  # It ended on the way.
        (0.25, 2.5, 3.2),  # Refused at 3, and once more after a time-out of 0.5 + 0.2 s.
        (1.0, 2.5, 4.7),
        (0.0, 2.0, 2.2),  # After its end at that instant: who tries again can't do so for ever.
    ],
)
def test_message_that_finds_no_process_is_refused(
    size: int, latency_s: float, begun_s: float, told_s: float
) -> None:
    network = tiny.network(latency_s, [16.0, 16.0])
    at(network, 2.0, lambda: network.node_down(1, resets=True))
    told = []
    at(network, begun_s, lambda: told.append(Told(network, size)))
    tiny.run(network.clock, 100.0)
    assert told[0].at_s == [pytest.approx(told_s)]


@pytest.mark.parametrize("connections", ["lasting", "new"])
@pytest.mark.parametrize("size", [64, 200_000])  # A window, and five of them.
def test_the_first_packet_is_refused_however_slowly_bytes_would_start(
    connections: Literal["lasting", "new"], size: int
) -> None:
    transport = SlowStart(kind="slow_start", connections=connections)
    network = tiny.network(0.5, [1e6, 1e6], transport=transport)
    at(network, 2.0, lambda: network.node_down(1, resets=True))
    told = []
    at(network, 3.0, lambda: told.append(Told(network, size)))
    tiny.run(network.clock, 100.0)
    assert told[0].at_s == [pytest.approx(3.0 + 1.0 + 0.2)]
    assert tiny.events(network.trace) == [
        (3.0, 0.5, "client_0", "transfer_lost", "client_1", "receiver_down")
    ]


def test_a_process_that_is_back_refuses_nothing() -> None:
    network = tiny.network(0.5, [1e6, 1e6], transport=SlowStart(kind="slow_start"))
    at(network, 2.0, lambda: network.node_down(1, resets=True))
    at(network, 3.0, lambda: network.node_up(1))
    told = []
    at(network, 4.0, lambda: told.append(Told(network, 200_000)))
    tiny.run(network.clock, 100.0)
    assert told[0].at_s == [] and len(told[0].delivered_s) == 1


def test_host_that_crashes_after_its_process_did_resets_nothing() -> None:
    network = tiny.network(0.25, [16.0, 16.0])
    at(network, 2.0, lambda: network.node_down(1, resets=True))
    at(network, 3.0, lambda: network.node_up(1))
    told = []
    at(network, 4.0, lambda: told.append(Told(network, 64)))
    at(network, 5.0, lambda: network.node_down(1))
    tiny.run(network.clock, 100.0)
    assert told[0].at_s == [35.0]


@pytest.mark.parametrize("size", [0, 64])
def test_host_that_crashes_while_its_process_is_down_refuses_nothing(size: int) -> None:
    network = tiny.network(0.25, [16.0, 16.0])
    told = []
    at(network, 2.0, lambda: network.node_down(1, resets=True))
    at(network, 3.0, lambda: told.append(Told(network, size)))
    at(network, 4.0, lambda: network.host_down(1))
    at(network, 5.0, lambda: told.append(Told(network, size)))
    # Once it is back its process may end alone again.
    at(network, 40.0, lambda: network.node_up(1))
    at(network, 41.0, lambda: network.node_down(1, resets=True))
    at(network, 42.0, lambda: told.append(Told(network, size)))
    tiny.run(network.clock, 100.0)
    assert [one.at_s for one in told] == [[3.7], [35.0], [42.7]]


@pytest.mark.parametrize("detection", [NoDetection(kind="none"), Heartbeat()])
def test_reset_ends_waits_and_raises_no_suspicion(detection: FailureDetection) -> None:
    network = tiny.network(0.25, [16.0, 16.0, 16.0], detection=detection)
    watch, peers, seen = network.detector.watch(0, [1, 2]), np.array([1, 2]), []

    def look(since_s: float) -> None:
        lost = network.detector.lost(0, peers, since_s).tolist()
        seen.append((network.clock.now, lost, watch.news.triggered))
        assert not network.detector.suspects(0, peers).any()

    at(network, 2.0, lambda: network.node_down(1, resets=True))
    for time_s, since_s in ((2.125, 1.0), (2.25, 1.0), (2.25, 2.0)):
        at(network, time_s, partial(look, since_s), Tie.OBSERVER)
    tiny.run(network.clock, 3.0)
    assert seen == [
        (2.125, [False, False], False),
        (2.25, [True, False], True),
        (2.25, [False, False], True),  # What was asked for after its end.
    ]


@pytest.mark.parametrize("latency_s", [0.0, 0.25])
def test_watch_that_begins_before_a_reset_is_there_hears_of_it(latency_s: float) -> None:
    network = tiny.network(latency_s, [16.0, 16.0])
    at(network, 2.0, lambda: network.node_down(1, resets=True))
    heard: list[float] = []

    def wait() -> None:
        news = network.detector.watch(0, [1]).news
        assert news.callbacks is not None
        news.callbacks.append(lambda _: heard.append(network.clock.now))

    at(network, 2.0 + latency_s / 2 if latency_s else 1.0, wait)
    tiny.run(network.clock, 10.0)
    assert heard == [2.0 + latency_s]


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
    toggles=st.lists(st.tuples(INSTANTS, NODES, st.booleans()), max_size=8),
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
    toggles: list[tuple[float, int, bool]],
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

    def toggle(node: int, resets: bool) -> None:
        if network.up.current[node]:
            network.node_down(node, resets=resets)
        else:
            network.node_up(node)

    for time_s, source, target, size_bytes in sends:
        at(network, time_s, partial(offer, source, target, size_bytes), Tie.COMPUTED)
    for time_s, source in pings:
        peers = np.array([node for node in range(3) if node != source])
        at(network, time_s, partial(network.ping, source, peers), Tie.COMPUTED)
    for time_s, node, resets in toggles:
        at(network, time_s, partial(toggle, node, resets))
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
