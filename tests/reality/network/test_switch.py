import math
import socket
import statistics
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from pytest import approx

from tests.reality.network.hosts import Hosts, Link
from tests.reality.network.lines import Came, connection, datagrams, in_time

pytestmark = pytest.mark.usefixtures("punctual")

FAST = Link(1e8, 1e8)
FULL = 1500
NEAR_S = 0.002
"""Python's own part in sending and receiving, on a machine that does other things, too."""


def delays_s(came: list[Came]) -> list[float]:
    return [each.came_s - each.sent_s for each in came]


def numbers(came: list[Came]) -> list[int]:
    return [each.number for each in came]


@in_time
def test_a_packet_takes_its_pairs_delay_and_its_time_on_both_lines() -> None:
    links = {"a": Link(5e5, 1e8), "b": Link(1e8, 2.5e5)}
    with Hosts(links, [[0, 0.03], [0.01, 0]]) as hosts:
        for source, target, expected_s in (
            ("a", "b", 1000 / 5e5 + 0.03 + 1000 / 2.5e5),
            ("b", "a", 1000 / 1e8 + 0.01 + 1000 / 1e8),
        ):
            with datagrams(hosts, source, target) as line:
                taken_s = []
                for _ in range(5):
                    line.send(1000)
                    taken_s += delays_s(line.come(0.05))
            assert len(taken_s) == 5 and min(taken_s) >= expected_s
            assert statistics.median(taken_s) < expected_s + NEAR_S


@pytest.mark.parametrize("link", [Link(2.5e5, 1e8), Link(1e8, 2.5e5)])
@in_time
def test_a_burst_comes_at_the_rate_of_the_slower_line(link: Link) -> None:
    with Hosts({"a": link, "b": link}, 0.001) as hosts:
        with datagrams(hosts, "a", "b") as line:
            for _ in range(20):
                line.send(FULL)
            came = line.come()
        hosts.degrade("a", 0.5)
        hosts.degrade("b", 0.5, added_s=0.02)
        with datagrams(hosts, "a", "b") as line:
            for _ in range(20):
                line.send(FULL)
            slow = line.come()
    assert numbers(came) == numbers(slow) == list(range(20))
    assert came[-1].came_s - came[0].came_s == approx(19 * FULL / 2.5e5, rel=0.02)
    assert slow[-1].came_s - slow[0].came_s == approx(19 * FULL / 1.25e5, rel=0.02)
    assert delays_s(slow)[0] - delays_s(came)[0] == approx(0.02 + FULL / 2.5e5, abs=NEAR_S)


@in_time
def test_tcp_gets_what_its_headers_leave_of_a_line() -> None:
    marks = {}
    there = 0
    with (
        Hosts({"a": Link(2e6, 1e8), "b": FAST}, 0.005) as hosts,
        connection(hosts, "a", "b") as (one, other),
        ThreadPoolExecutor(1) as sender,
    ):
        sender.submit(one.sendall, bytes(1_500_000))
        while there < 1_500_000:
            there += len(other.recv(1 << 16))
            marks[there] = time.monotonic()
    # 52 bytes of headers with time stamps; the first half is left to slow start.
    first = min(size for size in marks if size > 750_000)
    rate = (1_500_000 - first) / (marks[1_500_000] - marks[first])
    assert rate == approx(2e6 * 1448 / 1500, rel=0.02)


def lost(seed: int) -> set[int]:
    with Hosts({"a": FAST, "b": FAST}, 0.001, loss=[[0, 0.2], [0, 0]], seed=seed) as hosts:
        with datagrams(hosts, "b", "a") as back, datagrams(hosts, "a", "b") as line:
            for _ in range(200):
                line.send()
                back.send()
            assert len(back.come()) == 200
            came = set(numbers(line.come()))
        assert hosts.report().dropped == {"lost": 200 - len(came)}
    return set(range(200)) - came


def test_a_seed_decides_which_packets_are_lost_at_the_rate_that_was_asked_for() -> None:
    first = lost(1)
    # Four standard deviations.
    assert len(first) == approx(40, abs=4 * math.sqrt(200 * 0.2 * 0.8))
    assert lost(1) == first != lost(2)


@in_time
def test_a_cut_parts_groups_and_lets_through_what_is_on_its_way() -> None:
    with Hosts({"a": FAST, "b": FAST, "c": FAST}, 0.02) as hosts:
        with datagrams(hosts, "a", "b") as apart, datagrams(hosts, "a", "c") as together:
            apart.send()
            time.sleep(0.005)
            hosts.cut([["a", "c"], ["b"]])
            apart.send()
            together.send()
            time.sleep(0.005)
            hosts.heal()
            apart.send()
            assert numbers(apart.come()) == [0, 2]
            assert numbers(together.come(0.01)) == [0]
        assert hosts.report().dropped == {"cut": 1}


@in_time
def test_silence_drops_what_waits_and_what_comes_and_keeps_what_has_left() -> None:
    # A packet takes 0.1 s on a's uplink.
    with Hosts({"a": Link(15e3, 1e8), "b": FAST}, 0.02) as hosts:
        with datagrams(hosts, "a", "b") as out, datagrams(hosts, "b", "a") as into:
            for _ in range(5):
                out.send(FULL)
            time.sleep(0.11)
            hosts.silence("a")
            out.send()
            into.send()
            time.sleep(0.03)
            hosts.speak("a")
            out.send()
            into.send()
            assert numbers(out.come()) == [0, 6]
            assert numbers(into.come(0.01)) == [1]
        assert hosts.report().dropped == {"silent": 6}


@pytest.mark.parametrize(
    ("links", "where"),
    [
        ({"a": Link(2e5, 1e8), "b": FAST}, "uplink full"),
        ({"a": FAST, "b": Link(1e8, 2e5)}, "downlink full"),
    ],
)
@in_time
def test_a_full_queue_drops_what_comes_last(links: dict[str, Link], where: str) -> None:
    with Hosts(links, 0.001) as hosts, datagrams(hosts, "a", "b") as line:
        for _ in range(30):
            line.send(FULL)
        assert numbers(line.come()) == list(range(20))
        assert hosts.report().dropped == {where: 10}


@in_time
def test_a_queue_is_as_long_as_bandwidth_times_the_longest_round_trip() -> None:
    # 1e6 B/s x 0.06 s are 40 packets.
    delays = [[0, 0.01, 0.04], [0.01, 0, 0.01], [0.02, 0.01, 0]]
    links = {"a": Link(1e6, 1e8), "b": FAST, "c": FAST}
    with Hosts(links, delays) as hosts, datagrams(hosts, "a", "b") as line:
        for _ in range(60):
            line.send(FULL)
        came = line.come()
    # Some go out while the burst comes in.
    assert 40 <= len(came) <= 45


@in_time
def test_the_report_says_how_late_packets_came_out() -> None:
    with Hosts({"a": FAST, "b": FAST}, 0.01) as hosts, datagrams(hosts, "a", "b") as line:
        assert hosts.report().delivered == 0
        for _ in range(50):
            line.send()
        late_s = statistics.median(delays_s(line.come())) - 0.01
        report = hosts.report()
    assert report.delivered == 50
    assert 0 < report.p99_s <= report.worst_s
    assert late_s < NEAR_S


def test_what_is_for_nobody_is_counted() -> None:
    with Hosts({"a": FAST, "b": FAST}, 0.01) as hosts:
        with hosts.socket_on("a", socket.SOCK_DGRAM) as sender:
            sender.sendto(b"", ("198.18.0.200", 1))
            time.sleep(0.05)
        assert hosts.report().dropped == {"elsewhere": 1}
