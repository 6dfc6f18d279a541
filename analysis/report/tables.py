"""The page's table: what each protocol came to, at each point, and how sure the seeds make us."""

from __future__ import annotations

from dataclasses import dataclass

from analysis.comparison import POINT_AND_PROTOCOL, SCORES, Arrival, Comparison, Key, is_told
from analysis.figures.scale import path_name
from analysis.results import Results
from analysis.words import NONE, count_text, difference_text, median_text, score_text, share_text
from sim.record.metrics import is_rising
from sim.record.words import bytes_text

_WORK = {
    **{"local_rounds": count_text, "local_rounds_lost": count_text},
    **{"lost_share": share_text, "bytes_received": bytes_text},
}
"""Columns of a comparison's work, and how each is written."""
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


def table(results: Results, found: Comparison) -> Table:
    """A row for each point and protocol that has a finished run."""
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
                _arrival_text(found.arrivals.get(here)),
                *(text(found.means[name][here].mean) for name, text in _WORK.items()),
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
    is_better = (one.mean > 0) == is_rising(results.metric, results.lower_is_better)
    return f"{difference_text(one)} ({'better' if is_better else 'worse'})"


def _arrival_text(arrival: Arrival | None) -> str:
    """The median time to the target, and how many runs got there."""
    if arrival is None:
        return NONE
    return f"{median_text(arrival.median_s)} ({arrival.reached} of {arrival.count})"
