"""Heartbeats: who says at intervals that it is up, and is suspected after a silence."""

from __future__ import annotations

import math
from functools import partial
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from sim.record.errors import Refusal, check_least
from sim.record.settings import PositiveSeconds, brief_waits
from sim.record.words import time_text
from sim.world.detection.detector import KIND, Detector, FailureDetection
from sim.world.medium import Medium

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

MOST_REMEMBERED = 1_000
"""Heartbeats of a node that may come within a time-out."""


class Heartbeat(FailureDetection):
    """Each node says at intervals that it is up; who isn't heard of for a time-out is suspected."""

    kind: Literal["heartbeat"] = Field(default="heartbeat", description=KIND)
    interval: PositiveSeconds = Field(default=5.0, description="time between two heartbeats")
    timeout: PositiveSeconds = Field(
        default=15.0, description="silence after which a node is believed to be down"
    )

    def check(self, slowest_s: float) -> None:
        what = "is shorter than interval + latency: it would suspect nodes that are up"
        check_least(self.timeout, self.interval + slowest_s, what, "timeout")

    def events(self, duration_s: float) -> float:
        return brief_waits(self.interval, duration_s)

    @model_validator(mode="after")
    def _is_remembered(self) -> Heartbeat:
        if self.timeout > MOST_REMEMBERED * self.interval:
            what = f"is longer than {MOST_REMEMBERED:,} intervals: each heartbeat is looked at"
            allowed = f"at most {time_text(MOST_REMEMBERED * self.interval)}, or a longer interval"
            raise Refusal(what, allowed, ("timeout",))
        return self

    def detector(self, network: Medium) -> Detector:
        return Heartbeats(self, network)


class Heartbeats(Detector):
    """Node j sends a heartbeat at its phase + k intervals while it is up, and when it starts.

    Each is a datagram, lost by a coin of its own on the way to each node. It costs no bandwidth and
    is no message: a heartbeat of 100 bytes to each of a hundred nodes every 5 s is 16 kbit/s.
    """

    def __init__(self, settings: Heartbeat, network: Medium) -> None:
        super().__init__(network)
        self._interval_s = settings.interval
        self._timeout_s = settings.timeout
        luck = network.streams.uniforms("heartbeat_phase", network.numbers)
        self._phase_s = settings.interval * luck
        # When each node [n] started, and the times before, newest first: as many as matter.
        self._starts_s: Floats = np.full((len(network.numbers), 2), -np.inf)
        self._starts_s[:, 0] = 0.0
        self._slowest_s = network.wiring.latencies.longest_s

    @property
    def latest_s(self) -> float:
        return self._timeout_s

    @property
    def _matters_s(self) -> float:
        """What happened longer ago than this nobody's belief depends on."""
        usual_s = self._timeout_s + self._interval_s + self._slowest_s
        return usual_s + self.network.most_added_s

    @property
    def _recent(self) -> Ints:
        """So many heartbeats of a node can arrive within a time-out, and one for rounding."""
        within_s = self._timeout_s + self.network.most_added_s
        return np.arange(math.ceil(within_s / self._interval_s) + 2)

    def _suspects(self, observer: int, peers: Ints) -> Flags:
        """See Detector. Who has just started suspects nobody for a time-out."""
        unsure, suspected = self._unsure(observer, peers)
        suspected &= self._time_out_s(observer, _NEVER) <= self.network.clock.now
        if len(unsure):
            suspected[unsure] = self._silent_s(observer, peers[unsure]) <= self.network.clock.now
        return suspected

    def restarted(self, observer: int, peers: Ints, since_s: Floats) -> Flags:
        restarted = np.zeros(len(peers), dtype=np.bool_)
        (some,) = np.nonzero(self.network.started_s[peers] > since_s)
        if len(some):
            peers, since_s = peers[some], since_s[some]
            # A heartbeat carries its sender's start number.
            sent_s, _ = self._heard(observer, peers)
            known_s = np.maximum(sent_s, since_s)
            at = partial(self.network.starts.at, peers, inclusive=True)
            restarted[some] = at(known_s) > at(since_s)
        return restarted

    def _next_news_s(self, observer: int, peers: Ints) -> Floats:
        # Of the others there is no news before they crash, the network falls apart, or is slow.
        unsure, is_gone = self._unsure(observer, peers)
        now, news_s = self.network.clock.now, np.full(len(peers), np.inf)
        if is_gone.any() and (silent_s := float(self._time_out_s(observer, _NEVER)[0])) > now:
            news_s[is_gone] = silent_s
        if len(unsure):
            news_s[unsure] = self._news_of_heartbeats_s(observer, peers[unsure])
        return news_s

    def _news_of_heartbeats_s(self, observer: int, peers: Ints) -> Floats:
        """When the next one of each peer [n] may matter, or the lack of it."""
        now = self.network.clock.now
        sent_s, came_s = self._heard(observer, peers)
        silent_s = self._time_out_s(observer, came_s)
        news_s: Floats = np.where(silent_s > now, silent_s, np.inf)
        (awaited,) = np.nonzero((silent_s <= now) | (self._starts_s[peers, 0] > sent_s))
        if len(awaited):
            heard_s = self._next_heard_s(observer, peers[awaited])
            news_s[awaited] = np.minimum(news_s[awaited], heard_s)
        return news_s

    def node_up(self, index: int) -> None:
        network, now = self.network, self.network.clock.now
        if self._starts_s[index, -1] > now - self._matters_s:
            wider = np.full_like(self._starts_s, -np.inf)
            self._starts_s = np.concatenate([self._starts_s, wider], axis=1)
        self._starts_s[index, 1:] = self._starts_s[index, :-1].copy()
        self._starts_s[index, 0] = now
        for watch in self._watchers(index):
            heard_s = now + network.one_way_s(index, watch.observer, now)
            watch.expect(np.array([index]), np.array([heard_s]))

    def _unsure(self, observer: int, peers: Ints) -> tuple[Ints, Flags]:
        """Places in `peers` [n] of those that anybody might miss heartbeats of; who is gone [n].

        Of who has been up for long, on a network that loses nothing and isn't slow, everybody has
        heard; of who has been down for long nobody has.
        """
        network, since_s = self.network, self.network.clock.now - self._matters_s
        if network.is_calm(since_s):
            return _NOBODY, np.zeros(len(peers), dtype=np.bool_)
        is_long = network.up.changed_s[peers] < since_s
        is_gone = is_long & (network.up.current[peers] == 0)
        if network.wiring.packet_loss > 0 or network.was_split(since_s):
            return np.flatnonzero(~is_gone), is_gone
        unsure = ~is_long
        if network.most_added_s > 0:
            was = network.was_degraded(observer, since_s) | network.was_degraded(peers, since_s)
            unsure |= was & ~is_gone
        return np.flatnonzero(unsure), is_gone

    def _silent_s(self, observer: int, peers: Ints) -> Floats:
        """When each peer's [n] time-out ends, or has ended, if nothing more comes."""
        return self._time_out_s(observer, self._heard(observer, peers)[1])

    def _time_out_s(self, observer: int, came_s: Floats) -> Floats:
        # What came before the observer's own start it doesn't know.
        known_s: Floats = np.maximum(came_s, self.network.started_s[observer])
        return known_s + self._timeout_s

    def _heard(self, observer: int, peers: Ints) -> tuple[Floats, Floats]:
        """Of the heartbeats of each peer [n] that have reached the observer: when the newest was
        sent, and when the last one came, which may be an older one, overtaken.

        Minus infinity where none did that a time-out could depend on.
        """
        now = self.network.clock.now
        there_s = self.network.wiring.latencies.between(peers, observer)
        newest = np.floor((now - there_s - self._phase_s[peers]) / self._interval_s)
        numbers = newest.astype(np.int64)[:, None] + 1 - self._recent
        newest_s, last_s = np.full((2, len(peers)), -np.inf)
        for sent_s, passes in (
            self._ordinary(observer, peers, numbers),
            self._at_start(observer, peers),
        ):
            added_s = self.network.added_s(observer, peers[:, None], sent_s)
            comes_s = sent_s + (there_s[:, None] + added_s)
            passes &= comes_s <= now
            newest_s = np.maximum(newest_s, np.where(passes, sent_s, -np.inf).max(axis=1))
            last_s = np.maximum(last_s, np.where(passes, comes_s, -np.inf).max(axis=1))
        return newest_s, last_s

    def _next_heard_s(self, observer: int, peers: Ints) -> Floats:
        """When the next heartbeat of each peer [n] arrives if all stay as they are, or infinity."""
        network, now = self.network, self.network.clock.now
        there_s = network.wiring.latencies.between(peers, observer)

        def first_s(peers: Ints, there_s: Floats, sent_s: Floats, passes: Flags) -> Floats:
            """Of heartbeats [n, m], when the first of each peer's [n] arrives."""
            added_s = network.added_s(observer, peers[:, None], sent_s)
            comes_s = sent_s + (there_s[:, None] + added_s)
            awaited: Floats = np.where(passes & (comes_s > now), comes_s, np.inf).min(axis=1)
            return awaited

        earliest_s = first_s(peers, there_s, *self._at_start(observer, peers))
        longest_s = there_s + network.most_added_s
        first = np.floor((now - longest_s - self._phase_s[peers]) / self._interval_s)
        # Blocks, since with much loss, or behind a cut, many in a row may be lost: of a cut of
        # hours a hundred at a time would be looked through again for each peer.
        left, start, size = np.arange(len(peers)), 0, _BLOCK
        while len(left) and start < _MOST_HEARTBEATS:
            some, away_s = peers[left], there_s[left]
            numbers = first[left, None].astype(np.int64) + np.arange(start, start + size)
            sent_s, passes = self._ordinary(observer, some, numbers)
            found_s = np.minimum(earliest_s[left], first_s(some, away_s, sent_s, passes))
            earliest_s[left] = found_s
            start, size = start + size, min(2 * size, max(_BLOCK, _MOST_AT_ONCE // len(left)))
            # Whoever is down sends no more; of the others what is sent later comes later, too.
            is_over = (sent_s[:, -1] > now) & (network.up.current[some] == 0)
            left = left[~is_over & (sent_s[:, -1] + away_s < found_s)]
        return earliest_s

    def _ordinary(self, observer: int, peers: Ints, numbers: Ints) -> tuple[Floats, Flags]:
        """Of the peers' [n] heartbeats with these numbers [n, m]: when sent, and which arrive.

        What lies ahead is as if every peer stayed up or down as it is.
        """
        sent_s: Floats = self._phase_s[peers][:, None] + numbers * self._interval_s
        passes = self._passes(observer, peers, sent_s, numbers, "heartbeat_loss") & (numbers >= 0)
        # A heartbeat of the very instant of a crash comes before it.
        several = np.broadcast_to(peers[:, None], sent_s.shape).ravel()
        up = self.network.up.at(several, sent_s.ravel(), inclusive=False)
        return sent_s, passes & up.reshape(sent_s.shape).astype(np.bool_)

    def _at_start(self, observer: int, peers: Ints) -> tuple[Floats, Flags]:
        """Of the heartbeats of the peers' [n] newest starts [n, m]: when sent, and which arrive."""
        started_s = self._starts_s[peers]
        numbers = self.network.starts.current[peers][:, None] - np.arange(started_s.shape[1])
        return started_s, self._passes(observer, peers, started_s, numbers, "start_loss")

    def _passes(
        self, observer: int, peers: Ints, sent_s: Floats, numbers: Ints, purpose: str
    ) -> Flags:
        """Which heartbeats [n, m] of each peer [n] no partition and no loss keeps away."""
        network = self.network
        several = np.broadcast_to(peers[:, None], sent_s.shape)
        passes = network.reachable(several.ravel(), observer, sent_s.ravel()).reshape(sent_s.shape)
        if network.wiring.packet_loss > 0:
            names = network.numbers
            luck = network.streams.uniforms(purpose, names[several], numbers, names[observer])
            passes &= luck >= network.wiring.packet_loss
        return passes


_NOBODY: Ints = np.zeros(0, dtype=np.int64)
_BLOCK, _MOST_AT_ONCE = 16, 1 << 18
_MOST_HEARTBEATS = 100_000
_NEVER = np.array([-np.inf])
