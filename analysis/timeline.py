"""One run's trace and scores as a timeline: tracks of slices and marks, arrows, and curves.

Times are integer microseconds of virtual time.
"""

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
import pandas as pd

from analysis.metrics import of_model, outages, over_clients, presence, suspicions
from analysis.metrics.common import nodes_of
from sim.record.rows import AGGREGATE, is_server

NETWORK = "network"
WORK_KINDS = frozenset(("train", "train_lost", "ping", "merge", "round", "round_failed", "lead"))
"""What a node does, one after the other."""
INSTANT_KINDS = frozenset(
    ("transfer_lost", "message_lost", "storage_lost", "join", "leave", "abort")
)
"""What is lost, or happens to a node, at an instant."""
_MICROSECONDS = 1_000_000
_TOLD = ("round", "attempt", "asked", "answered", "updates", "factor")
Args = Mapping[str, str | int | float]


@dataclass(frozen=True)
class Slice:
    """Something that took time."""

    start_us: int
    end_us: int
    name: str
    kind: str
    args: Args = field(default_factory=dict)
    leaves: int | None = None
    """The number of the arrow that leaves here, at the beginning."""
    arrives: int | None = None
    """The number of the arrow that arrives here, at the end."""


@dataclass(frozen=True)
class Mark:
    """Something that took no time."""

    time_us: int
    name: str
    kind: str
    args: Args = field(default_factory=dict)


@dataclass(frozen=True)
class Track:
    """Slices in order, none of which overlaps another, and marks."""

    name: str
    slices: tuple[Slice, ...]
    marks: tuple[Mark, ...] = ()


@dataclass(frozen=True)
class Sample:
    """Values of a group of curves, which hold until the next sample."""

    time_us: int
    name: str
    values: Mapping[str, float]


@dataclass(frozen=True)
class Timeline:
    """One run, ready to be drawn; tracks are in the order in which they are shown."""

    tracks: tuple[Track, ...]
    samples: tuple[Sample, ...]


def lanes(
    name: str, slices: Iterable[Slice], marks: Sequence[Mark] = (), *, slack_us: int = 0
) -> Iterator[Track]:
    """As few tracks as the slices need in order not to overlap; at least one, which has the marks.

    A slice takes the first lane that is free, or will be within `slack_us`: then it begins later.
    """
    filled: list[list[Slice]] = [[]]
    free: list[int] = [0]
    busy: list[tuple[int, int]] = []
    for one in sorted(slices, key=lambda one: (one.start_us, one.end_us)):
        while busy and busy[0][0] <= one.start_us + slack_us:
            heapq.heappush(free, heapq.heappop(busy)[1])
        if not free:
            free.append(len(filled))
            filled.append([])
        number = heapq.heappop(free)
        lane = filled[number]
        start_us = max(one.start_us, lane[-1].end_us if lane else one.start_us)
        lane.append(replace(one, start_us=start_us, end_us=max(one.end_us, start_us)))
        heapq.heappush(busy, (lane[-1].end_us, number))
    yield Track(name, tuple(filled[0]), tuple(marks))
    for number, lane in enumerate(filled[1:], start=2):
        yield Track(f"{name} ({number})", tuple(lane))


def layout(trace: pd.DataFrame, scores: pd.DataFrame, metric: str) -> Timeline:
    """The timeline of the only run that is in both frames.

    `trace`, `scores`: all of the run, as `Results` gives it; `metric`: the one that curves show.
    Raises ResultError if there is nothing to show.
    """
    down, there = outages(trace, scores), presence(trace, scores)
    nodes = [str(name) for name in nodes_of(scores)["node"]]
    # Of several servers the global model is one, and a standby has none.
    nodes += [
        name
        for name in sorted(set(trace["node"].dropna().astype("str")) - set(nodes))
        if is_server(name)
    ]
    shown = _Shown(_us(float(scores["time_s"].max())))
    for number, row in enumerate(_rows(trace), start=1):
        shown.add(row, number)
    shown.add_outages(down)
    shown.add_absences(there)
    shown.end()
    samples = (
        *_scores_over_time(scores, metric),
        *_nodes_over_time(down, there, len(nodes)),
        *_suspected_over_time(suspicions(trace, scores)),
    )
    return Timeline(tuple(shown.tracks(nodes)), samples)


class _Row(NamedTuple):
    start_us: int
    end_us: int
    node: str
    kind: str
    peer: str
    bytes: int
    cause: str
    told: Args
    """What else the trace tells: rounds, counts, a factor."""


class _Shown:
    """Slices and marks by the name of their track, while rows are added in order of time."""

    def __init__(self, end_us: int) -> None:
        self._end_us = end_us
        self._slices: dict[str, list[Slice]] = defaultdict(list)
        self._marks: dict[str, list[Mark]] = defaultdict(list)
        # What has begun and not ended, by its track and what tells it from others there.
        self._open: dict[tuple[str, str], list[Slice]] = defaultdict(list)

    def add(self, row: _Row, number: int) -> None:
        """Show one row; a transfer's arrow has its `number`."""
        if row.kind in WORK_KINDS:
            self._add(row.node, Slice(row.start_us, row.end_us, row.kind, row.kind, _args(row)))
        elif row.kind == "transfer":
            sent = _under_way(row, f"to {row.peer}")
            arrived = replace(sent, name=f"from {row.node}")
            self._add(f"{row.node} sends", replace(sent, leaves=number))
            self._add(f"{row.peer} receives", replace(arrived, arrives=number))
        elif row.kind == "transfer_lost" and row.end_us > row.start_us:
            self._add(f"{row.node} sends", _under_way(row, f"to {row.peer}, lost"))
        elif row.kind == "slowdown":
            self._slow_down(row, "slowed", "slower")
        elif row.kind == "degrade":
            self._slow_down(row, "links", "slower links")
        elif row.kind == "partition":
            begun = Slice(row.start_us, row.start_us, "partition", "partition", _args(row))
            self._open[NETWORK, row.cause].append(begun)
        elif row.kind == "heal":
            self._close((NETWORK, row.cause), row.start_us)
        if row.kind in INSTANT_KINDS:
            mark = Mark(row.end_us, row.kind.replace("_", " "), row.kind, _args(row))
            self._marks[row.node].append(mark)

    def add_outages(self, down: pd.DataFrame) -> None:
        """Show when nodes were down."""
        stops_s = down["stop_s"].fillna(np.inf)
        columns = (down[name] for name in ("node", "fault", "left", "crash_s"))
        for node, fault, left, crash_s, stop_s in zip(*columns, stops_s, strict=True):
            end_us = self._end_us if np.isinf(stop_s) else _us(stop_s)
            args = {"fault": fault}
            name = "gone" if left else "down"
            self._add(str(node), Slice(_us(crash_s), end_us, name, "down", args))
        # Who is down at 0 was so before.
        struck = down[~down["left"] & (down["crash_s"] > 0)]
        for _, group in struck.groupby(["crash_s", "fault"], observed=True):
            if len(group) > 1:
                told = {"fault": group["fault"].iloc[0], "nodes": " ".join(group["node"])}
                what = f"{len(group)} nodes fail together"
                mark = Mark(_us(group["crash_s"].iloc[0]), what, "together", told)
                self._marks[NETWORK].append(mark)

    def add_absences(self, there: pd.DataFrame) -> None:
        """Show who was not there from the beginning, until it joined."""
        late = there[there["from_s"] > 0]
        for node, from_s in zip(late["node"], late["from_s"], strict=True):
            self._add(str(node), Slice(0, _us(from_s), "not there yet", "absent"))

    def end(self) -> None:
        """Show what has begun and lasts until the end."""
        for key, begun in self._open.items():
            while begun:
                self._close(key, self._end_us)

    def tracks(self, nodes: list[str]) -> Iterator[Track]:
        """The network's first, then each node's: its own work, and what goes on beside it."""
        if self._slices[NETWORK] or self._marks[NETWORK]:
            yield from lanes(NETWORK, self._slices[NETWORK], self._marks[NETWORK])
        for node in nodes:
            # An end is the sum of two rounded times: it may pass the next beginning by one digit.
            yield from lanes(node, self._slices[node], self._marks[node], slack_us=1)
            for name in (f"{node} {what}" for what in ("slowed", "links", "sends", "receives")):
                if self._slices[name]:
                    yield from lanes(name, self._slices[name])

    def _slow_down(self, row: _Row, track: str, what: str) -> None:
        factor, key = row.told.get("factor"), (f"{row.node} {track}", row.cause)
        if factor == 1:
            self._close(key, row.start_us)
        else:
            name = "later messages" if factor is None else f"{factor:g} times {what}"
            args = {"cause": row.cause}
            self._open[key].append(Slice(row.start_us, row.start_us, name, row.kind, args))

    def _close(self, key: tuple[str, str], end_us: int) -> None:
        if self._open[key]:
            self._add(key[0], replace(self._open[key].pop(0), end_us=end_us))

    def _add(self, track: str, one: Slice) -> None:
        self._slices[track].append(one)


def _us(time_s: float) -> int:
    return round(time_s * _MICROSECONDS)


def _rows(trace: pd.DataFrame) -> Iterator[_Row]:
    known = trace.astype("object").where(trace.notna(), None)
    for row in known.to_dict("records"):
        start_us, end_us = _us(row["time_s"]), _us(row["time_s"] + row["duration_s"])
        told = {name: row[name] for name in _TOLD if row[name] is not None}
        if row["kind"] == "merge":
            told["models_of"] = " ".join(row["peers"])
        node, peer, cause = (row[name] or "" for name in ("node", "peer", "cause"))
        yield _Row(start_us, end_us, node, row["kind"], peer, row["bytes"], cause, told)


def _under_way(row: _Row, name: str) -> Slice:
    # At least a microsecond, so that an arrow can be tied to it. The name tells the other node.
    end_us = max(row.end_us, row.start_us + 1)
    return Slice(row.start_us, end_us, name, row.kind, _args(row._replace(peer="")))


def _args(row: _Row) -> Args:
    """What a row says about the thing beside when and where."""
    args = {"to": row.peer, "bytes": row.bytes, **row.told, "cause": row.cause}
    return {name: value for name, value in args.items() if value or name in row.told}


def _scores_over_time(scores: pd.DataFrame, metric: str) -> Iterator[Sample]:
    """The mean client's score and the aggregate's; what is no finite number is left out."""
    chosen = scores[scores["metric"] == metric]
    clients, aggregate = over_clients(chosen), of_model(chosen, AGGREGATE)
    values = clients[["time_s", "mean"]].merge(aggregate[["time_s", "value"]], on="time_s")
    for time_s, mean, value in values.itertuples(index=False, name=None):
        named = {"mean client, as received": mean, "aggregate": value}
        finite = {name: float(one) for name, one in named.items() if np.isfinite(one)}
        if finite:
            yield Sample(_us(time_s), metric, finite)


def _nodes_over_time(down: pd.DataFrame, there: pd.DataFrame, count: int) -> Iterator[Sample]:
    """How many of all nodes are up, whenever that changes."""
    changes = Counter({0: 0})
    changes.subtract(map(_us, down["crash_s"]))
    changes.update(map(_us, down["stop_s"].dropna()))
    late = there[there["from_s"] > 0]
    changes.subtract([0] * len(late))
    changes.update(map(_us, late["from_s"][late["joins"].notna()]))
    up = count
    for time_us, step in sorted(changes.items()):
        up += step
        if step or time_us == 0:
            yield Sample(time_us, "nodes", {"up": up})


def _suspected_over_time(found: pd.DataFrame) -> Iterator[Sample]:
    """By how many others each node is believed to be down, whenever that changes."""
    for node, rows in found.astype({"node": "str"}).groupby("node", sort=False):
        counts: dict[int, int] = {}
        for start_s, stop_s, by in zip(rows["start_s"], rows["stop_s"], rows["by"], strict=True):
            counts |= {_us(start_s): by, _us(stop_s): 0}
        for time_us, by in sorted(counts.items()):
            yield Sample(time_us, f"{node} suspected", {"by": by})
