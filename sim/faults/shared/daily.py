"""A rhythm of the day: what fails does so more often at some hours than at others."""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import Field

from sim.record.settings import DAY_S, Settings, TimeOfDay


class Daily(Settings):
    """The hazard of failure goes up and down with the hour of day where a node stands.

    It is multiplied by m(t) = 1 + swing cos(2 pi (t - peak) / day), which is 1 on average: a node
    ages so many times as fast. A time up, as its law has it, therefore ends where the integral of m
    has come to it, so that the shorter one ends no later.
    """

    peak: TimeOfDay = Field(description="when nodes fail most often, by the clock where they stand")
    swing: Annotated[float, Field(ge=0, le=1)] = Field(
        description="how much more often than on average; 0: no rhythm, 1: twice, at night never"
    )

    def end_s(self, up_s: float, since_s: float, local_time_s: float) -> float:
        """When a time up of ``up_s`` by its law ends that began at ``since_s``.

        `local_time_s`: the time of day, where the node stands, at time 0.
        """
        reach_s = self.swing * DAY_S / (2 * math.pi)

        def aged_s(time_s: float) -> float:
            """The integral of m up to a time, but for a constant."""
            of_day_s = math.fmod(time_s + local_time_s - self.peak, DAY_S)
            return time_s + reach_s * math.sin(2 * math.pi * of_day_s / DAY_S)

        # Kepler's equation, which nobody can solve for the time: halved until floats have no
        # number in between, so that the end depends on nothing but the integral's values.
        wanted_s = aged_s(since_s) + up_s
        early_s, late_s = since_s, max(since_s, wanted_s + reach_s)
        while early_s < (middle_s := (early_s + late_s) / 2) < late_s:
            if aged_s(middle_s) < wanted_s:
                early_s = middle_s
            else:
                late_s = middle_s
        return late_s
