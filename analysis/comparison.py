"""What runs came to over their seeds, and how tables and sentences write it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import pandas as pd

from analysis.metrics import (
    LOOK,
    LOSS_KINDS,
    RUN,
    final,
    over_clients,
    progress_after_crash,
    to_target,
    work_lost,
)
from analysis.metrics.common import POINT_AND_PROTOCOL
from analysis.results import Results
from analysis.statistics import Interval, intervals_of, median_time, over_seeds, paired_differences
from sim.record.rows import AGGREGATE, FINISHED
from sim.record.words import time_text

Key = tuple[str, str]
"""Point and protocol."""
SCORES = ("mean", "worst", "aggregate")
PROGRESS = "progress"
WORK = ("local_rounds", "local_rounds_lost", "lost_share", "bytes_received")
NONE = "–"
"""Where there is no number."""
_AVERAGED = (*SCORES, PROGRESS, *WORK)
_SCORE_COLUMNS = [*LOOK, "node", "value", "up"]
_TRACE_COLUMNS = [*RUN, "time_s", "duration_s", "node", "kind", "bytes"]


@dataclass(frozen=True)
class Arrival:
    """By when half of the runs had reached the target, by Kaplan and Meier's estimate."""

    median_s: float
    """NaN where fewer than half ever did."""
    count: int
    """Finished runs."""
    reached: int


@dataclass(frozen=True)
class Comparison:
    """What the finished runs of each point and protocol came to; empty if none is finished."""

    runs: pd.DataFrame
    """One row per finished run: point, protocol, seed, the columns of `SCORES` (at the last look),
    `progress` (see `progress_after_crash`; NaN without a crash), those of `WORK` (see `work_lost`),
    `value` and `reached` (see `to_target`; missing without a target)."""
    means: Mapping[str, Mapping[Key, Interval]]
    """By column of `SCORES` and `WORK`, and `progress`; every key has a finished run."""
    differences: Mapping[Key, Interval]
    """Of the mean client to the baseline's under the same seeds; none without a baseline."""
    arrivals: Mapping[Key, Arrival]
    """Of the mean client at the target; no keys of points without one."""
    baseline: str | None
    """That of the results, if it has a finished run, and another protocol has one."""


def compared(results: Results) -> Comparison:
    """Reads one point's tables at a time."""
    finished = results.runs.loc[results.runs["status"] == FINISHED, "point"].unique()
    if not len(finished):
        return Comparison(pd.DataFrame(), {name: {} for name in _AVERAGED}, {}, {}, None)
    runs = pd.concat([_of_point(results, str(point)) for point in finished], ignore_index=True)
    # Those of one point that are text become one type again.
    runs = runs.astype({name: results.runs[name].dtype for name in POINT_AND_PROTOCOL})
    means = {column: _intervals(over_seeds(runs, column)) for column in _AVERAGED}
    baseline, differences = None, {}
    if {results.baseline} < {str(name) for name in runs["protocol"].unique()}:
        baseline = results.baseline
        differences = _intervals(paired_differences(runs, "mean", baseline))
    return Comparison(runs, means, differences, _arrivals(runs), baseline)


def is_told(difference: Interval) -> bool:
    """Whether its interval leaves no doubt which of the two is larger."""
    return difference.low > 0 or difference.high < 0


def _of_point(results: Results, point: str) -> pd.DataFrame:
    scores = results.scores(points=point, metric=results.metric, columns=_SCORE_COLUMNS)
    trace = results.trace(points=point, kinds=LOSS_KINDS, columns=_TRACE_COLUMNS)
    curves = over_clients(scores)
    found = final(curves)[[*RUN, "mean", "worst"]]
    aggregate = scores[scores["node"] == AGGREGATE].sort_values("time_s")
    last = aggregate.drop_duplicates(RUN, keep="last").rename(columns={"value": "aggregate"})
    found = found.merge(last[[*RUN, "aggregate"]], on=RUN, how="left")
    gained = progress_after_crash(curves, float(results.conditions["crash_s"][point]))
    found = found.merge(gained[[*RUN, "value"]].rename(columns={"value": PROGRESS}), on=RUN)
    found = found.merge(work_lost(trace, scores)[[*RUN, *WORK]], on=RUN)
    target = float(results.conditions["target"][point])
    if not math.isnan(target):
        return found.merge(to_target(curves, target)[[*RUN, "value", "reached"]], on=RUN)
    return found.assign(value=float("nan"), reached=None)


def _intervals(frame: pd.DataFrame) -> dict[Key, Interval]:
    return dict(zip(_keys(frame), intervals_of(frame), strict=True))


def _arrivals(runs: pd.DataFrame) -> dict[Key, Arrival]:
    known = runs[runs["reached"].notna()].astype({"reached": "bool"})
    if known.empty:
        return {}
    found = median_time(known)
    rows = found[["median", "count", "reached"]].itertuples(index=False, name=None)
    return {key: Arrival(*row) for key, row in zip(_keys(found), rows, strict=True)}


def _keys(frame: pd.DataFrame) -> list[Key]:
    return list(frame[POINT_AND_PROTOCOL].astype("str").itertuples(index=False, name=None))


def score_text(score: Interval) -> str:
    """A mean with its interval; without it, where there is none."""
    if not math.isfinite(score.mean):
        return NONE
    if not math.isfinite(score.low):
        return f"{score.mean:.3f}"
    return f"{score.mean:.3f} ±{(score.high - score.low) / 2:.3f}"


def difference_text(difference: Interval) -> str:
    """The same with its sign."""
    text = score_text(replace(difference, mean=abs(difference.mean)))
    return text if text == NONE else f"{'−' if difference.mean < 0 else '+'}{text}"


def median_text(median_s: float) -> str:
    """A median time to a target, NaN where fewer than half of the runs got there."""
    return time_text(median_s) if math.isfinite(median_s) else "not reached"


def count_text(count: float) -> str:
    """A mean number of things."""
    return f"{count:,.0f}" if math.isfinite(count) else NONE


def share_text(share: float) -> str:
    """A share in per cent."""
    return f"{100 * share:.1f} %" if math.isfinite(share) else NONE
