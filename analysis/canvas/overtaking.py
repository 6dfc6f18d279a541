"""Where, along one varied number, one protocol overtakes another."""

import math
from collections.abc import Iterator

import pandas as pd
from matplotlib.axes import Axes

from analysis.canvas import look
from analysis.canvas.scale import Scale
from analysis.results import Results
from analysis.statistics import Crossing, crossings, intervals_of
from sim.record.metrics import is_rising

KEY = "overtaking (band: 95 %)"
_SPAN_ALPHA = 0.12


def is_there(results: Results, found: pd.DataFrame) -> bool:
    """Whether the baseline and another protocol that is no reference have finished runs."""
    compared = {name for name, _, _ in look.lines(results, found)}
    others = {name for name in compared if not results.about[name].is_reference}
    return results.baseline in compared and bool(others - {results.baseline})


def overtakings(
    results: Results, found: pd.DataFrame
) -> Iterator[tuple[str, float, tuple[Crossing, ...]]]:
    """Of each protocol that is no reference: its first difference that isn't zero, its crossings.

    `found`: protocol, varied, and the differences to a baseline, sorted by both, of two values or
    more of what is varied.
    """
    for name, _, rows in look.lines(results, found):
        if results.about[name].is_reference or len(rows) < 2:
            continue
        # Between two seeds there is no interval to be held.
        unknown = {"low": math.nan, "high": math.nan} if look.is_pair(rows) else {}
        intervals = intervals_of(rows.assign(**unknown))
        first = next((one.mean for one in intervals if one.mean), 0.0)
        yield name, first, crossings(rows["varied"].tolist(), intervals)


def draw(axis: Axes, results: Results, found: pd.DataFrame, scale: Scale) -> None:
    """An upright line where a protocol overtakes the baseline, in the range where either may.

    No range where that is all of the axis.
    """
    left, right = axis.get_xlim()
    for name, _, places in overtakings(results, found):
        color = look.styles(results)[name].color
        for one in places:
            axis.axvline(one.at * scale.factor, color=color, linewidth=0.9, linestyle=(0, (2, 2)))
            if math.isfinite(one.low) or math.isfinite(one.high):
                low, high = max(one.low * scale.factor, left), min(one.high * scale.factor, right)
                axis.axvspan(low, high, color=color, alpha=_SPAN_ALPHA, linewidth=0)
    axis.set_xlim(left, right)


def keys(results: Results, found: pd.DataFrame) -> list[look.Key]:
    """The legend's entry, if anything is drawn."""
    is_drawn = any(places for _, _, places in overtakings(results, found))
    return [look.line_key(KEY, line=(0, (2, 2)))] if is_drawn else []


def said(
    results: Results, found: pd.DataFrame, baseline: str, metric: str, scale: Scale
) -> Iterator[str]:
    """A sentence for each protocol."""
    for name, first, places in overtakings(results, found):
        is_ahead = (first > 0) == is_rising(metric, results.directions)
        if not places:
            side = "equals" if first == 0 else "is ahead of" if is_ahead else "is behind"
            yield f"{name} {side} {baseline} at equal time at all values"
        elif len(places) == 1:
            turn = "falls behind" if is_ahead else "overtakes"
            yield f"{name} {turn} {baseline} at {_place(places[0], scale)}"
        else:
            where = "; ".join(_place(one, scale) for one in places)
            yield f"{name} and {baseline} change places {len(places)} times: at {where}"


def _place(one: Crossing, scale: Scale) -> str:
    """Where it is, and in which range it may be."""
    unit = f" {scale.unit}" if scale.unit else ""
    at = f"{one.at * scale.factor:.3g}{unit}"
    if math.isnan(one.low):
        return at
    if math.isinf(one.low) and math.isinf(one.high):
        return f"{at}, but the interval holds 0 at all values"
    low = f"{one.low * scale.factor:.3g}" if math.isfinite(one.low) else "below the lowest"
    high = f"{one.high * scale.factor:.3g}" if math.isfinite(one.high) else "above the highest"
    return f"{at} (95 %: {low} to {high})"
