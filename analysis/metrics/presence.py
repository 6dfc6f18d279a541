"""Who is there: when nodes join and leave, how newcomers catch up, and who is believed down."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from analysis.metrics.clients import client_rows
from analysis.metrics.common import (
    CURVE,
    LOOK,
    RUN,
    check,
    check_trace,
    first,
    nodes_of,
    sign,
    told_alike,
)

PRESENCE_KINDS = ("join", "leave")
"""What `presence` needs of a trace."""
SUSPICION_KINDS = ("suspect", "trust", "crash", "leave", "recover")
"""What `suspicions` needs of a trace."""
NEAR = 0.05
"""Of the others' mean: who is no further below it has caught up."""
_NODE = [*RUN, "node"]


def presence(trace: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """From when to when each node was a member; a node that is down is one, too.

    `trace`: with the kinds of `PRESENCE_KINDS`, and cause; `scores` tells the nodes and the ends,
    and by `member` who never came.

    Columns: point, protocol, seed, node; `from_s`, 0 of who was there from the beginning;
    `until_s`, the run's end of who stayed, and both of who never came; `joins`, `leaves`: the names
    of the faults that made it do so, missing where none did.
    """
    check_trace(trace, scores, PRESENCE_KINDS, ["cause"])
    check(scores, ["member"], "scores")
    found = nodes_of(scores)
    moved = trace.loc[trace["kind"].isin(list(PRESENCE_KINDS)), [*_NODE, "time_s", "cause", "kind"]]
    if moved.empty and scores["member"].all():
        return found[_NODE].assign(from_s=0.0, until_s=found["end_s"], joins=None, leaves=None)
    was_there = scores.groupby(_NODE, observed=True)["member"].any().rename("was_there")
    found = found.merge(was_there.reset_index(), on=_NODE)
    for kind in PRESENCE_KINDS:
        rows = moved[moved["kind"] == kind].drop(columns="kind").drop_duplicates(_NODE)
        rows = rows.astype({"cause": "object"})
        names = {"time_s": f"{kind}_s", "cause": f"{kind}s"}
        found = found.merge(rows.rename(columns=names), on=_NODE, how="left")
    # Who leaves between two looks was there, though none of them saw it.
    came = found["was_there"] | found["join_s"].notna() | found["leave_s"].notna()
    found["from_s"] = found["join_s"].fillna(0.0).where(came, found["end_s"])
    found["until_s"] = found["leave_s"].fillna(found["end_s"])
    return found[[*_NODE, "from_s", "until_s", "joins", "leaves"]]


def suspicions(trace: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """When others believed that a node was down, and whether it was.

    `trace`: with the kinds of `SUSPICION_KINDS`, and peer; it tells of beliefs where the scenario
    has `evaluation: {suspicions: true}`. `scores` tells the nodes and the ends. What a node
    believed ends as it goes down itself.

    Columns: point, protocol, seed, node; `start_s`, `stop_s` (virtual times); `by`, how many others
    believed it all the while; `share`, of all other nodes; `is_down`, whether it was, or had left.
    Sorted by run and time.
    """
    check_trace(trace, scores, SUSPICION_KINDS, ["peer"])
    rows = trace[trace["kind"].isin(list(SUSPICION_KINDS))]
    parts = list(_believed(rows, scores)) if (rows["kind"] == "suspect").any() else []
    columns = [*_NODE, "start_s", "stop_s", "by", "share", "is_down"]
    found = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)
    types: dict[str, Any] = {name: scores[name].dtype for name in _NODE}
    types |= {"start_s": "float64", "stop_s": "float64", "by": "int64", "share": "float64"}
    found = found[columns].astype({**types, "is_down": "bool"})
    return found.sort_values([*RUN, "start_s", "node"], ignore_index=True)


def _believed(rows: pd.DataFrame, scores: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """Each run's spans, with what names the run."""
    by_run: dict[Any, pd.DataFrame] = dict(iter(rows.groupby(RUN, observed=True)))
    nodes = nodes_of(scores).groupby(RUN, observed=True)["end_s"].agg(["max", "size"])
    for point, protocol, seed, end_s, count in nodes.reset_index().itertuples(index=False):
        if (own := by_run.get((point, protocol, seed))) is not None:
            spans = pd.DataFrame(_spans(own, end_s), columns=list(_Span._fields))
            share = (spans["by"] / max(1, count - 1)).clip(upper=1)
            yield spans.assign(point=point, protocol=protocol, seed=seed, share=share)


def catching_up(trace: pd.DataFrame, scores: pd.DataFrame, *, margin: float = NEAR) -> pd.DataFrame:
    """How long each newcomer took until its model was as good as those of who was there before it.

    From its join to the first look at which its score is no worse than the mean of the others', of
    those who were members before it and still are, by more than `margin` of that mean: with 0.05
    and others at an accuracy of 0.8 from 0.76 on. As fine as the looks. No server's model is asked
    for, so that it is the same with a server and without.

    `trace`, `scores`: as for `presence`; the scores of one stage.

    Columns: point, protocol, seed, metric, node; `joined_s`; `behind`, by how much its score was
    worse than that mean at the first look; `value`, virtual seconds; `reached`. Where `reached` is
    False it had left before, or the run had ended, and `value` is the time until then. Who has
    nobody to catch up with, as the first to come, has no row.
    """
    rows, there = client_rows(scores), presence(trace, scores)
    if there["joins"].isna().all():
        rows = rows.head(0)
    rows = rows.merge(there, on=_NODE)
    rows = rows[rows["member"] & rows["time_s"].between(rows["from_s"], rows["until_s"])]
    rows = rows.merge(_before(rows), on=[*LOOK, "from_s"])
    rows = told_alike(rows[rows["joins"].notna() & rows["others"].notna()], scores)
    ahead = sign(rows) * (rows["value"] - rows["others"])
    near = (ahead >= -margin * rows["others"].abs()) & np.isfinite(rows["others"])
    keys = [*CURVE, "node"]
    found = first(rows.assign(behind=-ahead), keys).rename(columns={"from_s": "joined_s"})
    there_s = first(rows[near], keys)[[*keys, "time_s"]].rename(columns={"time_s": "there_s"})
    found = found.merge(there_s, on=keys, how="left").sort_values(keys, ignore_index=True)
    found["reached"] = found["there_s"].notna()
    found["value"] = found["there_s"].fillna(found["until_s"]) - found["joined_s"]
    return told_alike(found[[*keys, "joined_s", "behind", "value", "reached"]], scores)


def _before(rows: pd.DataFrame) -> pd.DataFrame:
    """At each look, for each time since which some are members, the mean of who was there before.

    `others`: NaN where that is nobody.
    """
    # What isn't finite makes the mean so, too; a NaN would be skipped.
    known = rows.assign(value=rows["value"].fillna(np.inf))
    joined = known.groupby([*LOOK, "from_s"], observed=True)["value"]
    sums = joined.agg(total="sum", count="size")
    before = sums.groupby(LOOK, observed=True).cumsum()
    before = before.groupby(LOOK, observed=True).shift()
    others = (before["total"] / before["count"]).rename("others")
    found: pd.DataFrame = others.reset_index()
    return found


class _Span(NamedTuple):
    node: str
    start_s: float
    stop_s: float
    by: int
    is_down: bool


def _spans(rows: pd.DataFrame, end_s: float) -> Iterator[_Span]:
    """Of one run: a span ends whenever one believer more or fewer, or the truth, begins another."""
    believers: dict[str, dict[str, None]] = defaultdict(dict)
    down: dict[str, bool] = defaultdict(bool)
    since_s: dict[str, float] = {}

    def ended(node: str, time_s: float) -> Iterator[_Span]:
        begun_s, since_s[node] = since_s.get(node, 0.0), time_s
        if believers[node] and time_s > begun_s:
            yield _Span(node, begun_s, time_s, len(believers[node]), down[node])

    known = rows.sort_values("time_s", kind="stable")[["time_s", "node", "kind", "peer"]]
    for time_s, node, kind, peer in known.astype("object").itertuples(index=False, name=None):
        if kind in ("suspect", "trust"):
            yield from ended(peer, time_s)
            if kind == "suspect":
                believers[peer][node] = None
            else:
                believers[peer].pop(node, None)
            continue
        yield from ended(node, time_s)
        down[node] = kind != "recover"
        for other in [one for one, its in believers.items() if node in its and down[node]]:
            yield from ended(other, time_s)
            del believers[other][node]
    for node in list(believers):
        yield from ended(node, end_s)
