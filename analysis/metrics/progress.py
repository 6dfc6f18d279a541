"""What a run's curve comes to: its end, its height, and when it reached a score."""

import numpy as np
import pandas as pd

from analysis.metrics.common import (
    CURVE,
    LOOK,
    PerPoint,
    check,
    first,
    index_of,
    per_point,
    sign,
    told_alike,
)


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
    return told_alike(found.assign(span_s=span_s)[[*CURVE, "value", "span_s"]], over_time)


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


def to_target(
    over_time: pd.DataFrame, target: PerPoint, *, column: str = "mean", cost: str = "time_s"
) -> pd.DataFrame:
    """What each curve had cost at its first look at which `column` is as good as `target`.

    `cost`: a column of `over_time` that never falls: time_s, or with `with_work` also
    bytes_received, local_rounds or local_epochs. As fine as the looks: the target was reached some
    time since the look before. A NaN score does not reach anything.

    Columns: point, protocol, seed, metric, `value` (of `cost`), `reached`. Where `reached` is
    False the run is censored: `value` is what it had cost in all when it ended.
    """
    check(over_time, [*LOOK, column, cost], "over_time")
    rows = over_time.sort_values(LOOK, ignore_index=True)
    direction = sign(rows)
    aim = per_point(rows["point"], target, "target")
    there = direction * rows[column].to_numpy() >= direction * aim
    reached = first(rows[there], CURVE)[[*CURVE, cost]].rename(columns={cost: "value"})
    found = final(rows)[[*CURVE, cost]].rename(columns={cost: "end"})
    found = found.merge(reached.assign(reached=True), on=CURVE, how="left")
    found["reached"] = found["reached"].notna()
    found["value"] = found["value"].where(found["reached"], found["end"])
    return found[[*CURVE, "value", "reached"]]


def recovery_of_score(
    over_time: pd.DataFrame, crash_s: PerPoint, *, column: str = "mean"
) -> pd.DataFrame:
    """From a crash until each curve is back at its value of before, as fine as the looks.

    Before is the last look at or before `crash_s` (virtual seconds). A look at the very instant of
    a crash sees what a loss of storage has taken: let such crashes fall between the looks.

    Columns: point, protocol, seed, metric, `before`; `drop`, from there to the worst later value,
    0 if it never got worse; `value`, virtual seconds from the crash to the first look, after one
    that was worse, that is as good as before: 0 where none was worse; `reached`. Where `reached` is
    False the run ended first, and `value` is the time until then. A NaN score counts as worse, and
    makes the drop NaN. All NaN, and `reached` False, for a run without a look before or after.
    """
    check(over_time, [*LOOK, column], "over_time")
    rows = over_time.sort_values(LOOK, ignore_index=True)
    rows["crash_s"] = per_point(rows["point"], crash_s, "crash_s")
    rows["score"] = rows[column] * sign(rows)
    earlier = rows[rows["time_s"] <= rows["crash_s"]].drop_duplicates(CURVE, keep="last")
    found = final(rows)[[*CURVE, "time_s", "crash_s"]].rename(columns={"time_s": "end_s"})
    before = earlier[[*CURVE, column, "score"]].rename(columns={column: "before"})
    found = found.merge(before, on=CURVE, how="left")
    later = rows[rows["time_s"] > rows["crash_s"]]
    places = index_of(later, found, CURVE)
    later = later.assign(place=places)
    worse = ~(later["score"] >= found["score"].to_numpy()[places])
    after_worse = worse.astype("int64").groupby(later["place"]).cumsum() > 0
    back = first(later[after_worse & ~worse], ["place"]).set_index("place")["time_s"]
    lows = later.groupby("place")["score"].agg(lambda each: each.min(skipna=False))
    back_s = back.reindex(found.index)
    fell = worse.groupby(later["place"]).any().reindex(found.index, fill_value=False).astype(bool)
    known = found["score"].notna() & (found["end_s"] > found["crash_s"])
    found["drop"] = (found["score"] - lows.reindex(found.index)).clip(lower=0.0).where(known)
    found["reached"] = known & (~fell | back_s.notna())
    taken_s = back_s.fillna(found["end_s"]) - found["crash_s"]
    found["value"] = taken_s.where(fell, 0.0).where(known)
    return found[[*CURVE, "before", "drop", "value", "reached"]]
