"""Failure detectors, against traces worked out by hand and one that takes every heartbeat."""

import math
from collections.abc import Generator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import pytest
import simpy
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.record.errors import Refusal
from sim.world.clock import Tie
from sim.world.detection import DETECTORS, FailureDetection, Heartbeat, NoDetection, Perfect
from sim.world.links.windows import Cut, Degraded, Direction, Windows
from sim.world.network import Network
from sim.world.random_streams import Streams
from tests.sim import tiny

PERFECT, NONE = Perfect(kind="perfect"), NoDetection(kind="none")


def heartbeat(interval_s: float, timeout_s: float) -> Heartbeat:
    return Heartbeat.model_validate({"interval": f"{interval_s} s", "timeout": f"{timeout_s} s"})


def at(network: Network, time_s: float, act: Any, tie: Tie = Tie.FAULT) -> None:
    event = network.clock.at(time_s, tie)
    assert event.callbacks is not None
    event.callbacks.append(lambda _: act())


def watched(network: Network, observer: int, peers: list[int]) -> list[float]:
    """When a node that watches `peers` without end is told news."""
    told: list[float] = []

    def watch() -> Generator[simpy.Event, Any, None]:
        while True:
            yield network.detector.watch(observer, peers).news
            told.append(network.clock.now)

    network.clock.process(watch())
    return told


@dataclass
class Pair:
    """Two clients, 0.25 s apart, who send heartbeats at 0, 4, 8, ... s and wait for 10 s."""

    detection: FailureDetection = field(default_factory=lambda: heartbeat(4, 10))
    lost: tuple[tiny.Name, ...] = ()

    def __post_init__(self) -> None:
        streams = tiny.scripted(*self.lost)
        self.network = tiny.network(
            0.25, [1.0, 1.0], streams=streams, detection=self.detection,
            packet_loss=1e-9 if self.lost else 0.0,
        )  # fmt: skip
        self.beliefs: list[tuple[float, str]] = [(0.0, "up")]
        self.started_over_s: list[float] = []

    def down(self, node: int, from_s: float, to_s: float = math.inf) -> None:
        at(self.network, from_s, lambda: self.network.node_down(node))
        if to_s < math.inf:
            at(self.network, to_s, lambda: self.network.node_up(node))

    def observe(self, until_s: float) -> list[tuple[float, str]]:
        """What client 0 comes to believe of client 1, at each of whose news it looks."""
        network, peer = self.network, np.array([1])

        def look() -> Generator[simpy.Event, Any, None]:
            since_s = 0.0
            while True:
                yield network.detector.watch(0, [1]).news
                belief = "down" if network.detector.suspects(0, peer)[0] else "up"
                if belief != self.beliefs[-1][1]:
                    self.beliefs.append((network.clock.now, belief))
                if network.detector.restarted(0, peer, np.array([since_s]))[0]:
                    since_s = network.clock.now
                    self.started_over_s.append(since_s)

        network.clock.process(look())
        tiny.run(network.clock, until_s)
        return self.beliefs[1:]


# -- heartbeats ------------------------------------------------------------------------------------


def test_nobody_is_suspected_where_nothing_fails() -> None:
    pair = Pair()
    assert pair.observe(100.0) == []
    assert pair.started_over_s == []


def test_crash_is_known_a_time_out_after_the_last_heartbeat() -> None:
    # That of 8 arrived at 8.25.
    pair = Pair()
    pair.down(1, 9.0)
    assert pair.observe(100.0) == [(18.25, "down")]


def test_heartbeat_of_the_instant_of_a_crash_counts() -> None:
    pair = Pair()
    pair.down(1, 8.0)
    assert pair.observe(100.0) == [(18.25, "down")]


def test_recovery_is_known_by_a_heartbeat_at_once() -> None:
    pair = Pair()
    pair.down(1, 9.0, 21.0)
    assert pair.observe(100.0) == [(18.25, "down"), (21.25, "up")]
    assert pair.started_over_s == [21.25]


def test_flapping_faster_than_the_time_out_is_seen_and_never_suspected() -> None:
    pair = Pair()
    pair.down(1, 9.0, 10.0)
    pair.down(1, 11.0, 13.0)
    assert pair.observe(100.0) == []
    assert pair.started_over_s == [10.25, 13.25]


def test_lost_heartbeat_of_a_start_is_made_up_for_by_the_next() -> None:
    # The first return is that of start 1; the next ordinary heartbeat is the sixth, of 24.
    pair = Pair(lost=(("start_loss", 1, 1, 0),))
    pair.down(1, 9.0, 21.0)
    assert pair.observe(100.0) == [(18.25, "down"), (24.25, "up")]
    assert pair.started_over_s == [24.25]


def test_a_few_lost_heartbeats_make_a_node_suspected() -> None:
    # Those of 8 and 12 are lost: nothing between 4.25 and 16.25.
    pair = Pair(lost=(("heartbeat_loss", 1, 2, 0), ("heartbeat_loss", 1, 3, 0)))
    assert pair.observe(100.0) == [(14.25, "down"), (16.25, "up")]
    assert pair.started_over_s == []


def test_partition_and_its_end() -> None:
    # The last heartbeat before it is that of 8, the first after it that of 24.
    pair = Pair()
    pair.network.split("cut", Cut(Windows([(8.125, 21.0)]), np.array([0, 1])))
    assert pair.observe(100.0) == [(18.25, "down"), (24.25, "up")]
    assert pair.started_over_s == []


@pytest.mark.parametrize(
    ("direction", "told"),
    [("out", [(18.25, "down"), (24.25, "up")]), ("in", [])],
)
def test_cut_of_one_way(direction: Direction, told: list[tuple[float, str]]) -> None:
    # Client 1's heartbeats of 12, 16 and 20 don't come; or client 0's, which it doesn't miss.
    pair = Pair()
    pair.network.split("cut", Cut(Windows([(8.125, 21.0)]), np.array([0, 1]), direction))
    assert pair.observe(100.0) == told


@pytest.mark.parametrize("slow", [0, 1])
def test_heartbeats_of_degraded_links_come_later(slow: int) -> None:
    # That of 8 came at 8.25. Those of 12, 16 and 20 take 7 s more, until 19.25, 23.25 and 27.25,
    # and that of 24 overtakes the last: what comes is heard, in whatever order.
    pair = Pair()
    pair.network.degrade("slow", Degraded(2, 1.0, 7.0, [([slow], Windows([(8.125, 21.0)]))]))
    pair.down(1, 25.0)
    assert pair.observe(100.0) == [(18.25, "down"), (19.25, "up"), (37.25, "down")]


def test_heartbeat_that_comes_long_after_newer_ones_is_heard() -> None:
    # That of 8 takes 30 s more, and comes when client 1 has been suspected since 22.25.
    pair = Pair()
    pair.network.degrade("slow", Degraded(2, 1.0, 30.0, [([1], Windows([(7.0, 9.0)]))]))
    pair.down(1, 12.5)
    assert pair.observe(100.0) == [(22.25, "down"), (38.25, "up"), (48.25, "down")]


def test_links_with_less_bandwidth_leave_heartbeats_alone() -> None:
    pair = Pair()
    pair.network.degrade("slow", Degraded(2, 1e-6, 0.0, [([1], Windows([(8.125, 21.0)]))]))
    assert pair.observe(100.0) == []


@pytest.mark.parametrize(("direction", "told"), [("out", [9.0, 12.0]), ("in", [9.0, 12.0])])
def test_perfect_suspects_who_cannot_be_talked_to_both_ways(
    direction: Direction, told: list[float]
) -> None:
    pair = Pair(PERFECT)
    pair.network.split("cut", Cut(Windows([(9.0, 12.0)]), np.array([0, 1]), direction))
    pair.network.degrade("slow", Degraded(2, 1.0, 50.0, [([1], Windows([(20.0, 30.0)]))]))
    news = watched(pair.network, 0, [1])
    assert pair.observe(100.0) == [(9.0, "down"), (12.0, "up")] and news == told


def test_who_has_just_started_suspects_nobody_for_a_time_out() -> None:
    # Client 1 is down from 1 on. Client 0 starts at 40, and again at 45.
    pair = Pair()
    pair.down(1, 1.0)
    pair.down(0, 30.0, 40.0)
    pair.down(0, 42.0, 45.0)
    network, peer = pair.network, np.array([1])
    for time_s, suspected in ((11.0, True), (41.0, False), (54.75, False), (55.0, True)):
        tiny.run(network.clock, time_s)
        assert network.detector.suspects(0, peer).tolist() == [suspected]


def test_latency_of_a_heartbeat_is_its_senders() -> None:
    # From client 1 to client 0 it takes 2 s.
    network = tiny.network(
        [[0, 0.25], [2.0, 0]], [1.0, 1.0], streams=tiny.scripted(), detection=heartbeat(4, 10)
    )
    at(network, 9.0, lambda: network.node_down(1))
    for time_s, suspected in ((19.875, False), (20.0, True)):
        tiny.run(network.clock, time_s)
        assert network.detector.suspects(0, np.array([1])).tolist() == [suspected]


def test_time_out_that_no_heartbeat_can_meet_is_refused() -> None:
    heartbeat(5, 15).check(10.0)
    with pytest.raises(Refusal, match="suspect nodes that are up") as refusal:
        heartbeat(5, 5).check(0.0505)
    assert refusal.value.allowed == "at least 5.0505 s"


@pytest.mark.parametrize("loss", [0.0, 0.3])
def test_heartbeats_are_no_messages(loss: float) -> None:
    network = tiny.network(0.25, [1.0] * 3, detection=heartbeat(1, 3), packet_loss=loss)
    watched(network, 0, [1, 2])
    tiny.run(network.clock, 100.0)
    assert network.end() == 0 and network.tally.sent == 0


# -- the others ------------------------------------------------------------------------------------


def test_perfect_knows_at_once() -> None:
    pair = Pair(PERFECT)
    pair.down(1, 9.0, 21.0)
    pair.down(1, 22.0, 22.0)
    pair.network.split("cut", Cut(Windows([(30.0, 31.0)]), np.array([0, 1])))
    assert pair.observe(100.0) == [
        (9.0, "down"), (21.0, "up"), (22.0, "down"), (22.0, "up"), (30.0, "down"), (31.0, "up")
    ]  # fmt: skip
    assert pair.started_over_s == [21.0, 22.0]


def test_without_detection_nobody_is_suspected_and_nothing_is_news() -> None:
    pair = Pair(NONE)
    pair.down(1, 9.0, 21.0)
    pair.network.split("cut", Cut(Windows([(30.0, 31.0)]), np.array([0, 1])))
    assert pair.observe(100.0) == []
    assert pair.started_over_s == []


def test_every_detector_has_its_name() -> None:
    for name, each in DETECTORS.items():
        assert each.model_validate({"kind": name}).kind == name


def test_a_watch_that_has_ended_is_told_nothing() -> None:
    pair = Pair(PERFECT)
    pair.down(1, 9.0)
    watch = pair.network.detector.watch(0, [1])
    watch.end()
    tiny.run(pair.network.clock, 20.0)
    assert not watch.news.triggered
    pair.network.detector.watch(0, [1]).end()


# -- against a detector that takes every heartbeat -------------------------------------------------


class Phased(Streams):
    """Heartbeats begin at chosen shares of the interval, so that many things meet at an instant."""

    phases: tuple[float, ...]

    def uniforms(self, purpose: str, *numbers: Any) -> Any:
        """See Streams."""
        if purpose == "heartbeat_phase":
            return np.array(self.phases)
        return super().uniforms(purpose, *numbers)


@dataclass
class World:
    """What happens: `toggles` (time, node) crash a node or bring it back, in order of time.

    `splits`: from, to, groups, direction; `slow`: from, to, node, seconds more.
    """

    interval_s: float
    timeout_s: float
    latency_s: list[list[float]]
    phases: tuple[float, ...]
    toggles: list[tuple[float, int]]
    splits: list[tuple[float, float, tuple[int, ...], Direction]]
    slow: list[tuple[float, float, int, float]]
    loss: float
    until_s: float = 40.0

    def __post_init__(self) -> None:
        self.count = len(self.latency_s)
        self.streams = Phased(7)
        object.__setattr__(self.streams, "phases", self.phases)

    def network(self) -> Network:
        """It happening."""
        network = tiny.network(
            self.latency_s,
            [1.0] * self.count,
            streams=self.streams,
            detection=heartbeat(self.interval_s, self.timeout_s),
            packet_loss=self.loss,
        )

        def toggle(node: int) -> None:
            (network.node_down if network.up.current[node] else network.node_up)(node)

        for time_s, node in self.toggles:
            at(network, time_s, partial(toggle, node))
        for from_s, to_s, groups, direction in self.splits:
            network.split("cut", Cut(Windows([(from_s, to_s)]), np.array(groups), direction))
        for from_s, to_s, node, more_s in self.slow:
            struck = [([node], Windows([(from_s, to_s)]))]
            network.degrade("slow", Degraded(self.count, 1.0, more_s, struck))
        return network


class Naive:
    """Each heartbeat by itself: when it arrives where, and the start number that it carries."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.starts: list[list[float]] = [[0.0] for _ in range(world.count)]
        self.crashes: list[list[float]] = [[] for _ in range(world.count)]
        for time_s, node in world.toggles:
            is_up = len(self.starts[node]) > len(self.crashes[node])
            (self.crashes if is_up else self.starts)[node].append(time_s)
        pairs = [(i, j) for i in range(world.count) for j in range(world.count) if i != j]
        self.heard = {(i, j): sorted(self._arrivals(i, j)) for i, j in pairs}

    def life(self, node: int, time_s: float) -> tuple[int, float]:
        """The number and instant of the node's last start, one at `time_s` counted."""
        begun = [start_s for start_s in self.starts[node] if start_s <= time_s]
        return len(begun) - 1, begun[-1]

    def is_up(self, node: int, time_s: float) -> bool:
        """After all that happens at `time_s`."""
        return (
            len([each for each in self.crashes[node] if each <= time_s])
            <= self.life(node, time_s)[0]
        )

    def _arrivals(self, observer: int, sender: int) -> list[tuple[float, int]]:
        world = self.world
        sent = [
            (start_s, number, "start_loss", number)
            for number, start_s in enumerate(self.starts[sender])
        ]
        for k in range(int(world.until_s / world.interval_s) + 1):
            sent_s = world.phases[sender] * world.interval_s + k * world.interval_s
            lives = zip(self.starts[sender], [*self.crashes[sender], math.inf], strict=False)
            for number, (from_s, to_s) in enumerate(lives):
                # Of the instant of a crash: sent. Of that of a start: the start's own is.
                if from_s < sent_s <= to_s or from_s == sent_s == 0:
                    sent.append((sent_s, number, "heartbeat_loss", k))
        return [
            (sent_s + self._there_s(observer, sender, sent_s), number)
            for sent_s, number, purpose, k in sent
            if not self._is_cut(observer, sender, sent_s)
            and not world.streams.uniforms(purpose, sender, k, observer)[0] < world.loss
        ]

    def _there_s(self, observer: int, sender: int, sent_s: float) -> float:
        added_s = sum(
            more_s * ((node == observer) + (node == sender))
            for from_s, to_s, node, more_s in self.world.slow
            if from_s <= sent_s < to_s
        )
        return self.world.latency_s[sender][observer] + added_s

    def _is_cut(self, observer: int, sender: int, time_s: float) -> bool:
        return any(
            from_s <= time_s < to_s
            and groups[observer] != groups[sender]
            and {"both": True, "out": groups[sender], "in": groups[observer]}[direction]
            for from_s, to_s, groups, direction in self.world.splits
        )

    def suspects(self, observer: int, peer: int, time_s: float) -> bool:
        """Whether nothing came of the peer for a time-out, nor did the observer start in it."""
        known_s = [each for each, _ in self.heard[observer, peer] if each <= time_s]
        newest_s = max([*known_s, self.life(observer, time_s)[1]])
        return newest_s + self.world.timeout_s <= time_s

    def restarted(self, observer: int, peer: int, since_s: float, time_s: float) -> bool:
        """Whether a heartbeat has come that carries a start number of after `since_s`."""
        then = self.life(peer, since_s)[0]
        return any(
            arrived_s <= time_s and number > then
            for arrived_s, number in self.heard[observer, peer]
        )

    def changes(self, observer: int, peer: int) -> list[float]:
        """Every instant at which the observer, while up, comes to believe something else."""
        heard = self.heard[observer, peer]
        timeout_s = self.world.timeout_s
        ends = [each + timeout_s for each, _ in heard]
        ends += [each + timeout_s for each in self.starts[observer]]
        found = []
        for time_s in sorted({each for each, _ in heard} | set(ends)):
            begun_s = self.life(observer, time_s)[1]
            if time_s > self.world.until_s or not self.is_up(observer, time_s) or time_s == begun_s:
                continue
            before = [one for one in heard if one[0] < time_s]
            was_known_s = max([each for each, _ in before] + [begun_s])
            was_suspected = was_known_s + timeout_s < time_s
            known_start = max([one[1] for one in before], default=0)
            newer = [
                one[1]
                for one in heard
                if one[0] == time_s and one[1] > known_start and self.starts[peer][one[1]] > begun_s
            ]
            if newer or self.suspects(observer, peer, time_s) != was_suspected:
                found.append(time_s)
        return found


QUARTERS = st.integers(0, 120).map(lambda each: each / 4)
COUNT = 3
DIRECTIONS: list[Direction] = ["both", "out", "in"]


@st.composite
def worlds(draw: st.DrawFn) -> World:
    latency_s = [
        [
            0.0 if i == j else draw(st.sampled_from([0.0, 0.25, 0.5, 1.25, 3.0]))
            for j in range(COUNT)
        ]
        for i in range(COUNT)
    ]
    interval_s = draw(st.sampled_from([0.5, 1.0, 2.0]))
    timeout_s = interval_s + max(map(max, latency_s)) + draw(st.sampled_from([0.0, 0.25, 4.0]))
    splits = []
    spans = st.tuples(QUARTERS, QUARTERS, st.integers(0, COUNT - 1))
    for from_s, lasts_s, alone in draw(st.lists(spans, max_size=2)):
        groups = tuple(int(node == alone) for node in range(COUNT))
        splits.append((from_s, from_s + lasts_s + 0.25, groups, draw(st.sampled_from(DIRECTIONS))))
    slow = [
        (from_s, from_s + lasts_s + 0.25, node, draw(st.sampled_from([0.25, 1.5, 5.0])))
        for from_s, lasts_s, node in draw(st.lists(spans, max_size=2))
    ]
    # A node falls and comes back at different instants.
    toggles = draw(
        st.lists(st.tuples(QUARTERS.map(lambda each: each + 0.25), st.integers(0, COUNT - 1)),
                 max_size=10, unique=True)
    )  # fmt: skip
    return World(
        interval_s,
        timeout_s,
        latency_s,
        tuple(draw(st.sampled_from([0.0, 0.25, 0.5, 0.75])) for _ in range(COUNT)),
        sorted(toggles),
        splits,
        slow,
        draw(st.sampled_from([0.0, 0.0, 0.3, 0.8])),
    )


@settings(max_examples=30, deadline=None)
@given(worlds(), st.lists(st.integers(0, 300).map(lambda each: each / 8), min_size=15))
def test_heartbeats_equal_a_detector_that_takes_each_of_them(
    world: World, looks: list[float]
) -> None:
    network, naive = world.network(), Naive(world)

    def compare(observer: int, now_s: float) -> None:
        detector = network.detector
        peers = [peer for peer in range(COUNT) if peer != observer]
        suspected = [naive.suspects(observer, peer, now_s) for peer in peers]
        assert detector.suspects(observer, np.array(peers)).tolist() == suspected
        begun_s = naive.life(observer, now_s)[1]
        for since_s in (begun_s, (begun_s + now_s) / 2):
            restarted = [naive.restarted(observer, peer, since_s, now_s) for peer in peers]
            lost = np.array(suspected) | restarted
            assert detector.lost(observer, np.array(peers), since_s).tolist() == lost.tolist()
            # Of whom it suspects it needn't know.
            heard = [peer for peer, down in zip(peers, suspected, strict=True) if not down]
            assert detector.restarted(
                observer, np.array(heard, dtype=np.int64), np.full(len(heard), since_s)
            ).tolist() == [naive.restarted(observer, peer, since_s, now_s) for peer in heard]

    for now_s in looks:
        for observer in range(COUNT):
            if naive.is_up(observer, now_s):
                at(network, now_s, partial(compare, observer, now_s), Tie.OBSERVER)
    tiny.run(network.clock, world.until_s)


@settings(max_examples=30, deadline=None)
@given(worlds(), st.sampled_from([0.0, 1.0, 10.0]))
def test_every_change_of_belief_is_news_at_its_instant(world: World, begins_s: float) -> None:
    network, naive = world.network(), Naive(world)
    told: dict[tuple[int, tuple[int, ...]], list[float]] = {}
    went_on: dict[tuple[int, tuple[int, ...]], list[float]] = {}

    def keep_watching(
        observer: int, peers: tuple[int, ...], life: int
    ) -> Generator[simpy.Event, Any, None]:
        news = told.setdefault((observer, peers), [])
        while True:
            yield network.detector.watch(observer, peers).news
            if network.starts.current[observer] > life or not network.up.current[observer]:
                return
            news.append(network.clock.now)

    def watch_on(
        observer: int, peers: tuple[int, ...], life: int
    ) -> Generator[simpy.Event, Any, None]:
        news, watch = (
            went_on.setdefault((observer, peers), []),
            network.detector.watch(observer, peers),
        )
        before = network.detector.suspects(observer, np.array(peers))
        while True:
            yield watch.news
            if network.starts.current[observer] > life or not network.up.current[observer]:
                return
            news.append(network.clock.now)
            now = network.detector.suspects(observer, np.array(peers))
            assert {*np.array(peers)[before != now]} <= {*watch.told}
            before = now
            watch.again()

    def begin(observer: int, life: int) -> None:
        others = tuple(peer for peer in range(COUNT) if peer != observer)
        for peers in (others, others[:1], others[1:]):
            network.clock.process(keep_watching(observer, peers, life))
            network.clock.process(watch_on(observer, peers, life))

    begun_s = {}
    for observer in range(COUNT):
        for life, start_s in enumerate(naive.starts[observer]):
            begun_s[observer, life] = start_s + begins_s
            at(network, start_s + begins_s, partial(begin, observer, life))
    tiny.run(network.clock, world.until_s)
    # To watch on is to begin anew, without looking at those of whom there is no news.
    assert went_on == told
    for (observer, peers), news in told.items():
        # Nobody is told again and again at one instant.
        assert len(news) == len(set(news))
        for peer in peers:
            for change_s in naive.changes(observer, peer):
                # Who begins to watch at that very instant looks first.
                if change_s > begun_s[observer, naive.life(observer, change_s)[0]]:
                    assert change_s in news
