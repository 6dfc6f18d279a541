"""How many seeds an answer needs."""

from __future__ import annotations

import math
from collections.abc import Iterable

from analysis.statistics.intervals import check_confidence, mean_interval, student_quantile
from sim.record.errors import ResultError


def seeds_needed(std: float, half_width: float, *, confidence: float = 0.95) -> int:
    """The fewest seeds whose interval by Student's t is mean ± `half_width` or narrower.

    `std`: the standard deviation of one seed, taken as known: if it comes from a few seeds, it may
    be half or double of that, and so may the width that comes out. At least 2. Raises ResultError
    for a width that isn't above zero, or a std that isn't a number of zero or more.
    """
    check_confidence(confidence)
    if not 0 < half_width < math.inf:
        raise ResultError(f"half_width: is {half_width!r}; allowed: a number above zero")
    if not 0 <= std < math.inf:
        raise ResultError(f"std: is {std!r}; allowed: a number of zero or more")
    # Student's quantile is above the normal's, its limit: fewer seeds than that never do.
    least = student_quantile(10**9, confidence) * std / half_width
    seeds = max(2, math.ceil(least**2))
    while student_quantile(seeds - 1, confidence) * std / math.sqrt(seeds) > half_width:
        seeds += 1
    return seeds


def more_seeds(
    values: Iterable[float], half_width: float, *, confidence: float = 0.95
) -> int | None:
    """How many seeds to add to those that `values` come from, until their mean is ± `half_width`.

    0 if they do already; None if fewer than two of them are finite, which tells no spread. Those
    that aren't finite count as not there. See `seeds_needed`.
    """
    found = mean_interval(values, confidence=confidence)
    if found.count < 2:
        return None
    return max(0, seeds_needed(found.std, half_width, confidence=confidence) - found.count)
