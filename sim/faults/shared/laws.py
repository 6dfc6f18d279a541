"""How long what fails again and again is up and down: its laws, and a life by them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Literal

import numpy as np
import simpy

from sim.faults.shared.daily import Daily
from sim.record.settings import Distribution
from sim.world import Clock, Streams, Tie

Luck = tuple[str, str, str]
"""What names the draws of one life: a purpose, `World.luck_key`, a node's name."""
Times = Iterator[tuple[float, float]]
"""Seconds up and then down, again and again."""
Begins = Literal["up", "equilibrium"]

_AT_ONCE = 16  # Times that are drawn together; few lives have many more.


@dataclass(frozen=True)
class Laws:
    """Of times up and down in turn, all independent: an alternating renewal process.

    `begins`: at time 0 all are up and new, or, in equilibrium, each is what it would be found to be
    at any instant of a process that has long been going on.
    """

    up: Distribution
    down: Distribution
    begins: Begins = "up"
    daily: Daily | None = None

    @property
    def cycle_s(self) -> float:
        """Mean seconds from one failure to the next."""
        return self.up.mean_s + self.down.mean_s

    def failure(self, clock: Clock, up_s: float, local_time_s: float) -> simpy.Event:
        """The end of a time up that begins now, where at time 0 it is that time of day."""
        if self.daily is None:
            return clock.after(up_s, Tie.FAULT)
        return clock.at(self.daily.end_s(up_s, clock.now, local_time_s), Tie.FAULT)

    def life(self, streams: Streams, luck: Luck, stretch: float) -> tuple[float, Times]:
        """Seconds for which it begins down, or 0; then those up and down, again and again.

        Times up are `stretch` times as long as their law says. The k-th of them and the k-th time
        down are where their laws' cumulative hazards come to two unit exponentials of the life's
        own; how it begins is drawn apart from these.
        """
        renewed = self._renewed(streams.stream(*luck), stretch)
        if self.begins == "up":
            return 0.0, renewed
        up_s, down_s = self._found(streams.stream(*luck, "begins"), stretch)
        if down_s:
            return down_s, renewed
        return 0.0, chain([(up_s, next(renewed)[1])], renewed)

    def _renewed(self, draws: np.random.Generator, stretch: float) -> Times:
        while True:
            up, down = draws.standard_exponential((_AT_ONCE, 2)).T
            ups_s, downs_s = stretch * self.up.at_hazard(up), self.down.at_hazard(down)
            yield from zip(ups_s.tolist(), downs_s.tolist(), strict=True)

    def _found(self, draws: np.random.Generator, stretch: float) -> tuple[float, float]:
        """What is left of the time up, or else of the time down, in which time 0 falls."""
        state, fraction = draws.random(2)
        hazard = draws.standard_exponential(1)
        up_s = stretch * self.up.mean_s
        if state < up_s / (up_s + self.down.mean_s):
            return stretch * float(self.up.residual(hazard, fraction)[0]), 0.0
        return 0.0, float(self.down.residual(hazard, fraction)[0])
