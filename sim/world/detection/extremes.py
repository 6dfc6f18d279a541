"""The two ends of what a detector may know: all, and nothing."""

from __future__ import annotations

import math
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from sim.world.detection.detector import KIND, Detector, FailureDetection, Watch
from sim.world.medium import Medium

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


class Perfect(FailureDetection):
    """Everybody knows at each instant who is up and can be reached: nothing is better."""

    kind: Literal["perfect"] = Field(description=KIND)

    def detector(self, network: Medium) -> Detector:
        return Omniscience(network)


class Omniscience(Detector):
    """What only the simulator can know."""

    latest_s = 0.0

    def _suspects(self, observer: int, peers: Ints) -> Flags:
        network = self.network
        now = np.broadcast_to(network.clock.now, len(peers))
        up = network.up.current[peers].astype(np.bool_)
        return ~(up & network.can_talk(observer, peers, now))

    def restarted(self, observer: int, peers: Ints, since_s: Floats) -> Flags:
        starts = self.network.starts
        return starts.current[peers] > starts.at(peers, since_s, inclusive=True)

    def _next_news_s(self, observer: int, peers: Ints) -> Floats:
        return np.full(len(peers), np.inf)

    def slowed(self) -> None:
        """See Detector; that's no news to who knows all."""

    def _rearm(self, watch: Watch, peers: Ints) -> None:
        watch.tell(peers)


class NoDetection(FailureDetection):
    """Nobody knows that another is down, but by a message that isn't answered."""

    detects: ClassVar[bool] = False

    kind: Literal["none"] = Field(description=KIND)

    def detector(self, network: Medium) -> Detector:
        return Ignorance(network)


class Ignorance(Detector):
    """Suspects nobody, ever."""

    latest_s = math.inf

    def _suspects(self, observer: int, peers: Ints) -> Flags:
        return np.zeros(len(peers), dtype=np.bool_)

    def restarted(self, observer: int, peers: Ints, since_s: Floats) -> Flags:
        return np.zeros(len(peers), dtype=np.bool_)

    def _next_news_s(self, observer: int, peers: Ints) -> Floats:
        return np.full(len(peers), np.inf)
