"""What cautions are drawn from: the rows of one point's runs, counted by kind, node and cause."""

import math
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from sim.record.metrics import is_rising, limits
from sim.record.rows import (
    AGGREGATE,
    FAILED,
    LEFT_OUT,
    RECEIVED,
    SERVER,
    STAGES,
    Caution,
    is_server,
)
from sim.results.folder import RunTables
from sim.runs.build import Facts
from sim.scenario import Scenario, run_record

Found = Iterator[Caution]
Floats = npt.NDArray[np.float64]
_NAMED = 3


class NotTold(LookupError):
    """The rows don't tell what is asked, since the scenario thins them."""


class Run:
    """One finished run, and what was known of its data beforehand.

    `left_out`: kinds of which the trace doesn't tell; `is_sampled`: whether the scores are those of
    some clients. What needs more raises NotTold.
    """

    def __init__(
        self,
        tables: RunTables,
        facts: Facts,
        left_out: Collection[str] = (),
        *,
        is_sampled: bool = False,
    ) -> None:
        self.record = tables.record
        self.facts = facts
        self._left_out = left_out
        self._is_sampled = is_sampled
        self._scores = tables.scores
        self._traces = tables.traces
        kinds = _whole(tables.traces["kind"])
        self._codes = kinds.indices.to_numpy(zero_copy_only=False)
        self._code_of = {name: code for code, name in enumerate(kinds.dictionary.to_pylist())}

    def rows(self, kind: str) -> pa.Table:
        """The trace's rows of one kind."""
        return self._traces.filter(pa.array(self._are(kind)))

    def number(self, kind: str) -> int:
        """How many rows of that kind there are."""
        return int(np.count_nonzero(self._are(kind)))

    def _are(self, kind: str) -> npt.NDArray[np.bool_]:
        if kind in self._left_out:
            raise NotTold(kind)
        found: npt.NDArray[np.bool_] = self._codes == self._code_of.get(kind, -1)
        return found

    def count(self, kind: str, column: str = "node") -> Counter[str]:
        """The same by the text in another column; missing ones are left out."""
        return _counted(self.rows(kind)[column])

    def merged(self) -> Counter[str]:
        """How often each node's model was averaged with another's, as merges tell it."""
        rows = self.rows("merge")
        return _counted(rows["node"]) + _counted(pc.list_flatten(rows["peers"]))

    @cached_property
    def trained(self) -> Counter[str]:
        """How many local rounds each node finished."""
        return self.count("train")

    @cached_property
    def left_s(self) -> dict[str, float]:
        """When each node that has left did so."""
        rows = self.rows("leave")
        return dict(
            zip(_decoded(rows["node"]).to_pylist(), rows["time_s"].to_pylist(), strict=True)
        )

    @cached_property
    def gone(self) -> frozenset[str]:
        """Who isn't there at the end: whoever has left, or, as the last look tells, not joined."""
        scores = self._scores
        is_last = pc.equal(scores["time_s"], pc.max(scores["time_s"]))
        absent = scores.filter(pc.and_(is_last, pc.invert(scores["member"])))
        return frozenset(_decoded(absent["node"]).to_pylist()).union(self.left_s)

    def is_anybody_up(self, nodes: Iterable[str]) -> bool:
        """Whether one of these is up at the end."""
        crashed, back = map(self.count, ("crash", "recover"))
        return any(crashed[node] == back[node] and node not in self.gone for node in nodes)

    def absent(self) -> dict[float, tuple[str, ...]]:
        """At each look, by its time in order, who had not joined, or had left."""
        if self._is_sampled:
            raise NotTold("member")
        rows = self._scores.filter(pc.invert(self._scores["member"]))
        names = _decoded(rows["node"]).to_pylist()
        absent: dict[float, dict[str, None]]  # Each once, of several stages and metrics.
        absent = {time_s: {} for time_s in np.unique(self._scores["time_s"].to_numpy()).tolist()}
        for time_s, name in zip(rows["time_s"].to_pylist(), names, strict=True):
            absent[time_s][name] = None
        return {time_s: tuple(each) for time_s, each in absent.items()}

    def ends_s(self, kind: str) -> Floats:
        """When what the rows of one kind tell was over [rows]."""
        rows = self.rows(kind)
        ends_s: Floats = rows["time_s"].to_numpy() + rows["duration_s"].to_numpy()
        return ends_s

    @property
    def open_since_s(self) -> float:
        """Since when the last server round has been open at the end; infinite if it was lost."""
        # Of several servers the one that was elected last.
        leader = _decoded(self.rows("lead")["node"]).to_pylist()[-1:] or [SERVER]
        if self.count("crash")[leader[0]] > self.count("recover")[leader[0]]:
            return math.inf
        back = self.rows("recover")
        back_s = back.filter(pc.equal(_decoded(back["node"]), leader[0]))["time_s"].to_numpy()
        begun = (self.ends_s(kind) for kind in ("round", "round_failed", "lead"))
        return float(np.concatenate([back_s, *begun]).max(initial=0.0))

    def median_s(self, kind: str) -> dict[str, float]:
        """Of each node the median of the virtual seconds that its rows of one kind took."""
        rows = self.rows(kind)
        nodes = _whole(rows["node"])
        order = np.argsort(nodes.indices.to_numpy(), kind="stable")
        names, starts = np.unique(nodes.indices.to_numpy()[order], return_index=True)
        parts = np.split(rows["duration_s"].to_numpy()[order], starts[1:])
        texts = nodes.dictionary.to_pylist()
        return {texts[n]: float(np.median(part)) for n, part in zip(names, parts, strict=False)}

    def bytes_by(self, column: str) -> dict[str, int]:
        """Bytes of the models that were delivered, by who sent or who got them (`peer`)."""
        rows = self.rows("transfer")
        table = pa.table({"name": _decoded(rows[column]), "bytes": rows["bytes"]})
        sums = table.group_by("name", use_threads=False).aggregate([("bytes", "sum")])
        return dict(zip(sums["name"].to_pylist(), sums["bytes_sum"].to_pylist(), strict=True))

    def curve(self, metric: str, stage: str = RECEIVED) -> Floats:
        """The mean over who is there [looks] of a metric at one stage, if they have stages."""
        scores = self._scores
        stages = pc.is_in(_decoded(scores["stage"]), value_set=pa.array([stage, None], pa.string()))
        found = scores.filter(pc.and_(stages, pc.equal(_decoded(scores["metric"]), metric)))
        learners = ~np.isin(_decoded(found["node"]).to_pylist(), [SERVER, AGGREGATE])
        found = found.filter(pc.and_(pa.array(learners), found["member"]))
        _, looks = np.unique(found["time_s"].to_numpy(), return_inverse=True)
        return np.bincount(looks, found["value"].to_numpy()) / np.bincount(looks)

    def is_finite(self, metric: str) -> bool:
        """Whether its mean over learners is a number at every look, whatever the stage."""
        return all(np.isfinite(self.curve(metric, stage)).all() for stage in STAGES)


@dataclass(frozen=True)
class Evidence:
    """The finished runs of one point, by protocol in the scenario's order."""

    scenario: Scenario
    runs: Mapping[str, Sequence[Run]]

    @cached_property
    def compared(self) -> Mapping[str, Sequence[Run]]:
        """Those of the protocols that are no references."""
        protocols = self.scenario.protocols
        return {name: runs for name, runs in self.runs.items() if not protocols[name].is_reference}

    @cached_property
    def judged(self) -> tuple[str, bool, float]:
        """The metric by which the scenario is judged, whether more of it is better, and the best
        value that there is, infinite if there is none.
        """
        known = run_record(self.scenario)
        rising = is_rising(known.metric, known.directions)
        return known.metric, rising, limits(known.metric, known.bounds)[rising]

    @cached_property
    def clients(self) -> tuple[str, ...]:
        """All clients' names."""
        return self.scenario.client_names

    def bandwidths(self, link: Literal["uplink", "downlink"], seed: int) -> dict[str, float]:
        """Of each node the bytes per second that its link carries in a run of that seed."""
        scenario = self.scenario
        where = scenario.standing(seed)
        each = scenario.network.bandwidths(link, scenario.clients, where).tolist()
        rates = dict(zip(self.clients, each, strict=True))
        servers = [name for name in scenario.node_names if is_server(name)]
        return rates | {name: getattr(scenario.server, link) for name in servers}


def evidence(
    scenario: Scenario, runs: Iterable[RunTables], facts: Mapping[tuple[str, int], Facts]
) -> Evidence:
    """`facts`: by protocol and seed. A failed run has no rows and tells nothing."""
    found: dict[str, list[Run]] = {name: [] for name in scenario.protocols}
    left_out, is_sampled = LEFT_OUT[scenario.output.trace], scenario.evaluation.clients != "all"
    for run in sorted(runs, key=lambda one: one.record.seed):
        if run.record.status != FAILED:
            known = facts[run.record.protocol, run.record.seed]
            found[run.record.protocol].append(Run(run, known, left_out, is_sampled=is_sampled))
    return Evidence(scenario, {name: runs for name, runs in found.items() if runs})


def caution(kind: str, protocol: str | None, text: str, runs: Iterable[Run]) -> Caution:
    """A caution about these runs."""
    seeds = tuple(dict.fromkeys(run.record.seed for run in runs))
    return Caution(kind, protocol, f"{protocol}: {text}" if protocol else text, seeds)


def listed(names: Iterable[str]) -> str:
    """`client_3`, `client_3 and client_5`, `client_3, client_5, client_8 and 4 more`."""
    known = sorted(set(names), key=lambda name: (len(name), name))  # Clients by their numbers.
    if len(known) > _NAMED + 1:
        known = [*known[:_NAMED], f"{len(known) - _NAMED} more"]
    return " and ".join(filter(None, (", ".join(known[:-1]), known[-1])))


def _whole(column: pa.ChunkedArray) -> pa.DictionaryArray:
    return column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)


def _decoded(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return column.cast(pa.string())


def _counted(column: pa.ChunkedArray) -> Counter[str]:
    texts: Iterator[dict[str, object]] = iter(_decoded(column).value_counts().to_pylist())
    return Counter({str(one["values"]): int(str(one["counts"])) for one in texts if one["values"]})
