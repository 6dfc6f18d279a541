"""What struck the world of a point while its protocols ran: the same under all of them."""

import math
from collections.abc import Iterable

import pandas as pd

from analysis.metrics import OUTAGE_KINDS, RUN, outages
from analysis.results import Results, Seeds
from sim.record.rows import FINISHED, is_server
from sim.record.words import time_text

DOWN = ("server_down", "client_down", "left")
"""Kinds for which a node isn't there."""
KINDS = (*DOWN, "storage_lost", "partition", "slow")
_TRACE_KINDS = (*OUTAGE_KINDS, "storage_lost", "partition", "heal", "slowdown")
_TRACE_COLUMNS = [*RUN, "time_s", "duration_s", "node", "kind", "cause", "factor"]
_SCORE_COLUMNS = [*RUN, "time_s", "node"]
# By what a trace calls its beginning or its end.
_LASTING = {"partition": "partition", "heal": "partition", "slowdown": "slow"}
_KEYS = ["seed", "kind", "node", "cause", "start_s"]

MOST_SPANS = 3
"""More than these are told as a share of the time."""
_ONE = {
    **{"server_down": "{} down", "client_down": "{} down", "slow": "{} slow"},
    **{"left": "{} gone", "partition": "network in parts"},
}
_ALL = {
    **{"server_down": "server down", "client_down": "clients down", "slow": "clients slow"},
    **{"left": "clients gone", "partition": "network in parts"},
}

_Struck = tuple[str, str | None, str]
"""Kind, node and cause."""
_Row = tuple[int, _Struck, float, float]
"""Seed, what it was, from when to when."""


def disturbances(results: Results, point: str, *, seeds: Seeds | None = None) -> pd.DataFrame:
    """One row per thing that struck all protocols alike, and seed.

    A protocol without a server tells nothing of the server, so all that have finished are asked.
    Columns: seed, `kind` (of `KINDS`), node (missing for the network),
    `cause`, the fault's name; `start_s`, `stop_s` (virtual times; NaN where the run's end came
    first, equal where it took no time); `is_fixed`, whether every finished seed has the same.
    """
    metric = results.metric
    scores = results.scores(points=point, seeds=seeds, metric=metric, columns=_SCORE_COLUMNS)
    trace = results.trace(points=point, seeds=seeds, kinds=_TRACE_KINDS, columns=_TRACE_COLUMNS)
    if scores.empty:
        return _frame([]).assign(is_fixed=pd.Series([], dtype="bool"))
    found = pd.concat([_down(trace, scores), _others(trace)], ignore_index=True)
    # Where a run ended before the recovery, another may have seen it.
    found = found.groupby(_KEYS, dropna=False, sort=False)["stop_s"].max().reset_index()
    alike = found.groupby(_KEYS[1:], dropna=False)["seed"].transform("nunique")
    found["is_fixed"] = alike == scores["seed"].nunique()
    return found.sort_values(["start_s", *_KEYS[:-1]], ignore_index=True)


def _frame(rows: Iterable[_Row]) -> pd.DataFrame:
    flat = [(seed, *struck, start_s, stop_s) for seed, struck, start_s, stop_s in rows]
    frame = pd.DataFrame(flat, columns=[*_KEYS, "stop_s"])
    types = {"seed": "int64", "kind": "object", "node": "object", "cause": "object"}
    return frame.astype({**types, "start_s": "float64", "stop_s": "float64"})


def _down(trace: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    found = outages(trace, scores)
    # Who leaves after so many rounds does so at another time under each protocol.
    times = found.groupby(["seed", "node", "fault"], observed=True)["crash_s"]
    found = found[~(found["left"] & (times.transform("nunique") > 1))]
    columns = ["seed", "node", "left", "fault", "crash_s", "recover_s"]
    rows = found[columns].itertuples(index=False, name=None)
    return _frame(
        (seed, (_how_down(str(node), left), str(node), fault), start_s, stop_s)
        for seed, node, left, fault, start_s, stop_s in rows
    )


def _how_down(node: str, left: bool) -> str:
    if left:
        return "left"
    return "server_down" if is_server(node) else "client_down"


def _others(trace: pd.DataFrame) -> pd.DataFrame:
    """What the network and the nodes' speeds suffered: each beginning with its end."""
    rows: list[_Row] = []
    begun: dict[tuple[str, int, _Struck], float] = {}
    columns = ["protocol", "seed", "time_s", "node", "kind", "cause", "factor"]
    known = trace[columns].sort_values("time_s", kind="stable").astype("object")
    known = known.where(known.notna(), None)
    for protocol, seed, time_s, node, kind, cause, factor in known.itertuples(index=False):
        if kind == "storage_lost":
            rows.append((seed, (kind, node, cause), time_s, time_s))
        elif kind in _LASTING:
            struck = (_LASTING[kind], node, cause)
            if kind == "heal" or factor == 1:
                rows.append((seed, struck, begun.pop((protocol, seed, struck), 0.0), time_s))
            else:
                begun[protocol, seed, struck] = time_s
    rows += [(seed, struck, start_s, math.nan) for (_, seed, struck), start_s in begun.items()]
    return _frame(rows)


def struck_text(results: Results, point: str) -> str:
    """What struck all protocols of a point alike, by fault; empty if nothing did.

    When it did where that is the same under all seeds, and not too often; else for how much of the
    time, as a mean over the seeds: of a client's, where clients are meant.
    """
    found = disturbances(results, point)
    if found.empty:
        return ""
    runs = results.runs[(results.runs["point"] == point) & (results.runs["status"] == FINISHED)]
    end_s, seeds = float(runs["virtual_s"].max()), runs["seed"].nunique()
    found = found.assign(stop_s=found["stop_s"].fillna(end_s))
    shares = dict.fromkeys(("client_down", "left", "slow"), len(results.clients))
    texts: dict[str, list[str]] = {}
    shared: set[str] = set()
    for (cause, kind), rows in found.groupby(["cause", "kind"], dropna=False, sort=False):
        spans = _spans(rows) if rows["is_fixed"].all() else []
        if kind == "storage_lost":
            said = "storage lost"
        elif 0 < len(spans) <= MOST_SPANS:
            said = f"{_whose(rows, kind)} {' and '.join(spans)}"
        else:
            all_s = end_s * seeds * shares.get(str(kind), 1)
            share = (rows["stop_s"] - rows["start_s"]).sum() / all_s
            said = f"{_ALL[str(kind)]} {100 * share:.0f} % of the time"
            shared.add(str(cause))
        texts.setdefault(str(cause), []).append(said)
    # A fault's name says more only where it struck at more than a few times.
    return "; ".join(
        (f"{cause}: " if cause in shared else "") + ", ".join(said) for cause, said in texts.items()
    )


def _spans(rows: pd.DataFrame) -> list[str]:
    """When they were, each once."""
    pairs = dict.fromkeys(rows[["start_s", "stop_s"]].itertuples(index=False, name=None))
    return [_span_text(time_text(start_s), time_text(stop_s)) for start_s, stop_s in pairs]


def _span_text(start: str, stop: str) -> str:
    """A unit that both have stands once."""
    number, unit = start.split()
    return f"{number if unit == stop.split()[1] else start} to {stop}"


def _whose(rows: pd.DataFrame, kind: object) -> str:
    nodes = rows["node"].dropna().unique()
    who = nodes[0] if len(nodes) == 1 else f"{len(nodes)} clients"
    return _ONE[str(kind)].format(who)
