"""Who believes whom to be down: heartbeats, and suspicion after a silence.

Chandra, Toueg, "Unreliable Failure Detectors for Reliable Distributed Systems", Journal of the ACM
43, 1996.
"""

import asyncio
import math
from collections.abc import Callable

from tests.reality.nodes.config import Config

Told = Callable[[str, str], None]
"""Called with a peer and the word for what is new about it: suspect, trust, restart or end."""


class Detector:
    """What one node believes of the others.

    A heartbeat says when its sender's life began: so who crashed and came back is found out, even
    if nobody has missed it.
    """

    def __init__(self, config: Config, told: Told) -> None:
        self._config, self._told = config, told
        self._suspected: set[str] = set()
        self._began_s: dict[str, float] = {}
        self._ended_s: dict[str, float] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}

    def start(self) -> None:
        """Who has just started suspects nobody for a time-out."""
        for peer in self._config.addresses:
            if peer != self._config.name:
                self._wait_for(peer)

    def next_s(self, now_s: float) -> float:
        """When the node's next heartbeat is due, after the one that it sends when it starts."""
        passed = math.floor((now_s - self._config.phase_s) / self._config.interval_s)
        return self._config.phase_s + max(passed + 1, 0) * self._config.interval_s

    def heard(self, peer: str, began_s: float) -> None:
        """A heartbeat has come."""
        known_s = self.began_s(peer)
        if began_s < known_s:
            return  # Of a former life.
        self._began_s[peer] = began_s
        self._wait_for(peer)
        if began_s > known_s:
            self._told(peer, "restart")
        if peer in self._suspected:
            self._suspected.remove(peer)
            self._told(peer, "trust")

    def ended(self, peer: str, now_s: float) -> None:
        """A peer's process has ended, says its host, which is up; it may be back at once."""
        self._ended_s[peer] = now_s
        self._told(peer, "end")

    def _wait_for(self, peer: str) -> None:
        if peer in self._timers:
            self._timers[peer].cancel()
        later = asyncio.get_running_loop().call_later
        self._timers[peer] = later(self._config.timeout_s, self._suspect, peer)

    def _suspect(self, peer: str) -> None:
        self._suspected.add(peer)
        self._told(peer, "suspect")

    def suspects(self, peer: str) -> bool:
        """Whether the node believes that a peer is down."""
        return peer in self._suspected

    def began_s(self, peer: str) -> float:
        """When the newest life of a peer that the node has heard of began."""
        return self._began_s.get(peer, 0.0)

    def lost(self, peer: str, since_s: float) -> bool:
        """Whether a peer, as far as the node knows, has lost what it was given at that time."""
        ended_s = self._ended_s.get(peer, since_s)
        return self.suspects(peer) or self.began_s(peer) > since_s or ended_s > since_s
