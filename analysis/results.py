"""The results of a run or a sweep: what was asked, what came of each run, and its tables."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from analysis.files import check_whole, read_settings
from analysis.frames import frame_of, listed
from sim.record import tables
from sim.record.errors import ResultError
from sim.record.folder import SCENARIO_FILE, SCORES_FILE, SWEEP_FILE, TRACE_FILE
from sim.record.metrics import Better, Bounds, limits
from sim.record.points import ProtocolRecord, TargetRecord
from sim.record.rows import (
    CLIENT,
    FINISHED,
    LEFT_OUT,
    RECEIVED,
    STAGES,
    TRACE_KINDS,
    ScoreRow,
    TraceRow,
)

Names = str | Iterable[str]
Seeds = int | Iterable[int]

Settings = Mapping[str, Any]
_RUN = ("protocol", "seed")


@dataclass(frozen=True)
class Part:
    """A folder that holds rows of a point: all of them, or those of some runs."""

    folder: Path
    rows: Mapping[str, int]
    """By file, how many it has."""
    digests: Mapping[str, str]
    """By file, the SHA-256 that it was written with."""
    runs: Mapping[int, tuple[str, int]] | None = None
    """The protocols and seeds that count, by their place in the scenario's order; None: all."""


@dataclass(frozen=True, eq=False, repr=False)
class Results:
    """A run or a sweep. Its frames are shared by all who ask for them: copy before you change one.

    Text columns are categoricals in the scenario's order: `point`, `protocol`, varied paths whose
    values are text, and `node` and `peer` (client_0, client_1, ..., server, aggregate, pooled).
    """

    folder: Path
    name: str
    """The scenario's."""
    question: str | None
    is_sweep: bool
    settings: Settings
    """The scenario with every default, nested; quantities are text ("600.0 s")."""
    paths: tuple[str, ...]
    """The varied settings, in the sweep's order; none in a run."""
    units: Mapping[str, str]
    """What each of them counts: s, B, B/s, 1/s, or nothing for plain numbers and text."""
    points: pd.DataFrame
    """One row per point: `point`, then a column per varied path, float64 in its unit if all its
    values are numbers, else text. The only point of a run is "base"."""
    written: pd.DataFrame
    """The same values as the user wrote them ("5 min"), as text."""
    conditions: pd.DataFrame
    """By point: `duration_s`, `crash_s` (when the server's first crash of a fixed time strikes; if
    it has none, the first of any node) and the value of the `target`, as the point's own settings
    have them; NaN where there is none."""
    crash_nodes: Mapping[str, str | None]
    """By point, whose crash that is."""
    targets: Mapping[str, TargetRecord | None]
    """By point."""
    protocols: tuple[str, ...]
    about: Mapping[str, ProtocolRecord]
    """Of each protocol its `kind`, and whether it `needs_server` and `is_reference`."""
    seeds: tuple[int, ...]
    metric: str
    """What the scenario is judged by: its target's metric, else its task's first."""
    directions: Mapping[str, Better]
    """Which values of its task's metrics are the better ones, higher or lower."""
    bounds: Mapping[str, Bounds]
    """Between which values they lie."""
    tune: tuple[str, ...]
    """The varied settings that are to be chosen on validation data, see `tuned`."""
    runs: pd.DataFrame
    """One row per point, protocol and seed that should be there: `point`, the varied paths,
    `protocol`, `seed`, `status` (finished, failed, missing), `cause` (why it isn't finished),
    `virtual_s`, `events` and the counters of `run.json` (nullable integers, <NA> if missing)."""
    cautions: tuple[Mapping[str, Any], ...]
    """What makes a comparison unfair or a run pointless, the gravest of each point first: `point`,
    `kind`, `protocol` (None: about all), `text` (a sentence), `seeds` (a list)."""
    chosen_values: pd.DataFrame | None
    """Of a tuned view, by point, protocol and seed, the values that were chosen, as written: a
    column per tuned path. See `analysis.tuning`."""
    grid_ends: Mapping[str, frozenset[str]]
    """Of a tuned view, by tuned path, its smallest and its largest value, as written; none of text,
    which has no order."""
    _folders: Mapping[str, Path] = field()
    _parts: Mapping[str, Sequence[Part]] = field()
    _types: Mapping[str, pd.CategoricalDtype] = field()

    def __repr__(self) -> str:
        kind = "sweep" if self.is_sweep else "run"
        done, all_runs = int((self.runs["status"] == FINISHED).sum()), len(self.runs)
        return f"<{kind} {self.name} in {self.folder}: {done} of {all_runs} runs finished>"

    @property
    def missing(self) -> pd.DataFrame:
        """The rows of `runs` that have no scores, because they failed or are not there."""
        return self.runs[self.runs["status"] != FINISHED].reset_index(drop=True)

    @property
    def clients(self) -> tuple[str, ...]:
        """The names of all clients, of the point that has most of them."""
        names = (str(name) for name in self._types["node"].categories)
        return tuple(name for name in names if name.startswith(CLIENT))

    @property
    def duration_s(self) -> float:
        """Virtual seconds that a run covers; of the longest, where points differ."""
        return float(self.conditions["duration_s"].max())

    @property
    def crash_s(self) -> float | None:
        """When the first crash of a fixed time strikes; None if none does, or if points differ."""
        return self._common("crash_s")

    @property
    def crash_node(self) -> str | None:
        """Whose crash that is; None if none strikes, or if points differ."""
        nodes = set(self.crash_nodes.values())
        return nodes.pop() if len(nodes) == 1 else None

    @property
    def target(self) -> TargetRecord | None:
        """The score to reach, on validation data; None if there is none, or if points differ."""
        first, *others = self.targets.values()
        return first if all(one == first for one in others) else None

    @property
    def limits(self) -> tuple[float, float]:
        """Between which values `metric` lies; infinite where it has no bound."""
        return limits(self.metric, self.bounds)

    @property
    def baseline(self) -> str:
        """What the others are compared with: the first protocol with a server, else the first."""
        servers = (name for name in self.protocols if self.about[name].needs_server)
        return next(servers, self.protocols[0])

    def _common(self, column: str) -> float | None:
        values = self.conditions[column].unique()
        return float(values[0]) if len(values) == 1 and math.isfinite(values[0]) else None

    @property
    def source(self) -> Path:
        """The file that describes it: a scenario, or a sweep."""
        return self.folder / (SWEEP_FILE if self.is_sweep else SCENARIO_FILE)

    def folder_at(self, point: str) -> Path:
        """The folder of one point's runs. Raises ResultError if there is no such point."""
        (name,) = self.chosen("point", point, self._folders)
        return self._folders[name]

    def settings_at(self, point: str) -> Settings:
        """The settings of one point, as its folder has them. Raises ResultError if it has none."""
        return read_settings(self.folder_at(point) / SCENARIO_FILE)

    def rows_at(self, point: str) -> int:
        """How many rows the tables have that hold the point's; 0 of one that isn't finished."""
        return sum(sum(part.rows.values()) for part in self._parts.get(point, ()))

    def at(self, points: Names) -> "Results":
        """The same of some points alone. Raises ResultError for one that isn't there."""
        names = self.chosen("point", points, self._folders)
        kept = [name for name in self._folders if name in names]

        def of_kept(frame: pd.DataFrame) -> pd.DataFrame:
            return frame[frame["point"].isin(kept)].reset_index(drop=True)

        return replace(
            self,
            points=of_kept(self.points),
            written=of_kept(self.written),
            conditions=self.conditions.loc[kept],
            runs=of_kept(self.runs),
            crash_nodes={name: self.crash_nodes[name] for name in kept},
            targets={name: self.targets[name] for name in kept},
            cautions=tuple(one for one in self.cautions if one["point"] in kept),
            chosen_values=None if self.chosen_values is None else of_kept(self.chosen_values),
            _folders={name: self._folders[name] for name in kept},
            _parts={name: self._parts[name] for name in kept if name in self._parts},
        )

    def with_values(self, frame: pd.DataFrame, *, as_written: bool = False) -> pd.DataFrame:
        """The frame with the varied paths' columns behind its `point` column.

        Numbers in base units as in `points`, or the text that the user wrote ("2 / h").
        """
        values = self.written if as_written else self.points
        if "point" not in frame:
            raise ResultError(f"{self.folder}: the frame has no column point")
        self.chosen("point", frame["point"].astype("str").unique().tolist(), self._folders)
        found = frame.drop(columns=list(self.paths), errors="ignore")
        rows = pd.Index(list(self._folders)).get_indexer(pd.Index(frame["point"].astype("str")))
        place = list(found.columns).index("point")
        for path in reversed(self.paths):
            found.insert(place + 1, path, values[path].array.take(rows))
        return found

    def scores(
        self,
        *,
        points: Names | None = None,
        protocols: Names | None = None,
        seeds: Seeds | None = None,
        nodes: Names | None = None,
        stage: str | None = RECEIVED,
        metric: Names | None = None,
        columns: Sequence[str] | None = None,
    ) -> pd.DataFrame:
        """The scores of finished runs, read now: one row per metric, model and look.

        None chooses all; a name or number one, several of them several. `stage`: of clients'
        models; those of references, which have none, are always among them. Of several `metric`s
        some may be lacking. Columns: `point`, the
        varied paths, `protocol`, `seed`, `time_s` (virtual), `node`, `stage`, `local_round`,
        `version`,
        `staleness`, `metric`, `value`, `up`; or those of them in `columns`. Sorted by point,
        protocol, seed and time. No row where no chosen run is finished: see `missing`.

        Raises ResultError for a choice that the scenario or the tables don't have.
        """
        wanted = self._wanted(protocols, seeds, nodes)
        if stage is not None:
            wanted["stage"] = [*self.chosen("stage", stage, STAGES), None]
        if metric is not None:
            wanted["metric"] = [metric] if isinstance(metric, str) else list(metric)
        frame = self._read(SCORES_FILE, ScoreRow, points, wanted, columns)
        frame.attrs["directions"] = self.directions
        if metric is not None and frame.empty:
            self._check_metrics(wanted["metric"])
        return frame

    def trace(
        self,
        *,
        points: Names | None = None,
        protocols: Names | None = None,
        seeds: Seeds | None = None,
        nodes: Names | None = None,
        kinds: Names | None = None,
        columns: Sequence[str] | None = None,
    ) -> pd.DataFrame:
        """What happened in finished runs, read now: one row per thing that happened.

        Choices, order and errors as in `scores`; `kinds` are of `TRACE_KINDS`. Columns: `point`,
        the varied paths, `protocol`, `seed`, `time_s` (its beginning), `duration_s`, `node`
        (missing for the network's own), `kind`, `peer` (missing if there is none), `bytes`; and,
        missing where they do not apply, `round`, `attempt`, `cause`, `peers` (a list), `asked`,
        `answered`, `updates` and `factor`.
        Traces are long: choose the kinds and columns that are needed. The frame's `attrs` keep the
        chosen kinds and nodes, and metrics refuse a trace without what they need. Raises
        ResultError for a kind that the scenario leaves out of its traces.
        """
        wanted = self._wanted(protocols, seeds, nodes)
        told = self.told(TRACE_KINDS)
        if kinds is not None:
            wanted["kind"] = self.chosen("kind", kinds, TRACE_KINDS)
            if lacking := [kind for kind in wanted["kind"] if kind not in told]:
                what = f"its traces leave out {listed(lacking)}"
                raise ResultError(f"{self.folder}: {what}; needed: output: {{trace: all}}")
        elif len(told) < len(TRACE_KINDS):
            wanted["kind"] = told
        frame = self._read(TRACE_FILE, TraceRow, points, wanted, columns)
        # A metric that needs what was left out would take it for what never happened.
        parts = [name for name in ("kind", "node") if name in wanted]
        frame.attrs = {f"{name}s": tuple(wanted[name]) for name in parts}
        return frame

    def told(self, kinds: Iterable[str]) -> tuple[str, ...]:
        """Those kinds that the scenario doesn't leave out of its traces."""
        left_out = LEFT_OUT[self.settings.get("output", {}).get("trace", "all")]
        return tuple(kind for kind in kinds if kind not in left_out)

    @property
    def scored(self) -> int:
        """How many clients are scored: all, or a sample of them."""
        number = self.settings.get("evaluation", {}).get("clients", "all")
        return len(self.clients) if number == "all" else min(int(number), len(self.clients))

    @property
    def sample_text(self) -> str:
        """`, 100 of 1,000 clients scored`; empty where all are."""
        every = len(self.clients)
        return f", {self.scored:,} of {every:,} clients scored" if self.scored < every else ""

    def _wanted(
        self, protocols: Names | None, seeds: Seeds | None, nodes: Names | None
    ) -> dict[str, Sequence[Any]]:
        wanted: dict[str, Sequence[Any]] = {}
        if protocols is not None:
            wanted["protocol"] = self.chosen("protocol", protocols, self.protocols)
        if seeds is not None:
            wanted["seed"] = self.chosen("seed", seeds, self.seeds)
        if nodes is not None:
            wanted["node"] = self.chosen("node", nodes, self._types["node"].categories)
        return wanted

    def chosen(self, what: str, chosen: Any, among: Iterable[Any]) -> list[Any]:
        """One name or number, or several, as a list. Raises ResultError for what is unknown."""
        known = list(among)
        several = [chosen] if isinstance(chosen, str | int) else list(chosen)
        for one in several:
            if one not in known:
                allowed = listed(known)
                raise ResultError(f"{self.folder}: has no {what} {one!r}; allowed: {allowed}")
        return several

    def _read(
        self,
        file: str,
        row: type[ScoreRow] | type[TraceRow],
        points: Names | None,
        wanted: Mapping[str, Sequence[Any]],
        columns: Sequence[str] | None,
    ) -> pd.DataFrame:
        leading = list(self.points.columns)
        all_columns = [*leading, *row._fields]
        chosen = all_columns if columns is None else self.chosen("column", columns, all_columns)
        schema = tables.schema_of(row, chosen)
        names = self._folders if points is None else self.chosen("point", points, self._folders)
        # In the scenario's order, whatever the order of the choice.
        read, places = [], []
        for place, name in enumerate(self._folders):
            if name in names:
                for one in _tables(self._parts.get(name, ()), file, row, schema, wanted):
                    read.append(one)
                    places.append(place)
        rows = np.repeat(places, [one.num_rows for one in read])
        # Nobody else holds these columns, and a copy would be the peak of memory.
        found = frame_of(tables.together(schema, _taken(read)), self._types, self.folder)
        for name in leading:
            found[name] = self.points[name].array.take(rows.astype(np.intp))
        kept = {name: found[name] for name in all_columns if name in chosen}
        return pd.DataFrame(kept, copy=False)

    def _check_metrics(self, metrics: Sequence[str]) -> None:
        present = self._read(SCORES_FILE, ScoreRow, None, {}, ["metric"])["metric"].cat.categories
        if len(present) and not set(metrics) & set(present):
            self.chosen("metric", metrics, present)


def _tables(
    parts: Sequence[Part],
    file: str,
    row: type[ScoreRow] | type[TraceRow],
    schema: pa.Schema,
    wanted: Mapping[str, Sequence[Any]],
) -> Iterator[pa.Table]:
    """One point's rows, by protocol and seed as the scenario has them."""
    of_runs: dict[int, pa.Table] = {}
    for part in parts:
        path = part.folder / file
        check_whole(path, part.digests.get(file))
        if part.runs is None:
            yield tables.read(path, schema, wanted)
            continue
        whole = tables.read(path, tables.schema_of(row, [*schema.names, *_RUN]), wanted)
        for place, run in part.runs.items():
            mask = pc.and_(
                *(pc.equal(whole[name], one) for name, one in zip(_RUN, run, strict=True))
            )
            of_runs[place] = whole.filter(mask).select(schema.names)
    yield from (of_runs[place] for place in sorted(of_runs))


def _taken(parts: list[pa.Table]) -> Iterator[pa.Table]:
    """The tables, none of which stays in `parts`."""
    parts.reverse()
    while parts:
        yield parts.pop()
