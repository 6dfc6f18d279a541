"""How long it takes to be back: a node at its work after a crash, a federation at its score."""

from __future__ import annotations

import numpy as np
import pandas as pd

from analysis.metrics.common import (
    LOOK,
    RUN,
    PerPoint,
    check,
    check_trace,
    ended_s,
    first,
    index_of,
    per_point,
    sign,
)
from analysis.metrics.progress import CURVE, final
from analysis.metrics.states import outages
from sim.record.rows import SERVER

RECOVERY_KINDS = ("crash", "recover", "train", "round")
"""What `recovery_of_nodes` needs of a trace."""


def recovery_of_nodes(trace: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """From each recovery of a node to the end of its next local round (of a server: server round).

    `trace`: with the kinds of `RECOVERY_KINDS`, and cause; `scores` tells the nodes and the ends.

    Columns: point, protocol, seed, node, `fault`, `crash_s`, `recover_s`; `value`, virtual seconds;
    `reached`. Where `reached` is False the node crashed again, or the run ended, before a round was
    finished: `value` is the time until then. Outages that never ended have no row: see `outages`.
    """
    check_trace(trace, scores, RECOVERY_KINDS, ["cause"])
    keys = [*RUN, "node"]
    all_outages = outages(trace, scores)
    again_s = all_outages.groupby(keys, observed=True)["crash_s"].shift(-1)
    ends = scores.groupby(RUN, observed=True)["time_s"].max().rename("end_s").reset_index()
    found = all_outages.assign(until_s=again_s).merge(ends, on=RUN)
    found["until_s"] = found["until_s"].fillna(found["end_s"])
    found = found[found["recovered"]].reset_index(drop=True)
    wanted = np.where(trace["node"] == SERVER, "round", "train")
    rounds = trace[trace["kind"].to_numpy() == wanted]
    rounds = rounds[keys].assign(time_s=ended_s(rounds))
    later = found[[*keys, "recover_s", "until_s"]].assign(outage=found.index).merge(rounds, on=keys)
    # What began before the crash ended with it, so what ends after the recovery is its work.
    later = later[(later["time_s"] > later["recover_s"]) & (later["time_s"] <= later["until_s"])]
    done_s = first(later, ["outage"]).set_index("outage")["time_s"].reindex(found.index)
    found["reached"] = done_s.notna()
    found["value"] = done_s.fillna(found["until_s"]) - found["recover_s"]
    return found[[*keys, "fault", "crash_s", "recover_s", "value", "reached"]]


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
