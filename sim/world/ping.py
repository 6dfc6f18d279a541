"""A ping of n peers as one event: questions, answers and losses as vectors over the peers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import simpy

from sim.world.clock import Tie

if TYPE_CHECKING:
    from sim.world.network import LossCause, Network


class Ping:
    """One question to `peers` [n], and what became of each question and each answer.

    A question is answered if it isn't lost and the peer is up when it arrives; the answer counts
    if it isn't lost and arrives within the timeout. Ping and answers are control messages.
    """

    def __init__(
        self,
        network: Network,
        source: int,
        peers: npt.NDArray[np.int64],
        timeout_s: float,
        counter: int,
    ) -> None:
        self._network = network
        self.source = source
        self.peers = peers
        self.start_s = network.clock.now
        self.end_s = self.start_s + timeout_s
        wiring = network.wiring
        there_s = wiring.latency_s[source][peers]
        back_s = there_s if wiring.symmetric else wiring.latency_s[peers, source]
        self.reached_s = self.start_s + there_s
        self._back_s = self.reached_s + back_s
        lost = np.zeros((2, len(peers)), dtype=np.bool_)
        if wiring.message_loss > 0:
            name = wiring.names[source]
            # Element j of each vector belongs to node j, whoever is asked.
            for row, purpose in enumerate(("ping_loss", "pong_loss")):
                draws = network.streams.stream(purpose, name, counter).random(len(wiring.names))
                lost[row] = draws[peers] < wiring.message_loss
        self._ask_lost, self._answer_lost = lost
        starts = np.broadcast_to(self.start_s, len(peers))
        self._ask_blocked = ~network.reachable(source, peers, starts)
        self._answer_blocked = ~network.reachable(source, peers, self.reached_s)
        self._passes = ~(
            self._ask_lost | self._answer_lost | self._ask_blocked | self._answer_blocked
        )
        self._up: npt.NDArray[np.bool_] | None = None
        self.answered = np.zeros(len(peers), dtype=np.bool_)
        self.replied: simpy.Event = network.clock.event()
        self._wait()

    def _wait(self) -> None:
        clock = self._network.clock
        last_s = float(self._back_s.max(initial=self.start_s))
        if self._passes.all() and last_s <= self.end_s:
            clock.at(last_s, Tie.COMPLETION).callbacks.append(lambda _: self._look())
        else:
            clock.at(self.end_s, Tie.TIMEOUT).callbacks.append(lambda _: self._look())

    def _up_when_reached(self) -> npt.NDArray[np.bool_]:
        if self._up is not None:
            return self._up
        # A question that arrives at the instant of a crash comes before it.
        up = self._network.up.at(self.peers, self.reached_s, inclusive=False).astype(np.bool_)
        if self._network.clock.now >= self.reached_s.max(initial=self.start_s):
            self._up = up  # The past: no later crash changes it.
        return up

    def _look(self) -> None:
        """The last reply that can come is in: see who answered, or wait for the timeout."""
        network = self._network
        if self.replied.triggered or not network.is_open(self):
            return
        self.answered = self._passes & self._up_when_reached() & (self._back_s <= self.end_s)
        if not self.answered.all() and network.clock.now < self.end_s:
            # Somebody was down: the asker can't know, and waits.
            network.clock.at(self.end_s, Tie.TIMEOUT).callbacks.append(lambda _: self._look())
            return
        network.end_ping(self, "late")
        self.replied.succeed()

    def in_flight(self, now_s: float) -> int:
        """Questions and answers that are on the wire at `now_s`."""
        asks = ~(self._ask_lost | self._ask_blocked)
        reached = self.reached_s <= now_s
        answers = asks & reached & self._up_when_reached()
        answers &= ~(self._answer_lost | self._answer_blocked)
        return _number(asks & ~reached) + _number(answers & (self._back_s > now_s))

    def count(self, cause: LossCause | None) -> None:
        """Add the messages to the tally as they stand now, and the ping's row to the trace."""
        network, now = self._network, self._network.clock.now
        tally = network.tally
        up = self._up_when_reached()
        asks = ~(self._ask_lost | self._ask_blocked)
        reached = self.reached_s <= now
        arrived = asks & reached & up
        answers = arrived & ~(self._answer_lost | self._answer_blocked)
        delivered = answers & (self._back_s <= now)
        waiting = _number(asks & ~reached) + _number(answers & (self._back_s > now))
        lost = {
            "loss": _number(self._ask_lost) + _number(arrived & self._answer_lost),
            "partition": _number(self._ask_blocked & ~self._ask_lost)
            + _number(arrived & self._answer_blocked & ~self._answer_lost),
            "receiver_down": _number(asks & reached & ~up),
        }
        if cause is not None:
            lost[cause] = lost.get(cause, 0) + waiting
        tally.sent += len(self.peers) + _number(arrived)
        tally.delivered += _number(arrived) + _number(delivered)
        tally.lost.update(lost)
        losses = "".join(f" {name}={number}" for name, number in lost.items() if number)
        network.trace.record(
            self.start_s,
            network.wiring.names[self.source],
            "ping",
            duration_s=now - self.start_s,
            detail=f"asked={len(self.peers)} answered={_number(delivered)}{losses}",
        )


def _number(flags: npt.NDArray[np.bool_]) -> int:
    """How many hold; ten times as fast as a sum of flags."""
    return int(np.count_nonzero(flags))
