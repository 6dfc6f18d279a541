"""The closing tables of runs and sweeps, and the same numbers as JSON."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from analysis.comparison import (
    NONE,
    PROGRESS,
    Arrival,
    Comparison,
    Key,
    count_text,
    difference_text,
    median_text,
    score_text,
)
from analysis.metrics.common import POINT_AND_PROTOCOL
from analysis.results import Results
from analysis.statistics import Interval
from sim.record.points import tails
from sim.record.words import bytes_text

INTERVAL = "95 % Student's t over seeds"
_WIDEST_NAME = 16
_NOTHING = Interval(math.nan, math.nan, math.nan, math.nan, 0, 0)

_Columns = Mapping[str, Callable[[Key], str]]


def closing_table(results: Results, found: Comparison) -> Table:
    """A row for each point and protocol, for a terminal of 100 columns."""
    expected = _expected(results)
    complete = all(_mean(found, "mean", key).count == runs for key, runs in expected.items())
    columns = _sweep_columns(found) if results.is_sweep else _run_columns(results, found)
    if results.is_sweep or not complete:
        columns |= {"runs": lambda key: f"{_mean(found, 'mean', key).count}/{expected[key]}"}
    seeds = len(results.seeds)
    over = "1 seed" if seeds == 1 else f"mean ± 95 % interval over {seeds} seeds"
    notes = [] if complete else ["runs: those with a score, of all"]
    if seeds > 1 and not results.is_sweep:
        notes.append("rounds, bytes: per seed")
        if results.target is not None:
            notes.append("time: by when half of the seeds were there")
    table = Table(
        title=Text(f"{results.name}: final {results.metric}, {over}"),
        caption="; ".join(notes) or None,
        box=box.SIMPLE_HEAD,
        padding=0,
        title_justify="left",
        caption_justify="left",
    )
    for tail in tails(results.paths):
        # A heading may break after each of its dots.
        heading = Text(tail.replace(".", ".\n"))
        table.add_column(heading, overflow="fold", max_width=_WIDEST_NAME, justify="right")
    table.add_column("protocol", overflow="fold", max_width=_WIDEST_NAME)
    for title in columns:
        table.add_column(Text(title), justify="right", overflow="fold")
    for cells in _rows(results, columns):
        table.add_row(*map(Text, cells))
    return table


def as_dict(results: Results, found: Comparison) -> dict[str, Any]:
    """The same as JSON-ready values, and more of them; null where there is no finite number."""
    lines = [_line(found, key, runs) for key, runs in _expected(results).items()]
    content: dict[str, Any] = {
        "scenario": results.name,
        "metric": results.metric,
        "interval": INTERVAL,
        "target": results.target,
        "crash_s": results.crash_s,
        "seeds": list(results.seeds),
        "baseline": found.baseline,
        "cautions": list(results.cautions),
    }
    if not results.is_sweep:
        return content | {"protocols": lines}
    places = [_place(results, point) for point, _ in _expected(results)]
    all_lines = [place | line for place, line in zip(places, lines, strict=True)]
    return content | {"paths": list(results.paths), "lines": all_lines}


def _expected(results: Results) -> dict[Key, int]:
    """How many runs each point and protocol should have, in the scenario's order."""
    sizes = results.runs.groupby(POINT_AND_PROTOCOL, observed=True).size().reset_index()
    rows = sizes.itertuples(index=False, name=None)
    return {(str(point), str(protocol)): int(size) for point, protocol, size in rows}


def _mean(found: Comparison, column: str, key: Key) -> Interval:
    return found.means[column].get(key, _NOTHING)


def _rows(results: Results, columns: _Columns) -> Iterator[list[str]]:
    written, last = results.written.set_index("point"), None
    for key in _expected(results):
        # What a row has in common with the one above it isn't said again.
        values = [str(text) if key[0] != last else "" for text in written.loc[key[0]]]
        yield [*values, key[1], *(text(key) for text in columns.values())]
        last = key[0]


def _sweep_columns(found: Comparison) -> dict[str, Callable[[Key], str]]:
    columns = {"mean\nclient": _score_of(found, "mean")}
    if any(one.count for one in found.means["aggregate"].values()):
        columns["aggregate"] = _score_of(found, "aggregate")
    if found.baseline is not None:
        columns[f"minus\n{found.baseline}"] = lambda key: difference_text(
            found.differences.get(key, _NOTHING)
        )
    return columns


def _run_columns(results: Results, found: Comparison) -> dict[str, Callable[[Key], str]]:
    columns = {
        "mean\nclient": _score_of(found, "mean"),
        "worst\nclient": _score_of(found, "worst"),
        # Without its interval, or the table would not fit.
        "aggre-\ngate": lambda key: score_text(
            replace(_mean(found, "aggregate", key), low=math.nan)
        ),
    }
    if results.target is not None:
        columns[f"time to\n{results.target:g}"] = lambda key: _arrival_text(found.arrivals.get(key))
    columns |= {
        "rounds\ndone": lambda key: count_text(_mean(found, "local_rounds", key).mean),
        "rounds\nlost": lambda key: count_text(_mean(found, "local_rounds_lost", key).mean),
        "bytes\nreceived": lambda key: _bytes_text(_mean(found, "bytes_received", key).mean),
    }
    if results.crash_s is not None:
        columns["progress\nafter crash"] = lambda key: difference_text(_mean(found, PROGRESS, key))
    return columns


def _score_of(found: Comparison, column: str) -> Callable[[Key], str]:
    return lambda key: score_text(_mean(found, column, key))


def _bytes_text(size_bytes: float) -> str:
    return bytes_text(size_bytes) if math.isfinite(size_bytes) else NONE


def _arrival_text(arrival: Arrival | None) -> str:
    if arrival is None:
        return NONE
    some = 0 < arrival.reached < arrival.count
    return median_text(arrival.median_s) + (f" {arrival.reached}/{arrival.count}" if some else "")


def _place(results: Results, point: str) -> dict[str, Any]:
    values, written = (
        frame.set_index("point").loc[point].to_dict() for frame in (results.points, results.written)
    )
    numbers = {
        path: value if isinstance(value, str) else _finite(value) for path, value in values.items()
    }
    return {"point": point, "values": numbers, "written": written}


def _line(found: Comparison, key: Key, runs: int) -> dict[str, Any]:
    arrival = found.arrivals.get(key)
    return {
        "protocol": key[1],
        "seeds": runs,
        "mean_client": _interval_dict(_mean(found, "mean", key)),
        "worst_client": _interval_dict(_mean(found, "worst", key)),
        "aggregate": _interval_dict(_mean(found, "aggregate", key)),
        "difference": _interval_dict(found.differences.get(key, _NOTHING)),
        "time_to_target_s": arrival
        and {
            "median": _finite(arrival.median_s),
            "count": arrival.count,
            "reached": arrival.reached,
        },
        "local_rounds_done": _finite(_mean(found, "local_rounds", key).mean),
        "local_rounds_lost": _finite(_mean(found, "local_rounds_lost", key).mean),
        "bytes_delivered": _finite(_mean(found, "bytes_received", key).mean),
        "progress_after_crash": _interval_dict(_mean(found, PROGRESS, key)),
    }


def _interval_dict(one: Interval) -> dict[str, float | None] | None:
    """None if no seed has a finite value; without `low` and `high` for one seed."""
    if not one.count:
        return None
    ends = {"mean": one.mean, "low": one.low, "high": one.high}
    return {name: _finite(value) for name, value in ends.items()} | {"count": one.count}


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
