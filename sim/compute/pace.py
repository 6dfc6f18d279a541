"""How long real work takes here, and how much of it is left: for whoever waits at the screen.

A room of its own because it is the only part of the graph that knows real time, and nothing that
it says may decide anything.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sim.compute.refs import Job, ModelRef, ScoreRef


@dataclass
class Kind:
    """Operations of one kind, in units that take about equally long: steps, or evaluations."""

    demanded: int = 0
    done: int = 0
    seconds: float = 0.0
    """Of all workers together, for what is done."""

    @property
    def left(self) -> int:
        """Units still to do."""
        return self.demanded - self.done


class Pace:
    """Trainings and evaluations, demanded and done; the rest takes next to no time.

    `clock` gives real seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kinds: dict[str, Kind] = {}
        self._begun_s: dict[str, float] = {}
        self.evaluations_demanded = 0
        self.evaluations_done = 0

    def demanded(self, ref: ModelRef | ScoreRef) -> None:
        """Count an operation that is to be done."""
        if (kind := self._kind(ref)) is not None:
            kind.demanded += ref.cost
            self.evaluations_demanded += isinstance(ref, ScoreRef)

    def given_up(self, ref: ModelRef | ScoreRef) -> None:
        """Take back an operation that will not be done."""
        if (kind := self._kind(ref)) is not None:
            kind.demanded -= ref.cost
            self.evaluations_demanded -= isinstance(ref, ScoreRef)

    def begun(self, jobs: Sequence[Job]) -> None:
        """A worker has got this group."""
        self._begun_s[jobs[0].output] = self._clock()

    def ended(self, jobs: Sequence[Job]) -> float:
        """A worker has done with this group; the seconds since it got it."""
        return self._clock() - self._begun_s.pop(jobs[0].output)

    def done(self, ref: ModelRef | ScoreRef, seconds: float) -> None:
        """Count an operation as done, and its part of the group's time."""
        if (kind := self._kind(ref)) is not None:
            kind.done += ref.cost
            kind.seconds += seconds
            self.evaluations_done += isinstance(ref, ScoreRef)

    @property
    def done_s(self) -> float:
        """Seconds of all workers together so far."""
        return sum(kind.seconds for kind in self._kinds.values())

    @property
    def left_s(self) -> float:
        """The same for what is left, as far as its like has been done already."""
        return sum(
            kind.left * kind.seconds / kind.done for kind in self._kinds.values() if kind.done
        )

    @property
    def is_known(self) -> bool:
        """Whether something like all that is left has been done already."""
        return all(kind.done or not kind.left for kind in self._kinds.values())

    def _kind(self, ref: ModelRef | ScoreRef) -> Kind | None:
        if isinstance(ref, ScoreRef):
            return self._kinds.setdefault(f"scores {ref.dataset}", Kind())
        return self._kinds.setdefault("trained", Kind()) if ref.kind == "trained" else None
