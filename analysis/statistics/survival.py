"""How many runs have not got there yet, over time, where some never do.

The mean time of those that got there is the time of the lucky ones; the estimate here uses what the
others tell, too: that it took longer than their run.

Kaplan, Meier, "Nonparametric Estimation from Incomplete Observations", Journal of the American
Statistical Association 53, 1958. The interval is Greenwood's, on the scale of log(-log S), which
stays between 0 and 1 and is the better one for few runs (Kalbfleisch, Prentice, "The Statistical
Analysis of Failure Time Data", 1980).
"""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from analysis.metrics.common import Floats, check
from analysis.statistics.intervals import POINT_AND_PROTOCOL, check_confidence


def kaplan_meier(
    frame: pd.DataFrame, *, by: Sequence[str] = POINT_AND_PROTOCOL, confidence: float = 0.95
) -> pd.DataFrame:
    """The share of runs that have not reached their target, as a step function of `time`.

    `frame`: `value`, `reached` and the columns of `by`, one row per run or failure, as `to_target`
    or the recoveries give them; `value` may be bytes or rounds as well. Where `reached` is False it
    took longer than `value` (censored there).

    Columns: those of `by`; `time`, first 0 and then each value at which something happens;
    `survival`, which holds from there to the next row; `low`, `high`, its pointwise interval, NaN
    where the share is still 1 or already 0; `at_risk`, runs that had not got there, nor ended,
    before; `events`, runs that got there; `left_out`, runs of the group whose value is NaN. A group
    that has only those has one row, without a share.
    """
    check(frame, [*by, "value", "reached"], "frame")
    check_confidence(confidence)
    parts = []
    for key, group in frame.groupby(list(by), observed=True):
        known = group[group["value"].notna()]
        reached = known["reached"].to_numpy(dtype=np.bool_)
        steps = _steps(known["value"].to_numpy(np.float64), reached, confidence)
        # A row, since a name may be any text, and a group is of one.
        named = pd.DataFrame([key], columns=list(by)).assign(left_out=len(group) - len(known))
        parts.append(named.merge(steps, how="cross"))
    found = pd.concat(parts, ignore_index=True)
    found = found.astype({name: frame[name].dtype for name in by})
    columns = ("time", "survival", "low", "high", "at_risk", "events", "left_out")
    return found[[*by, *columns]]


def _steps(values: Floats, reached: Any, confidence: float) -> pd.DataFrame:
    """One group's columns, but for who it is; `values` has no NaN."""
    start = {"time": 0.0, "survival": 1.0 if len(values) else np.nan, "low": np.nan, "high": np.nan}
    first = pd.DataFrame([{**start, "at_risk": len(values), "events": 0}])
    if not len(values):
        return first
    from scipy import stats  # takes 0.2 s, which only who wants a curve waits for

    survival = stats.ecdf(stats.CensoredData(values[reached], right=values[~reached])).sf
    with warnings.catch_warnings():
        # Where the share is 0 or 1 there is no interval: said here by NaN, there by a warning.
        warnings.filterwarnings("ignore", "The confidence interval is undefined", RuntimeWarning)
        interval = survival.confidence_interval(confidence, method="log-log")
    times = survival.quantiles
    found = pd.DataFrame(
        {
            "time": times,
            "survival": survival.probabilities,
            "low": interval.low.probabilities,
            "high": interval.high.probabilities,
            "at_risk": [int((values >= time).sum()) for time in times],
            "events": [int((values[reached] == time).sum()) for time in times],
        }
    )
    return pd.concat([first, found], ignore_index=True) if times[0] > 0 else found


def median_time(frame: pd.DataFrame, *, by: Sequence[str] = POINT_AND_PROTOCOL) -> pd.DataFrame:
    """By when half of the runs had got there: the first time at which the survival is at most 1/2.

    `frame`: as for `kaplan_meier`. Columns: those of `by`; `median`, NaN where fewer than half ever
    got there; `count` of runs, `reached` of those that got there; `left_out`.
    """
    curves = kaplan_meier(frame, by=by)
    half = curves[curves["survival"] <= 0.5].drop_duplicates(list(by))
    groups = curves.groupby(list(by), observed=True)
    found = groups.agg(
        count=("at_risk", "first"), reached=("events", "sum"), left_out=("left_out", "first")
    ).reset_index()
    found = found.merge(
        half[[*by, "time"]].rename(columns={"time": "median"}), on=list(by), how="left"
    )
    return found[[*by, "median", "count", "reached", "left_out"]]
