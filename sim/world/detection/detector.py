"""Who believes whom to be down: the failure detector that every protocol asks, and nobody else.

A node knows its own life, what messages tell it, and what its detector says. Chandra, Toueg,
"Unreliable Failure Detectors for Reliable Distributed Systems", Journal of the ACM 43, 1996: a
heartbeat detector suspects whom it hasn't heard of for a while, and so is late, and may be wrong.
"""

from __future__ import annotations

import itertools
import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import simpy

from sim.record.settings import Settings
from sim.world.clock import Tie
from sim.world.medium import Medium

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

KIND = "the detector's kind"
_FEW = 64
"""A watch of no more peers is found by each of them; a wider one stands in a list."""


class FailureDetection(Settings):
    """How nodes learn that others are down, the same for all protocols."""

    detects: ClassVar[bool] = True
    """Whether anybody finds out anything."""

    kind: str

    def check(self, slowest_s: float) -> None:
        """Raise Refusal if that can't work where a message takes up to `slowest_s` one way."""

    def events(self, duration_s: float) -> float:
        """About how many events of a node it looks at within `duration_s`."""
        return 0.0

    @abstractmethod
    def detector(self, network: Medium) -> Detector:
        """The detector of all nodes of a network."""


class Detector(ABC):
    """What each node believes of the others. Nodes are known by their index in the network."""

    def __init__(self, network: Medium) -> None:
        self.network = network
        # Dicts, not sets: iteration is in the order of insertion, on every machine.
        self._watches: dict[Watch, None] = {}
        # Of watches of few nodes, by node; who watches thousands looks anew at each news.
        self._watching: dict[int, dict[Watch, None]] = {}
        self._wide: dict[Watch, None] = {}
        self._begun = itertools.count()

    @property
    @abstractmethod
    def latest_s(self) -> float:
        """How long a crash may stay unknown; infinite if it is never found out."""

    def suspects(self, observer: int, peers: Ints) -> Flags:
        """Which of `peers` [n] the observer believes not to be there now.

        Those that it believes to be down, and those that are no members, which it is told. A reset
        is no reason: whoever was reset may be back at once.
        """
        suspected = self._suspects(observer, peers)
        if self.network.is_restless:
            suspected |= ~self.network.members(observer, peers)
        return suspected

    @abstractmethod
    def _suspects(self, observer: int, peers: Ints) -> Flags:
        """Which of `peers` [n] the observer believes to be down now."""

    @abstractmethod
    def restarted(self, observer: int, peers: Ints, since_s: Floats) -> Flags:
        """Of which `peers` [n] the observer knows that they crashed and came back since [n]."""

    def next_news_s(self, observer: int, peers: Ints) -> Floats:
        """The next instants after now at which its belief in each of `peers` [n] may change.

        If nothing new happens; infinity where none is known.
        """
        news_s = self._next_news_s(observer, peers)
        if self.network.is_restless:
            heard_s = self.network.heard_s(observer, peers)
            later_s = np.where(heard_s > self.network.clock.now, heard_s, np.inf)
            news_s = np.minimum(news_s, later_s.min(axis=0))
        if self.network.resets:
            reset_s = self.network.reset_s(observer, peers)
            news_s = np.where(reset_s > self.network.clock.now, np.minimum(news_s, reset_s), news_s)
        return news_s

    @abstractmethod
    def _next_news_s(self, observer: int, peers: Ints) -> Floats:
        """The same of its belief in who is down [n]."""

    def lost(self, observer: int, peers: Ints, since_s: Floats | float) -> Flags:
        """Which of `peers` [n] don't have any longer what they were given at `since_s` [n].

        As the observer believes: they are suspected, or known to have started anew, or their hosts
        have reset the connection on which it waits for them.
        """
        times_s = np.broadcast_to(np.asarray(since_s, dtype=np.float64), len(peers))
        lost = self.suspects(observer, peers) | self.restarted(observer, peers, times_s)
        if self.network.resets:
            there = self.network.reset_s(observer, peers) <= self.network.clock.now
            lost |= there & (self.network.ended_s[peers] > times_s)
        return lost

    def watch(self, observer: int, peers: Iterable[int]) -> Watch:
        """Something to wait for; to be ended by who no longer does."""
        return Watch(self, observer, np.fromiter(peers, np.int64))

    def begin(self, watch: Watch) -> None:
        """Somebody waits."""
        watch.number = next(self._begun)
        self._watches[watch] = None
        if watch.is_wide:
            self._wide[watch] = None
            return
        for peer in watch.peers.tolist():
            self._watching.setdefault(peer, {})[watch] = None

    def end(self, watch: Watch) -> None:
        """Nobody does any longer."""
        if watch in self._watches:
            del self._watches[watch]
            self._wide.pop(watch, None)
            self.let_go(watch, watch.peers.tolist())

    def let_go(self, watch: Watch, peers: Iterable[int]) -> None:
        """Nobody waits for some of whom a watch was for."""
        if not watch.is_wide:
            for peer in peers:
                if (watchers := self._watching.get(peer)) is not None:
                    watchers.pop(watch, None)
                    if not watchers:
                        del self._watching[peer]

    # -- what the network tells ----------------------------------------------------------------

    def node_down(self, index: int) -> None:
        """A node has crashed, or left."""
        self._changed(index)

    def node_up(self, index: int) -> None:
        """A node is back, or joins, and says so."""
        self._changed(index)

    def _changed(self, index: int) -> None:
        """What those who watch a node were to expect of it may come sooner now."""
        one = np.array([index])
        for watch in self._watchers(index):
            self._rearm(watch, one)
            # Where its word takes no time, that it joins or leaves is news at this instant.
            if self._is_told_now(watch.observer, one):
                watch.expect(one, np.array([self.network.clock.now]))

    def _is_told_now(self, observer: int, one: Ints) -> bool:
        """Whether a node's own word, or its host's, is with the observer at this instant."""
        network, now = self.network, self.network.clock.now
        told = network.is_restless and (network.heard_s(observer, one) == now).any()
        return bool(told or (network.resets and (network.reset_s(observer, one) == now).any()))

    def split(self) -> None:
        """The network falls apart or is whole again."""
        for watch in list(self._watches):
            self._rearm(watch, watch.peers)

    def slowed(self) -> None:
        """Messages of some nodes take longer from now on, or no longer do."""
        self.split()

    def _rearm(self, watch: Watch, peers: Ints) -> None:
        """What a watch was to expect of some of its peers [n] may come sooner now."""
        watch.expect(peers, self.next_news_s(watch.observer, peers))

    def _watchers(self, index: int) -> list[Watch]:
        """Whoever watches a node, in the order in which they began."""
        wide = [watch for watch in self._wide if (watch.peers == index).any()]
        few = list(self._watching.get(index, ()))
        return sorted([*wide, *few], key=lambda watch: watch.number) if wide else few


class Watch:
    """`news` succeeds when the observer's belief in one of the peers [n] may have changed.

    Once; who wants to go on asks for it `again`, or watches others.
    """

    number: int
    """Those who began earlier are told earlier."""

    def __init__(self, detector: Detector, observer: int, peers: Ints) -> None:
        self.observer = observer
        self._detector = detector
        self.peers = peers
        self.is_wide = len(peers) > _FEW
        self._due_s: Floats = np.full(len(peers), np.inf)
        self._begin()
        detector.begin(self)
        self.expect(peers, detector.next_news_s(observer, peers))

    def _begin(self) -> None:
        self.news: simpy.Event = self._detector.network.clock.event()
        self._armed_s = math.inf

    @property
    def told(self) -> Ints:
        """Of whom there may be news now, when there is some."""
        told: Ints = self.peers[self._due_s <= self._detector.network.clock.now]
        return told

    def again(self, without: Sequence[int] = ()) -> None:
        """Watch on, after news; but for some."""
        self._detector.let_go(self, without)
        kept = ~np.isin(self.peers, np.array(without, dtype=np.int64))
        self.peers, self._due_s = self.peers[kept], self._due_s[kept]
        self._begin()
        # Of all others nothing is expected, and nothing has changed.
        (some,) = np.nonzero(self._due_s < np.inf)
        self._due_s[some] = self._detector.next_news_s(self.observer, self.peers[some])
        self._arm()

    def expect(self, peers: Ints, at_s: Floats) -> None:
        """There may be news of some of the peers [m] at these instants."""
        places = self._places(peers)
        self._due_s[places] = np.minimum(self._due_s[places], at_s)
        self._arm()

    def _places(self, peers: Ints) -> Ints | slice:
        """Where in `self.peers` some of them are, which are all or one."""
        return slice(None) if peers is self.peers else np.flatnonzero(self.peers == peers)

    def _arm(self) -> None:
        at_s = float(self._due_s.min(initial=np.inf))
        if at_s < self._armed_s and not self.news.triggered:
            self._armed_s, news = at_s, self.news
            event = self._detector.network.clock.at(at_s, Tie.TIMEOUT)
            event.callbacks.append(lambda _: _tell(news))

    def tell(self, peers: Ints) -> None:
        """There is news of some of the peers now."""
        self._due_s[self._places(peers)] = self._detector.network.clock.now
        _tell(self.news)

    def end(self) -> None:
        """Nobody waits any longer."""
        self._detector.end(self)
        self._armed_s = -math.inf


def _tell(news: simpy.Event) -> None:
    if not news.triggered:
        news.succeed()
