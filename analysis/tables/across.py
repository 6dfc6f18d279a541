"""What each protocol comes to along one varied setting: a row each, a column for each value."""

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from analysis.comparison import NONE, difference_text, holding, over_text, score_text
from analysis.metrics.common import RUN
from analysis.metrics.progress import final
from analysis.metrics.stages import score_curves
from analysis.report.tables import Table
from analysis.results import Results
from analysis.statistics import Interval, mean_interval
from analysis.where import path_ending
from sim.record.points import tails
from sim.record.rows import RECEIVED

Cell = tuple[tuple[str, ...], str]
"""A row, by the other varied values and the protocol, and a column, by the value along the path."""


def across(results: Results, path: str) -> list[Table]:
    """The mean client's score at the end, as received, for each value of `path`; and what it is
    more than at the first value, paired by seed, with a star where that holds.

    Of a path its end will do, if no other ends so. What else is varied has a row for each of its
    values. Raises ResultError for a path that isn't varied.
    """
    path = path_ending(results, path, f"--across {path}:")
    at = _cells(results, path)
    columns = list(dict.fromkeys(results.written[path].astype("str")))
    low, high = results.limits
    scores = {cell: mean_interval(own, bounds=(low, high)) for cell, own in at.items()}
    changes = dict(_changes(at, columns[0], (low - high, high - low)))
    kept = holding(changes)
    what = f"final {results.metric} of the mean client, as received"
    stars = {cell: difference_text(one) + "*" * (cell in kept) for cell, one in changes.items()}
    heads = [*tails([one for one in results.paths if one != path]), "protocol"]
    ends = tails(results.paths)[results.paths.index(path)]
    return [
        _table(
            f"{results.name}: {what}, by {ends}; {over_text(results)}",
            (heads, columns),
            {cell: score_text(one) for cell, one in scores.items()},
        ),
        _table(
            f"the same minus that at {ends} {columns[0]}, paired by seed; * holds after Holm's "
            f"correction over these {len(changes)}",
            (heads, columns[1:]),
            stars,
        ),
    ]


def _cells(results: Results, path: str) -> dict[Cell, pd.Series]:
    """Of each cell the final scores, by seed."""
    scores = results.scores(metric=results.metric, stage=RECEIVED)
    finals = final(score_curves(scores, results.metric, (RECEIVED,)))[[*RUN, "mean"]]
    written = results.written.set_index("point").astype("str")
    others = [one for one in results.paths if one != path]
    return {
        (
            (*written.loc[str(point), others], str(protocol)),
            str(written.loc[str(point), path]),
        ): own.set_index("seed")["mean"]
        for (point, protocol), own in finals.groupby(["point", "protocol"], observed=True)
    }


def _changes(
    at: Mapping[Cell, pd.Series], first: str, bounds: tuple[float, float]
) -> Iterator[tuple[Cell, Interval]]:
    for (row, column), own in at.items():
        before: Any = at.get((row, first))
        if column != first and before is not None:
            yield (row, column), mean_interval((own - before).dropna(), bounds=bounds)


def _table(caption: str, parts: tuple[list[str], list[str]], cells: Mapping[Cell, str]) -> Table:
    heads, columns = parts
    rows = tuple(
        (*row, *(cells.get((row, column), NONE) for column in columns))
        for row in dict.fromkeys(row for row, _ in cells)
    )
    return Table(caption, (*heads, *columns), rows, len(heads))
