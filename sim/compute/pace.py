"""How long real work takes here, and how much of it is left: for whoever waits at the screen.

It knows real time, so nothing that it says may decide anything.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from sim.compute.refs import Job, ModelRef, ScoreRef


@dataclass
class Amount:
    """Operations of one kind, in units that take about equally long: steps, or evaluations."""

    demanded: int = 0
    done: int = 0
    timed: int = 0
    """Those of the done that tell how long the others will take."""
    seconds: float = 0.0
    """Of all workers together, for what was timed."""

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
        self._training = Amount()
        self._evaluations: defaultdict[str, Amount] = defaultdict(Amount)
        self._begun_s: dict[str, float] = {}
        self._warm: set[tuple[int, str]] = set()

    def demanded(self, ref: ModelRef | ScoreRef) -> None:
        """Count an operation that is to be done."""
        if (amount := self._amount(ref)) is not None:
            amount.demanded += ref.cost

    def given_up(self, ref: ModelRef | ScoreRef) -> None:
        """Take back an operation that will not be done."""
        if (amount := self._amount(ref)) is not None:
            amount.demanded -= ref.cost

    def begun(self, jobs: Sequence[Job]) -> None:
        """A worker has got this group."""
        self._begun_s[jobs[0].output] = self._clock()

    def ended(self, worker: int, jobs: Sequence[Job]) -> float | None:
        """A worker has done with this group; the seconds since it got it.

        None for the first of its kind there: it loads, compiles or warms up what the others find.
        """
        seconds = self._clock() - self._begun_s.pop(jobs[0].output)
        kind = (worker, jobs[0].kind)
        if kind in self._warm:
            return seconds
        self._warm.add(kind)
        return None

    def done(self, ref: ModelRef | ScoreRef, seconds: float | None) -> None:
        """Count an operation as done, and its part of the group's time, if that tells anything."""
        if (amount := self._amount(ref)) is not None:
            amount.done += ref.cost
            if seconds is not None:
                amount.timed += ref.cost
                amount.seconds += seconds

    @property
    def evaluations_demanded(self) -> int:
        """On all data sets."""
        return sum(amount.demanded for amount in self._evaluations.values())

    @property
    def evaluations_done(self) -> int:
        """On all data sets."""
        return sum(amount.done for amount in self._evaluations.values())

    @property
    def done_s(self) -> float:
        """Seconds of all workers together so far, for what was timed."""
        return sum(amount.seconds for amount in self._amounts())

    @property
    def left_s(self) -> float:
        """The same for what is left, as far as its like has been timed already."""
        return sum(each.left * each.seconds / each.timed for each in self._amounts() if each.timed)

    @property
    def is_known(self) -> bool:
        """Whether something like all that is left has been timed already."""
        return all(amount.timed or not amount.left for amount in self._amounts())

    def _amounts(self) -> Iterator[Amount]:
        yield self._training
        yield from self._evaluations.values()

    def _amount(self, ref: ModelRef | ScoreRef) -> Amount | None:
        if isinstance(ref, ScoreRef):
            return self._evaluations[ref.dataset]
        return self._training if ref.kind == "trained" else None
