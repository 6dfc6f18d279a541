"""The page's tables: what each protocol came to, at each point, and how sure the seeds make us.

A room of its own because the numbers are wanted twice, in the tables and for the warnings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

import pandas as pd

from analysis.figures.choices import scores_of
from analysis.figures.scale import path_name
from analysis.frames import AGGREGATE
from analysis.metrics import (
    LOSS_KINDS,
    LOWER_IS_BETTER,
    RUN,
    final,
    over_clients,
    to_target,
    work_lost,
)
from analysis.report.words import (
    NONE,
    count_text,
    difference_text,
    score_text,
    share_text,
    size_text,
    time_text,
)
from analysis.results import Results
from analysis.runs import FINISHED
from analysis.statistics import Interval, median_time, over_seeds, paired_differences

Key = tuple[str, str]
"""Point and protocol."""
POINT_AND_PROTOCOL = ["point", "protocol"]
SCORES = ("mean", "worst", "aggregate")
WORK = {
    **{"local_rounds": count_text, "local_rounds_lost": count_text},
    **{"lost_share": share_text, "bytes_received": size_text},
}
"""Columns of `work_lost`, and how each is written."""
_HEADS = (
    *("worst client", "aggregate", "time to target"),
    *("local rounds", "rounds lost", "lost work", "received"),
)


@dataclass(frozen=True)
class Table:
    """Texts in rows; the first `heads` cells of each say what it is about."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    heads: int


@dataclass(frozen=True)
class Comparison:
    """What runs came to, over the seeds of each point and protocol."""

    runs: pd.DataFrame
    """One row per finished run: point, protocol, seed, the columns of `SCORES` (at the last look)
    and of `WORK` (see `work_lost`), `value` and `reached` (see `to_target`; NaN without one)."""
    means: Mapping[str, Mapping[Key, Interval]]
    """By column of `SCORES` and `WORK`; every key has a finished run."""
    differences: Mapping[Key, Interval]
    """Of the mean client to the reference's under the same seeds; none without a reference."""
    reference: str | None
    """That of the results, if it has a finished run, and another protocol has one."""


def compared(results: Results) -> Comparison:
    """Reads one point's tables at a time. Raises ResultError if no run is finished."""
    finished = results.runs.loc[results.runs["status"] == FINISHED, "point"].unique()
    if not len(finished):
        scores_of(results)  # It says what is wrong.
    runs = pd.concat([_of_point(results, str(point)) for point in finished], ignore_index=True)
    # Those of one point that are text become one type again.
    runs = runs.astype({name: results.runs[name].dtype for name in POINT_AND_PROTOCOL})
    means = {column: _intervals(over_seeds(runs, column)) for column in (*SCORES, *WORK)}
    if not {results.reference} < {str(name) for name in runs["protocol"].unique()}:
        return Comparison(runs, means, {}, None)
    differences = _intervals(paired_differences(runs, "mean", results.reference))
    return Comparison(runs, means, differences, results.reference)


def _intervals(frame: pd.DataFrame) -> dict[Key, Interval]:
    columns = [field.name for field in fields(Interval)]
    keys = frame[POINT_AND_PROTOCOL].astype("str").itertuples(index=False, name=None)
    rows = frame[columns].itertuples(index=False, name=None)
    return {key: Interval(*row) for key, row in zip(keys, rows, strict=True)}


def _of_point(results: Results, point: str) -> pd.DataFrame:
    scores = results.scores(points=point, metric=results.metric)
    trace = results.trace(points=point, kinds=LOSS_KINDS)
    curves = over_clients(scores)
    found = final(curves)[[*RUN, "mean", "worst"]]
    aggregate = scores.loc[scores["node"] == AGGREGATE, [*RUN, "metric", "time_s", "value"]]
    if len(aggregate):
        last = final(aggregate)[[*RUN, "value"]].rename(columns={"value": "aggregate"})
        found = found.merge(last, on=RUN, how="left")
    else:
        found["aggregate"] = float("nan")
    found = found.merge(work_lost(trace, scores)[[*RUN, *WORK]], on=RUN)
    target = float(results.conditions["target"][point])
    if target == target:
        return found.merge(to_target(curves, target)[[*RUN, "value", "reached"]], on=RUN)
    return found.assign(value=float("nan"), reached=None)


def table(results: Results, found: Comparison) -> Table:
    """A row for each point and protocol that has a finished run."""
    arrivals = _arrivals(found.runs)
    written = results.written.set_index("point")
    expected = results.runs.groupby(POINT_AND_PROTOCOL, observed=True).size()
    rows = []
    for here in found.means["mean"]:
        mean, *others = (score_text(found.means[name][here]) for name in SCORES)
        done = found.means["mean"][here]
        rows.append(
            (
                *(str(text) for text in written.loc[here[0]]),
                here[1],
                f"{done.count + done.left_out} of {expected[here]}",
                mean,
                *([_difference(results, found, here)] if found.reference else []),
                *others,
                arrivals.get(here, NONE),
                *(text(found.means[name][here].mean) for name, text in WORK.items()),
            )
        )
    heads = (*map(path_name, results.paths), "protocol")
    more = (f"minus {found.reference}'s",) if found.reference else ()
    return Table(
        caption=f"{results.metric.capitalize()} at the end, means over seeds ± 95 % interval",
        columns=(*heads, "seeds", "mean client", *more, *_HEADS),
        rows=tuple(rows),
        heads=len(heads),
    )


def _difference(results: Results, found: Comparison, here: Key) -> str:
    if here not in found.differences:
        return NONE
    one = found.differences[here]
    if not is_told(one):
        return difference_text(one)
    is_better = (one.mean > 0) != results.metric.startswith(LOWER_IS_BETTER)
    return f"{difference_text(one)} ({'better' if is_better else 'worse'})"


def is_told(difference: Interval) -> bool:
    """Whether its interval leaves no doubt which of the two is larger."""
    return difference.low > 0 or difference.high < 0


def _arrivals(runs: pd.DataFrame) -> dict[Key, str]:
    """The median time to the target, and how many runs got there."""
    known = runs[runs["reached"].notna()].astype({"reached": "bool"})
    if known.empty:
        return {}
    columns = [*POINT_AND_PROTOCOL, "median", "count", "reached"]
    return {
        (str(point), str(protocol)): (
            f"{time_text(median) if median == median else 'not reached'} ({reached} of {count})"
        )
        for point, protocol, median, count, reached in median_time(known)[columns].itertuples(
            index=False
        )
    }
