"""Data frames, statistics and figures from result folders, which is all that is read here.

`load` a folder of `braintorrent run` or `sweep`, read its `scores` and its `trace`, give them to
the functions of `analysis.metrics`, and what comes out, one row per run, to those of
`analysis.statistics`.
"""

from analysis.loading import load, load_run, load_sweep
from analysis.metrics import (
    area_under_curve,
    at_equal_work,
    at_own_site,
    cumulated,
    epochs_per_round,
    fairness_over_time,
    final,
    lost_by_cause,
    of_model,
    outages,
    over_clients,
    progress_after_crash,
    recovery_of_nodes,
    recovery_of_score,
    staleness_over_time,
    time_by_state,
    to_target,
    with_work,
    work_lost,
)
from analysis.results import Results
from analysis.shipped import load_or_run
from analysis.statistics import (
    Interval,
    differences,
    kaplan_meier,
    mean_interval,
    median_time,
    more_seeds,
    over_seeds,
    paired_differences,
    seeds_needed,
)
from sim.record.errors import ResultError

__all__ = [
    "Interval",
    "ResultError",
    "Results",
    "area_under_curve",
    "at_equal_work",
    "at_own_site",
    "cumulated",
    "differences",
    "epochs_per_round",
    "fairness_over_time",
    "final",
    "kaplan_meier",
    "load",
    "load_or_run",
    "load_run",
    "load_sweep",
    "lost_by_cause",
    "mean_interval",
    "median_time",
    "more_seeds",
    "of_model",
    "outages",
    "over_clients",
    "over_seeds",
    "paired_differences",
    "progress_after_crash",
    "recovery_of_nodes",
    "recovery_of_score",
    "seeds_needed",
    "staleness_over_time",
    "time_by_state",
    "to_target",
    "with_work",
    "work_lost",
]
