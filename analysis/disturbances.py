"""What struck the world of a point while its protocols ran: the same under all of them."""

import math
from collections.abc import Iterable, Sequence

import pandas as pd

from analysis.metrics import OUTAGE_KINDS, RUN, outages, presence
from analysis.results import Results, Seeds
from sim.record.rows import FINISHED, is_server
from sim.record.words import time_text

DOWN = ("server_down", "client_down", "left", "absent")
"""Kinds for which a node isn't there."""
KINDS = (*DOWN, "storage_lost", "partition", "degraded", "slow")
_TRACE_KINDS = (
    *(*OUTAGE_KINDS, "join", "storage_lost"),
    *("partition", "heal", "degrade", "slowdown"),
)
_TRACE_COLUMNS = [*RUN, "time_s", "duration_s", "node", "kind", "cause", "factor"]
_SCORE_COLUMNS = [*RUN, "time_s", "node", "member"]
# By what a trace calls its beginning or its end.
_LASTING = {
    "partition": "partition",
    "heal": "partition",
    "degrade": "degraded",
    "slowdown": "slow",
}
_KEYS = ["seed", "kind", "node", "cause", "start_s"]

MOST_SPANS = 3
"""More than these are told as a share of the time."""
_ONE = {
    **{"server_down": "{} down", "client_down": "{} down", "slow": "{} slow"},
    **{"partition": "network in parts", "degraded": "links of {} slower"},
}
_ALL = {
    **{"server_down": "server down", "client_down": "clients down", "slow": "clients slow"},
    **{"partition": "network in parts", "degraded": "links of clients slower"},
}
_VERBS = {"absent": ("joins", "join"), "left": ("leaves", "leave")}

Groups = Sequence[tuple[float, list[str]]]
"""When one cause took several nodes down at one instant, and whom."""
_Struck = tuple[str, str | None, str | None]
"""Kind, node and cause."""
_Row = tuple[int, _Struck, float, float, float]
"""Seed, what it was, from when to when, and by what factor."""


def disturbances(results: Results, point: str, *, seeds: Seeds | None = None) -> pd.DataFrame:
    """One row per thing that struck all protocols alike, and seed.

    A protocol without a server tells nothing of the server, so all that have finished are asked.
    Columns: seed, `kind` (of `KINDS`), node (missing for the network),
    `cause`, the fault's name; `start_s`, `stop_s` (virtual times; NaN where the run's end came
    first, equal where it took no time); `factor`, how many times longer computing or a transfer
    took; `is_fixed`, whether every finished seed has the same. Who joins is absent from 0 on.
    """
    metric = results.metric
    scores = results.scores(points=point, seeds=seeds, metric=metric, columns=_SCORE_COLUMNS)
    kinds = results.told(_TRACE_KINDS)
    trace = results.trace(points=point, seeds=seeds, kinds=kinds, columns=_TRACE_COLUMNS)
    if scores.empty or not kinds:
        return _frame([]).assign(is_fixed=pd.Series([], dtype="bool"))
    parts = [_down(trace, scores), _absent(trace, scores), _others(trace)]
    found = pd.concat(parts, ignore_index=True)
    # Where a run ended before the recovery, another may have seen it.
    same = found.groupby(_KEYS, dropna=False, sort=False)
    found = same[["stop_s", "factor"]].max().reset_index()
    when_s = found["start_s"].where(found["kind"] != "absent", found["stop_s"])
    keys = [found[name] for name in ("kind", "node", "cause")]
    alike = found.groupby([*keys, when_s], dropna=False)["seed"].transform("nunique")
    found["is_fixed"] = alike == scores["seed"].nunique()
    return found.sort_values(["start_s", *_KEYS[:-1]], ignore_index=True)


def _frame(rows: Iterable[_Row]) -> pd.DataFrame:
    flat = [(seed, *struck, *numbers) for seed, struck, *numbers in rows]
    frame = pd.DataFrame(flat, columns=[*_KEYS, "stop_s", "factor"])
    types = {"seed": "int64", "kind": "object", "node": "object", "cause": "object"}
    return frame.astype(types | dict.fromkeys(("start_s", "stop_s", "factor"), "float64"))


def _down(trace: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    found = outages(trace, scores)
    # Who leaves after so many rounds does so at another time under each protocol.
    times = found.groupby(["seed", "node", "fault"], observed=True)["crash_s"]
    found = found[~(found["left"] & (times.transform("nunique") > 1))]
    columns = ["seed", "node", "left", "fault", "crash_s", "stop_s"]
    rows = found[columns].itertuples(index=False, name=None)
    return _frame(
        (seed, (_how_down(str(node), left), str(node), fault), start_s, stop_s, math.nan)
        for seed, node, left, fault, start_s, stop_s in rows
    )


def _absent(trace: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """Who was not there from the beginning, until it joined."""
    found = presence(trace, scores).astype({"joins": "object"})
    found = found[found["from_s"] > 0]
    joins = found["joins"].where(found["joins"].notna(), None)
    stops_s = found["from_s"].where(found["joins"].notna())
    rows = zip(found["seed"], found["node"], joins, stops_s, strict=True)
    return _frame(
        (seed, ("absent", str(node), fault), 0.0, stop_s, math.nan)
        for seed, node, fault, stop_s in rows
    )


def _how_down(node: str, left: bool) -> str:
    if left:
        return "left"
    return "server_down" if is_server(node) else "client_down"


def _others(trace: pd.DataFrame) -> pd.DataFrame:
    """What the network and the nodes' speeds suffered: each beginning with its end."""
    rows: list[_Row] = []
    begun: dict[tuple[str, int, _Struck], tuple[float, float]] = {}
    columns = ["protocol", "seed", "time_s", "node", "kind", "cause", "factor"]
    known = trace[columns].sort_values("time_s", kind="stable").astype("object")
    known = known.where(known.notna(), None)
    for protocol, seed, time_s, node, kind, cause, factor in known.itertuples(index=False):
        if kind == "storage_lost":
            rows.append((seed, (kind, node, cause), time_s, time_s, math.nan))
        elif kind in _LASTING:
            key = (protocol, seed, (_LASTING[kind], node, cause))
            if kind == "heal" or factor == 1:
                # A factor of 1 from the beginning on changes nothing.
                if key in begun:
                    since_s, by = begun.pop(key)
                    rows.append((seed, key[2], since_s, time_s, by))
            else:
                # None: transfers take as long as ever, only messages are later.
                begun[key] = time_s, math.nan if kind == "partition" else factor or 1.0
    for (_, seed, struck), (start_s, by) in begun.items():
        rows.append((seed, struck, start_s, math.nan, by))
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
    texts: dict[str, list[str]] = {}
    shared: set[str] = set()
    for (cause, kind), rows in found.groupby(["cause", "kind"], dropna=False, sort=False):
        if kind == "storage_lost":
            said = "storage lost"
        elif kind in _VERBS:
            said = _moves(rows, str(kind), seeds)
        else:
            lasting = rows.assign(stop_s=rows["stop_s"].fillna(end_s))
            said, is_shared = _lasting(lasting, str(kind), end_s * seeds, results.scored)
            shared |= {str(cause)} if is_shared else set()
            if kind in ("server_down", "client_down") and _is_of_process(results, point, cause):
                said += " (process alone)"
        texts.setdefault(str(cause), []).append(said)
    # A fault's name says more only where it struck at more than a few times.
    return "; ".join(
        (f"{cause}: " if cause in shared else "") + ", ".join(said) for cause, said in texts.items()
    )


def _is_of_process(results: Results, point: str, fault: object) -> bool:
    """Whether a fault ends processes alone, whose hosts stay up."""
    path = f"faults.{fault}.of"
    if path in results.written:
        rows = results.written[results.written["point"] == point]
        return bool((rows[path] == "process").all())
    settings = results.settings.get("faults", {}).get(fault, {})
    return bool(settings.get("of") == "process")


def _lasting(rows: pd.DataFrame, kind: str, all_s: float, clients: int) -> tuple[str, bool]:
    """When it was, if that is said with few words; else, and then True, for how much of the time.

    `all_s`: of all seeds; `clients`: how many have that time each.
    """
    spans = _spans(rows) if rows["is_fixed"].all() else []
    most = max((len(nodes) for _, nodes in together(rows)), default=1)
    if 0 < len(spans) <= MOST_SPANS:
        at_once = " together" if rows["start_s"].nunique() == 1 < most else ""
        return f"{_whose(rows, kind)}{at_once} {' and '.join(spans)}", False
    each_s = all_s * (1 if kind in ("server_down", "partition") else clients)
    share = (rows["stop_s"] - rows["start_s"]).sum() / each_s
    at_once = f", up to {most} together" if most > 1 else ""
    return f"{_ALL[kind]} {100 * share:.0f} % of the time{at_once}", True


def together(found: pd.DataFrame) -> Groups:
    """Of each cause that took several nodes down at one instant when, and whom, in order of time.

    `found`: see `disturbances`. Who is down at 0 was so before.
    """
    down = found[found["kind"].isin(["server_down", "client_down"]) & (found["start_s"] > 0)]
    groups = down.groupby(["start_s", "seed", "cause"])["node"].agg(list).reset_index()
    pairs = groups[["start_s", "node"]].itertuples(index=False, name=None)
    return [(start_s, nodes) for start_s, nodes in pairs if len(nodes) > 1]


def _moves(rows: pd.DataFrame, kind: str, seeds: int) -> str:
    """Who joins or leaves, and when."""
    times_s = (rows["start_s"] if kind == "left" else rows["stop_s"]).dropna()
    count = len(rows) / seeds
    is_many = rows["node"].nunique() > 1
    who = f"{_number(count)} {'client' if count == 1 else 'clients'}"
    who = who if is_many else rows["node"].iloc[0]
    verb = _VERBS[kind][is_many and count != 1]
    if times_s.empty:
        return f"{who} never {verb}"
    times = list(dict.fromkeys(map(time_text, sorted(times_s))))
    if len(times) == 1 or (rows["is_fixed"].all() and len(times) <= MOST_SPANS):
        return f"{who} {verb} at {_listed(times)}"
    return f"{who} {verb} from {_span_text(times[0], times[-1])}"


def _number(count: float) -> str:
    """A whole number, or a mean over seeds."""
    return f"{count:.0f}" if count.is_integer() else f"about {count:.1f}"


def _listed(times: list[str]) -> str:
    return " and ".join(filter(None, [", ".join(times[:-1]), times[-1]]))


def _spans(rows: pd.DataFrame) -> list[str]:
    """When they were, each once."""
    pairs = dict.fromkeys(rows[["start_s", "stop_s"]].itertuples(index=False, name=None))
    return [_span_text(time_text(start_s), time_text(stop_s)) for start_s, stop_s in pairs]


def _span_text(start: str, stop: str) -> str:
    """A unit that both have stands once."""
    number, unit = start.split()
    return f"{number if unit == stop.split()[1] else start} to {stop}"


def _whose(rows: pd.DataFrame, kind: str) -> str:
    nodes, factors = rows["node"].dropna().unique(), rows["factor"].unique()
    who = nodes[0] if len(nodes) == 1 else f"{len(nodes)} clients"
    is_told = kind == "degraded" and len(factors) == 1 and factors[0] > 1
    by = f" {factors[0]:.3g} times" if is_told else ""
    return _ONE[kind].format(who).replace(" slower", f"{by} slower")
