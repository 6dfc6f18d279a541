"""A question to many peers at once, as one event and one vector operation instead of n messages."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import simpy

from sim.world.clock import Tie
from sim.world.medium import LossCause, Medium

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

ROUND_TRIPS, SHORTEST_TIMEOUT_S = 3.0, 1.0
"""How long an answer is waited for unless the scenario says it: round trips, as they are where no
link is degraded, and at least this."""


class Ping:
    """One question to `peers` [n], and what became of each question and each answer.

    A question is answered if it isn't lost and the peer is up when it arrives; the answer counts
    if it isn't lost and arrives within the timeout. Both are datagrams: lost ones stay lost.
    """

    def __init__(self, network: Medium, source: int, peers: Ints, timeout_s: float | None) -> None:
        self._network = network
        self.source = source
        self.peers = peers
        self.start_s = network.clock.now
        there_s, back_s = network.wiring.latencies.there_and_back(source, peers)
        self.reached_s = self.start_s + (there_s + network.added_s(source, peers, self.start_s))
        self._back_s = self.reached_s + (back_s + network.added_s(source, peers, self.reached_s))
        if timeout_s is None:
            patience_s = np.maximum(SHORTEST_TIMEOUT_S, ROUND_TRIPS * (there_s + back_s))
        else:
            patience_s = np.full(len(peers), timeout_s)
        self._end_s = self.start_s + patience_s
        nothing: Flags = np.zeros(len(peers), dtype=np.bool_)
        self._ask_lost = self._answer_lost = nothing
        self._ask_blocked = self._answer_blocked = nothing
        self._passes: Flags = self._back_s <= self._end_s
        if network.loses_datagrams:
            self._lose()
        self._up: Flags | None = None
        self._is_open = True
        self.answered = nothing
        self.replied: simpy.Event = network.clock.event()
        # Each peer is waited for until its answer is back, or can't be.
        self._look_at(np.where(self._passes, self._back_s, self._end_s))

    def _lose(self) -> None:
        """Work out which questions and answers chance or a partition keeps away."""
        network, source, peers = self._network, self.source, self.peers
        self._ask_lost, self._answer_lost = network.datagrams_lost(source, peers)
        starts = np.broadcast_to(self.start_s, len(peers))
        self._ask_blocked = ~network.reachable(source, peers, starts)
        self._answer_blocked = ~network.reachable(peers, source, self.reached_s)
        blocked = self._ask_blocked | self._answer_blocked
        self._passes &= ~(self._ask_lost | self._answer_lost | blocked)

    def _look_at(self, times_s: Floats) -> None:
        last_s = float(times_s.max(initial=self.start_s))
        tie = Tie.TIMEOUT if (self._end_s == last_s).any() else Tie.ARRIVAL
        self._network.clock.call_at(last_s, tie, self._answers)

    def _up_when_reached(self) -> Flags:
        if self._up is not None:
            return self._up
        # A question that arrives at the instant of a crash comes before it.
        up = self._network.up.at(self.peers, self.reached_s, inclusive=False).astype(np.bool_)
        if self._network.clock.now >= self.reached_s.max(initial=self.start_s):
            self._up = up  # The past: no later crash changes it.
        return up

    def _answers(self, _: object) -> None:
        """The last reply that can come is in: see who answered, or wait for their timeouts."""
        network = self._network
        if not self._is_open:
            return
        self.answered = self._passes & self._up_when_reached()
        silent_s = self._end_s[~self.answered]
        if network.clock.now < silent_s.max(initial=0.0):
            self._look_at(silent_s)  # Somebody was down: the asker can't know, and waits.
            return
        self.end("late")
        self.replied.succeed()

    def _standing(self) -> tuple[Flags, Flags, Flags, int]:
        """Who got the question [n], who was down [n], whose answer is back [n]; how many fly."""
        if self.answered.all():
            return self.answered, ~self.answered, self.answered, 0
        now, asks = self._network.clock.now, ~(self._ask_lost | self._ask_blocked)
        reached, up = asks & (self.reached_s <= now), self._up_when_reached()
        arrived = reached & up
        answers = arrived & ~(self._answer_lost | self._answer_blocked)
        back = answers & (self._back_s <= np.minimum(now, self._end_s))
        return arrived, reached & ~up, back, _number(asks ^ reached) + _number(answers ^ back)

    def in_flight(self) -> int:
        """Questions and answers that are on the wire now."""
        return self._standing()[3] if self._is_open else 0

    def end(self, cause: LossCause | None) -> None:
        """Nobody waits any longer: what is under way is lost by `cause`, or stays so (None).

        The messages are added to the tally as they stand now, and the ping to the trace.
        """
        if not self._is_open:
            return
        self._is_open = False
        network, tally = self._network, self._network.tally
        arrived, down, back, waiting = self._standing()
        lost: dict[LossCause, int] = {"receiver_down": _number(down)}
        if network.loses_datagrams:
            lost["loss"] = _number(self._ask_lost) + _number(arrived & self._answer_lost)
            blocked = self._ask_blocked & ~self._ask_lost
            blocked_back = arrived & self._answer_blocked & ~self._answer_lost
            lost["partition"] = _number(blocked) + _number(blocked_back)
        if cause is not None:
            lost[cause] = lost.get(cause, 0) + waiting
        tally.sent += len(self.peers) + _number(arrived)
        tally.delivered += _number(arrived) + _number(back)
        tally.lost.update(lost)
        network.trace.record(
            self.start_s,
            network.wiring.names[self.source],
            "ping",
            duration_s=network.clock.now - self.start_s,
            asked=len(self.peers),
            answered=_number(back),
        )


def _number(flags: Flags) -> int:
    """How many hold; ten times as fast as a sum of flags."""
    return int(np.count_nonzero(flags))
