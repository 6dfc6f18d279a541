"""When something acts that lasts for a while: once, in a fixed rhythm, or at random."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from sim.record.errors import Refusal
from sim.record.settings import Constant, Distribution
from sim.world import Windows

EVERY = "time from one beginning to the next; without it and pauses it comes once"
PAUSES = "time from each end to the next beginning, instead of every"
TIMES = "how often it begins; as often as the run lasts if left out"


@dataclass(frozen=True)
class Rhythm:
    """It begins at `at` seconds and `lasts` for a while: once; or at every so many seconds after it
    began; or after `pauses`. `times`: how often, unless that is endless.
    """

    at: float
    lasts: Distribution
    every: float | None = None
    pauses: Distribution | None = None
    times: int | None = None

    @property
    def is_drawn(self) -> bool:
        """Whether chance decides when it acts."""
        laws = (self.lasts, self.pauses)
        return not all(law is None or isinstance(law, Constant) for law in laws)

    @property
    def is_once(self) -> bool:
        return self.every is None and self.pauses is None

    @property
    def window_s(self) -> tuple[float, float]:
        """From when to when it acts, as far as that is known."""
        if self.is_once:
            return self.at, self.at + self.lasts.longest_s
        if self.every is None or self.times is None:
            return self.at, math.inf
        return self.at, self.at + (self.times - 1) * self.every + self.lasts.longest_s

    def check(self, lasts: str) -> None:
        """Raise Refusal if that is no rhythm; `lasts`: what the user calls how long it lasts."""
        if self.every is not None and self.pauses is not None:
            raise Refusal("needs one rhythm", "either every or pauses")
        if self.is_once and self.times is not None:
            raise Refusal("it comes once only", "every or pauses beside times", ("times",))
        for name, law in ((lasts, self.lasts), ("pauses", self.pauses)):
            if law is not None and law.longest_s == 0:
                raise Refusal("is zero", "more than zero", (name,))
        if self.every is not None and self.every <= self.lasts.longest_s:
            what = f"is no longer than {lasts} may be: it would begin before it is over"
            allowed = f"more than {lasts}, or pauses instead"
            raise Refusal(what, allowed, ("every",))

    def events(self, duration_s: float) -> float:
        """About how many beginnings and ends there are within `duration_s`."""
        if self.is_once:
            return 2.0
        cycle_s = self.every or sum(law.mean_s for law in (self.lasts, self.pauses) if law)
        return 2.0 * min(self.times or math.inf, duration_s / cycle_s + 1)

    def windows(self, until_s: float, stream: Callable[[str], np.random.Generator]) -> Windows:
        """Those that begin before `until_s`, the time before 0 left out.

        `stream` gives a fresh generator for a purpose. The k-th `lasts` and the k-th of the
        `pauses` are draws of their own: a shorter scale of either brings each beginning no later.
        """
        spans = itertools.islice(self._spans(stream), self.times)
        begun = itertools.takewhile(lambda span: span[0] < until_s, spans)
        within = ((max(0.0, from_s), to_s) for from_s, to_s in begun)
        return Windows(span for span in within if span[0] < span[1])

    def _spans(self, stream: Callable[[str], np.random.Generator]) -> Iterator[tuple[float, float]]:
        lasts, pauses = stream("lasts"), stream("pauses")
        from_s = self.at
        for number in itertools.count(1):
            to_s = from_s + float(self.lasts.draw(lasts, 1)[0])
            yield from_s, to_s
            if self.pauses is not None:
                from_s = to_s + float(self.pauses.draw(pauses, 1)[0])
            elif self.every is not None:
                from_s = self.at + number * self.every
            else:
                return
