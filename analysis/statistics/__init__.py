"""What the seeds of an experiment allow one to say: intervals, pairs, survival, and how many more.

Nothing here drops a value in silence: what can't be counted is counted as left out.
"""

from analysis.statistics.intervals import (
    METHODS,
    Interval,
    Method,
    differences,
    mean_interval,
    more_seeds,
    over_seeds,
    paired_differences,
    seeds_needed,
)
from analysis.statistics.survival import kaplan_meier, median_time

__all__ = [
    "METHODS",
    "Interval",
    "Method",
    "differences",
    "kaplan_meier",
    "mean_interval",
    "median_time",
    "more_seeds",
    "over_seeds",
    "paired_differences",
    "seeds_needed",
]
