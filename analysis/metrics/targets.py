"""What it took each run to reach a score, where those that never did are counted as such."""

from __future__ import annotations

import pandas as pd

from analysis.metrics.common import (
    LOOK,
    PerPoint,
    check,
    first,
    index_of,
    per_point,
    sign,
    told_alike,
)
from analysis.metrics.progress import CURVE, final
from sim.record.errors import ResultError


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


def with_work(over_time: pd.DataFrame, work: pd.DataFrame) -> pd.DataFrame:
    """`over_time` with the columns of `work`, as `cumulated` gives it for whole runs.

    Raises ResultError if `work` is by node, or lacks a look of `over_time`.
    """
    keys = [name for name in LOOK if name != "metric"]
    check(over_time, LOOK, "over_time")
    check(work, keys, "work")
    if work.duplicated(keys).any():
        raise ResultError("work: has several rows of one look; allowed: one, of the whole run")
    if (index_of(over_time, work, keys) < 0).any():
        raise ResultError("work: lacks looks of over_time; allowed: work of the same runs")
    # Both tell how many clients there are; of survivors, over_time knows better.
    told = [name for name in work if name in over_time and name not in keys]
    return told_alike(over_time.merge(work.drop(columns=told), on=keys, how="left"), over_time)
