"""What a run's curve comes to: its end, its mean height, and what it gained after a crash."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.metrics.common import LOOK, RUN, PerPoint, check, per_point, sign, told_alike

CURVE = [*RUN, "metric"]
"""The columns that name one curve."""


def final(over_time: pd.DataFrame) -> pd.DataFrame:
    """The rows of each curve's last look; all columns are kept.

    `over_time`: point, protocol, seed, metric, time_s and any others, one row per look.
    """
    check(over_time, LOOK, "over_time")
    last = over_time.sort_values(LOOK).drop_duplicates(CURVE, keep="last")
    return last.reset_index(drop=True)


def area_under_curve(
    over_time: pd.DataFrame, *, column: str = "mean", duration_s: PerPoint | None = None
) -> pd.DataFrame:
    """The mean height of each curve over virtual time, by the trapezoidal rule.

    In the metric's unit: the area from the first to the last look, divided by the time between.
    With `duration_s` the last value is held until then, so that a run that was stopped early can be
    compared with one that was not. NaN anywhere makes the area NaN; of one look it is its value.

    Columns: point, protocol, seed, metric, `value`, `span_s` (what it was divided by).
    """
    check(over_time, [*LOOK, column], "over_time")
    rows = over_time.sort_values(LOOK, ignore_index=True)
    before = rows.groupby(CURVE, observed=True)[["time_s", column]].shift()
    width_s = (rows["time_s"] - before["time_s"]).fillna(0.0)
    # The first look has no piece before it, while a NaN beside one is the curve's.
    height = (rows[column] + before[column].where(before["time_s"].notna(), rows[column])) / 2
    pieces = rows.assign(area=width_s * height, nan=rows[column].isna())
    curves = pieces.groupby(CURVE, observed=True)
    found = curves.agg(
        area=("area", "sum"), nan=("nan", "any"), start_s=("time_s", "min"),
        end_s=("time_s", "max"), last=(column, "last"),
    ).reset_index()  # fmt: skip
    if duration_s is not None:
        until_s = per_point(found["point"], duration_s, "duration_s")
        held_s = np.maximum(until_s - found["end_s"], 0.0)
        found["area"] += np.where(held_s > 0, held_s * found["last"], 0.0)
        found["end_s"] += held_s
    span_s = found["end_s"] - found["start_s"]
    found["value"] = (found["area"] / span_s.where(span_s > 0)).where(span_s > 0, found["last"])
    found["value"] = found["value"].mask(found["nan"])
    return found.assign(span_s=span_s)[[*CURVE, "value", "span_s"]]


def progress_after_crash(
    over_time: pd.DataFrame, crash_s: PerPoint, *, column: str = "mean"
) -> pd.DataFrame:
    """What each curve still gained after a crash; positive is better in any metric.

    From the last look at or before `crash_s` (virtual seconds) to the last one of all. NaN where a
    run has no look before the crash or none after it, where `crash_s` is NaN, or where one of the
    two scores is.

    Columns: point, protocol, seed, metric, `before`, `final`, `value` (the gain).
    """
    check(over_time, [*LOOK, column], "over_time")
    rows = over_time.sort_values(LOOK, ignore_index=True)
    rows["crash_s"] = per_point(rows["point"], crash_s, "crash_s")
    earlier = rows[rows["time_s"] <= rows["crash_s"]].drop_duplicates(CURVE, keep="last")
    found = final(rows)[[*CURVE, "time_s", "crash_s", column]].rename(columns={column: "final"})
    before = earlier[[*CURVE, column]].rename(columns={column: "before"})
    found = found.merge(before, on=CURVE, how="left")
    gain = (found["final"] - found["before"]) * sign(told_alike(found, over_time))
    found["value"] = gain.where(found["time_s"] > found["crash_s"])
    return found[[*CURVE, "before", "final", "value"]]
