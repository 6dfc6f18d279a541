"""The closing tables of runs and sweeps."""

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal, NamedTuple

from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.table import Table
from rich.text import Text

from analysis.comparison import (
    BYTES,
    EPOCHS,
    EQUALS,
    NONE,
    PROGRESS,
    TIME,
    TWO,
    Arrival,
    Comparison,
    Contrast,
    Key,
    chance_text,
    cost_text,
    count_text,
    crossing_text,
    difference_text,
    holding,
    is_known,
    median_text,
    over_text,
    overtaking,
    score_text,
    shown_contrasts,
    without_bytes,
)
from analysis.disturbances import struck_text
from analysis.metrics.common import POINT_AND_PROTOCOL
from analysis.metrics.presence import NEAR
from analysis.metrics.stages import GLOBAL
from analysis.report.tables import Table as TextTable
from analysis.results import Results
from analysis.statistics import Interval
from analysis.tuning import END_NOTE, chosen_texts
from sim.record.points import tails
from sim.record.words import bytes_text, plain_text, time_text

_WIDEST_NAME, _WIDEST_PATH = 15, 18
_NOTHING = Interval(math.nan, math.nan, math.nan, math.nan, 0, 0)
_HEADS = {
    **{"mean": "received:\nmean client", "own_site": "received:\nown site"},
    **{"mean_trained": "trained:\nmean client", "own_site_trained": "trained:\nown site"},
    **{GLOBAL: "global\nmodel", "worst": "received:\nworst", "aggregate": "aggre-\ngate"},
    "server": "server",
}
"""How the columns of scores are called."""
_PLAIN = ("worst", "aggregate", "server")
"""Those without an interval, or the table would not fit."""
_OF_RUN = ("mean", "worst", "own_site", "mean_trained", "own_site_trained", "aggregate", "server")
_OF_SWEEP = ("mean", "mean_trained", GLOBAL)
_CONTRASTED = ("mean", "mean_trained", "own_site", "own_site_trained", GLOBAL)
_SHARES = {"computing": "com-\npute", "communicating": "talk", "waiting": "wait", "down": "down"}
_COSTS = {"energy_kwh": "energy\nkWh", "cost": "cost"}
_WORDS = {
    "received:": "received: the newest model from others, before any training on it",
    "trained:": "trained: what the last finished local round made of it",
    "own site": "own site: on held-out data of each client's own kind",
    "aggre-": "aggregate: the size-weighted mean of the trained models",
    "global": "global model: the server's, or the aggregate where there is no server",
}
"""What a heading means, by a part of it."""

_Cell = Callable[[Key], str]


def closing_tables(results: Results, found: Comparison) -> Group:
    """What each point and protocol came to, for a terminal of any width: its scores, what they
    are more than the baseline's, and the work behind them.
    """
    parts = [*_scores(results, found), *_differences(results, found), *_work(results, found)]
    return Group(*parts)


def as_text(text: str) -> Text:
    """What is shown as it is, without markup, emoji by name, or a terminal's commands."""
    return Text(plain_text(text))


def shown(table: TextTable) -> Group:
    """A table of texts, for a terminal of any width."""
    names, heads = table.columns[: table.heads], table.columns[table.heads :]
    labels = [_Column(_broken(name), "left", _WIDEST_PATH) for name in names]
    rows = [(row[: table.heads], row[table.heads :]) for row in table.rows]
    columns = [_Column(_broken(head), "right") for head in heads]
    return Group(as_text(table.caption), _Fitting(labels, columns, rows))


def _scores(results: Results, found: Comparison) -> Iterator["_Fitting | Text"]:
    expected = expected_runs(results)
    done = {key: mean_of(found, found.headline, key).count for key in expected}
    columns = {
        _HEADS[name]: _score_cell(found, name)
        for name in (_OF_SWEEP if results.paths else _OF_RUN)
        if is_known(found, name) or name == found.headline
    }
    complete = all(done[key] == runs for key, runs in expected.items())
    if results.paths or not complete:
        columns["runs"] = lambda key: f"{done[key]}/{expected[key]}"
    yield as_text(f"{results.name}: final {results.metric}, {over_text(results)}")
    yield _filled(results, columns)
    notes = _meanings(columns)
    if any(one.is_reference for one in results.about.values()) and len(found.stages) > 1:
        notes.append("a reference has one stage, shown in both")
    if not complete:
        notes.append("runs: those with a score, of all")
    yield _note(notes)


def _differences(results: Results, found: Comparison) -> Iterator["_Fitting | Text"]:
    shown = shown_contrasts(results, found)
    if not shown:
        return
    kept = holding(shown)

    def cell(point: str, protocol: str, equal: str, score: str) -> str:
        contrast = Contrast(point, protocol, equal, score)
        return difference_text(shown.get(contrast, _NOTHING)) + "*" * (contrast in kept)

    keys = [key for key in expected_runs(results) if key[1] != found.baseline]
    lines = [(*key, equal) for key in keys for equal in EQUALS
             if any(one[:3] == (*key, equal) for one in shown)]  # fmt: skip
    heads = {_HEADS[name]: name for name in _CONTRASTED if any(one.score == name for one in shown)}
    equals = {TIME: "time", EPOCHS: found.effort.split()[-1], BYTES: "bytes"}
    cells = [[cell(*line, name) for name in heads.values()] for line in lines]
    told = [(*line[:2], equals[line[2]]) for line in lines]
    over = ", mean of two seeds" if len(results.seeds) == TWO else ""
    yield as_text(f"{results.metric} minus that of {found.baseline}, paired by seed{over}")
    yield _fitting(results, ("protocol", "at equal"), heads, told, cells)
    yield _note(_difference_notes(results, found, shown))


def _difference_notes(
    results: Results, found: Comparison, shown: Mapping[Contrast, Interval]
) -> Iterator[str]:
    if not results.paths and any(one.score == GLOBAL for one in shown):
        yield _WORDS["global"]
    yield "at equal: each at its last look not after the least of all, in time, " + " or ".join(
        f"{text}{amount}" for text, amount in _amounts(results, found)
    )
    if names := without_bytes(results, found):
        why = f"since it or {found.baseline} had received nothing, or learned nothing"
        yield f"no row at equal bytes of {', '.join(names)}, {why}"
    yield chance_text(shown)
    if places := overtaking(results, found):
        (path,) = results.paths
        (name,), unit = tails([path]), results.units[path]
        texts = [f"{protocol}: {crossing_text(own, unit)}" for protocol, own in places.items()]
        yield f"level with {found.baseline} at equal time at a {name} of: {'; '.join(texts)}"


def _amounts(results: Results, found: Comparison) -> Iterator[tuple[str, str]]:
    """What was made equal beside time, and at how much of it, if the results have one point."""
    points = [str(point) for point in results.points["point"]]
    known = {equal: found.amounts.get((point, equal)) for point in points for equal in EQUALS}
    effort, size = (known[one] if len(points) == 1 else None for one in (EPOCHS, BYTES))
    yield f"{found.effort} per client", "" if effort is None else f" ({effort:.3g})"
    yield "bytes received by all nodes", "" if size is None else f" ({bytes_text(size)})"


def _work(results: Results, found: Comparison) -> Iterator["_Fitting | Text"]:
    columns: dict[str, _Cell] = {}
    target = results.target
    if target is not None:
        columns[f"time to\n{target.value:g}"] = lambda key: _arrival_text(found.arrivals.get(key))
    columns |= {
        "rounds\ndone": lambda key: count_text(mean_of(found, "local_rounds", key).mean),
        "rounds\nlost": lambda key: count_text(mean_of(found, "local_rounds_lost", key).mean),
        "bytes\nreceived": lambda key: _bytes_text(mean_of(found, "bytes_received", key).mean),
    }
    columns |= {head: _share_cell(found, name) for name, head in _SHARES.items()}
    columns |= {
        head: partial(_cost_text, found, name)
        for name, head in _COSTS.items()
        if is_known(found, name)
    }
    if found.newcomers:
        columns["caught\nup"] = lambda key: _arrival_text(found.newcomers.get(key))
    if _has_crash(results, found):
        columns["after\ncrash"] = lambda key: (
            NONE
            if results.about[key[1]].is_reference
            else _plain_difference(mean_of(found, PROGRESS, key))
        )
    columns |= _tuned_columns(results)
    yield Text("work, mean over seeds")
    yield _filled(results, columns)
    yield _note(_work_notes(results, found))


def _work_notes(results: Results, found: Comparison) -> Iterator[str]:
    target = results.target
    if target is not None:
        whose = target.of if target.of == "aggregate" else f"{target.of} client ({target.stage})"
        yield (
            f"time to {target.value:g}: when half of the seeds had their {whose} there in "
            f"{target.metric} on validation data, and how many ever had, if only some"
        )
        if found.arrivals and not any(one.reached for one in found.arrivals.values()):
            yield "nobody reached it"
    yield "rounds: local ones of all clients; lost: ended by a crash or a dropout"
    if found.newcomers:
        yield (
            "caught up: when half of the clients that joined were no further below the mean of "
            f"who was there before them than {100 * NEAR:g} % of it; and how many ever were, if "
            "only some"
        )
    whose = "scored clients'" if results.sample_text else "clients'"
    yield f"compute, talk (a model comes or goes), wait (neither), down: shares of the {whose} time"
    if any(is_known(found, name) for name in _COSTS):
        yield "energy, cost: of all machines, by the scenario's powers and prices"
    if not results.paths and (struck := struck_text(results, str(results.points["point"].iloc[0]))):
        yield f"struck: {struck}"
    if _has_crash(results, found):
        when = time_text(results.crash_s or 0.0)
        has_reference = any(one.is_reference for one in results.about.values())
        but = "; not told of references" if has_reference else ""
        yield (
            "after crash: what the mean client gained from the last look before the crash of "
            f"{results.crash_node} at {when}{but}"
        )
    if results.chosen_values is not None:
        yield (
            f"tuned: {', '.join(results.tune)}, for each protocol and seed the value that was best "
            f"on validation data, and how many seeds chose the one that is shown; {END_NOTE}"
        )


def _has_crash(results: Results, found: Comparison) -> bool:
    """Whether a run, or a sweep of one point, has gone on after a crash of a fixed time."""
    return results.crash_s is not None and not results.paths and is_known(found, PROGRESS)


def _tuned_columns(results: Results) -> dict[str, _Cell]:
    if results.chosen_values is None:
        return {}
    texts = [chosen_texts(results, path) for path in results.tune]
    names = map(_broken, tails(results.tune))
    return {
        f"tuned\n{name}": partial(_text_of, own) for name, own in zip(names, texts, strict=True)
    }


def _text_of(texts: Mapping[Key, str], key: Key) -> str:
    return texts.get(key, NONE)


def _filled(results: Results, columns: Mapping[str, _Cell]) -> "_Fitting":
    """A row for each point and protocol."""
    keys = list(expected_runs(results))
    cells = [[text(key) for text in columns.values()] for key in keys]
    return _fitting(results, ("protocol",), columns, keys, cells)


def _fitting(
    results: Results,
    names: Sequence[str],
    heads: Iterable[str],
    lines: Sequence[tuple[str, ...]],
    cells: Sequence[Sequence[str]],
) -> "_Fitting":
    """A row for each line: the varied values, what is called `names`, and its cells."""
    paths = [_Column(_broken(tail), "right", _WIDEST_PATH) for tail in tails(results.paths)]
    labels = [*paths, *(_Column(name, "left", _WIDEST_NAME) for name in names)]
    rows = list(zip(_labels(results, lines), cells, strict=True))
    return _Fitting(labels, [_Column(head, "right") for head in heads], rows)


class _Column(NamedTuple):
    """How a column is called, and where its texts stand."""

    head: str
    side: Literal["left", "right"]
    most: int | None = None
    """Wider texts are folded."""


@dataclass(frozen=True)
class _Fitting:
    """A table; where it is wider than the terminal, several, each with the labels of its rows."""

    labels: Sequence[_Column]
    columns: Sequence[_Column]
    rows: Sequence[tuple[Sequence[str], Sequence[str]]]
    """The labels and the cells of each."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for places in self._groups(options.max_width):
            yield self._table(places)

    def _groups(self, width: int) -> Iterator[list[int]]:
        """As many columns as there is room for, then as many of the others."""
        labels = sum(
            min(_width(one, (row[place] for row, _ in self.rows)), one.most or width) + 1
            for place, one in enumerate(self.labels)
        )
        group, used = list[int](), labels
        for place, one in enumerate(self.columns):
            needed = _width(one, (cells[place] for _, cells in self.rows)) + 1
            if group and used + needed >= width:
                yield group
                group, used = [], labels
            group.append(place)
            used += needed
        yield group

    def _table(self, places: Sequence[int]) -> Table:
        table = Table(box=box.SIMPLE_HEAD, padding=0)
        for one in (*self.labels, *(self.columns[place] for place in places)):
            head = as_text(one.head)
            table.add_column(head, justify=one.side, overflow="fold", max_width=one.most)
        for labels, cells in self.rows:
            table.add_row(*map(as_text, (*labels, *(cells[place] for place in places))))
        return table


def _width(column: _Column, texts: Iterable[str]) -> int:
    """What its longest line takes on a terminal."""
    lines = (line for text in (column.head, *texts) for line in plain_text(text).split("\n"))
    return max(map(cell_len, lines))


def _broken(path: str) -> str:
    """A path in lines: a new one after each dot, and after underscores where it would be wide."""
    lines = [""]
    for part in re.findall(r"[^._]*[._]?", path):
        if lines[-1].endswith(".") or len(lines[-1] + part) > _WIDEST_PATH:
            lines.append("")
        lines[-1] += part
    return "\n".join(lines)


def _labels(results: Results, lines: Iterable[tuple[str, ...]]) -> Iterator[list[str]]:
    """The first cells of each line, which begins with a point and a protocol."""
    written, last = results.written.set_index("point"), ("", "")
    for point, protocol, *more in lines:
        # What a row has in common with the one above it isn't said again.
        values = [str(text) if point != last[0] else "" for text in written.loc[point]]
        yield [*values, protocol if (point, protocol) != last else "", *more]
        last = (point, protocol)


def _note(notes: Iterable[str]) -> Text:
    return as_text("\n".join(filter(None, notes)) + "\n")


def _meanings(heads: Iterable[str]) -> list[str]:
    """What the words in some headings mean."""
    told = list(heads)
    return [text for word, text in _WORDS.items() if any(word in head for head in told)]


def expected_runs(results: Results) -> dict[Key, int]:
    """How many runs each point and protocol should have, in the scenario's order."""
    sizes = results.runs.groupby(POINT_AND_PROTOCOL, observed=True).size().reset_index()
    rows = sizes.itertuples(index=False, name=None)
    return {(str(point), str(protocol)): int(size) for point, protocol, size in rows}


def mean_of(found: Comparison, column: str, key: Key) -> Interval:
    return found.means[column].get(key, _NOTHING)


def _score_cell(found: Comparison, name: str) -> _Cell:
    if name in _PLAIN:
        return lambda key: score_text(replace(mean_of(found, name, key), low=math.nan))
    return lambda key: score_text(mean_of(found, name, key))


def _share_cell(found: Comparison, name: str) -> _Cell:
    def text(key: Key) -> str:
        share = mean_of(found, name, key).mean
        return f"{100 * share:.0f} %" if math.isfinite(share) else NONE

    return text


def _cost_text(found: Comparison, name: str, key: Key) -> str:
    return cost_text(mean_of(found, name, key))


def _plain_difference(one: Interval) -> str:
    return difference_text(replace(one, low=math.nan))


def _bytes_text(size_bytes: float) -> str:
    return bytes_text(size_bytes) if math.isfinite(size_bytes) else NONE


def _arrival_text(arrival: Arrival | None) -> str:
    if arrival is None:
        return NONE
    some = 0 < arrival.reached < arrival.count
    return median_text(arrival.median_s) + (f" {arrival.reached}/{arrival.count}" if some else "")
