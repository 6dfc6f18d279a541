"""The page's figures of scores: at the end against what was varied, and over virtual time."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from analysis.comparison import score_text
from analysis.figures import look
from analysis.figures.choices import curves, numeric_paths
from analysis.figures.convergence import convergence_data
from analysis.figures.scale import Scale, path_name, point_name, scale_of, time_scale
from analysis.metrics import final
from analysis.report.drawing import (
    Figure,
    Trace,
    View,
    escaped,
    layout,
    marker,
    plain,
    stroke,
    switches,
    translucent,
)
from analysis.results import Results
from analysis.statistics import intervals_of, over_seeds

MOST_POINTS = 40
_APART = 0.006
_MARKERS = 8


def at_the_end(results: Results) -> Figure:
    """The mean client's last score against the first number that a sweep varies, else its values.

    A view for each combination of what else is varied.
    """
    found = over_seeds(final(curves(results)), "mean")
    path = [*numeric_paths(results), *results.paths][0]
    others = [one for one in results.paths if one != path]
    found["varied"] = results.with_values(found)[path].array  # whose text has an order
    written = results.with_values(found[["point"]], as_written=True)[others]
    keys = [tuple(map(str, row)) for row in written.itertuples(index=False)]
    views = []
    for key in dict.fromkeys(keys):
        rows = found[[own == key for own in keys]].sort_values(["protocol", "varied"])
        views.append(_end_view(results, rows, path, key))
    return Figure(
        name="end",
        title=f"{results.metric.capitalize()} after the run, by {path_name(path)}",
        note=f"The mean client's last score; bars are {look.INTERVAL}.",
        views=tuple(views),
        switches=switches(results, found),
        selectors=tuple(path_name(other) for other in others),
    )


def _end_view(results: Results, found: pd.DataFrame, path: str, key: tuple[str, ...]) -> View:
    is_number = path in numeric_paths(results)
    scale = scale_of(results, path) if is_number else Scale(1.0, "")
    shown = list(look.lines(results, found))
    traces: list[Trace] = []
    said = []
    for place, (name, style, rows) in enumerate(shown):
        x: list[Any] = [one * scale.factor if is_number else str(one) for one in rows["varied"]]
        ends = zip(intervals_of(rows), x, strict=True)
        texts = [f"{score_text(one)} at {_value(at)}" for one, at in ends]
        trace = _end_trace(name, style, rows, texts)
        if is_number:
            # A little apart, or equal protocols' bars would hide each other.
            width = scale.factor * float(np.ptp(found["varied"]))
            apart = (place - (len(shown) - 1) / 2) * _APART * width
            traces.append({**trace, "x": plain(one + apart for one in x)})
        else:
            traces.append({**trace, "x": [escaped(one) for one in x]})
        said.append(f"{name} {' and '.join(dict.fromkeys([texts[0], texts[-1]]))}")
    others = [one for one in results.paths if one != path]
    beside = [f"{path_name(one)} {value}" for one, value in zip(others, key, strict=True)]
    label = scale.label(path_name(path))
    head = f"Lines of the mean client's {results.metric} after the run against {label}"
    frame = layout(
        label,
        f"mean client's {results.metric} at the end",
        xaxis={} if is_number else {"type": "category"},
    )
    return View(key, f"{', '.join([head, *beside])}: {'; '.join(said)}.", frame, traces)


def _end_trace(name: str, style: look.Style, rows: pd.DataFrame, texts: Sequence[str]) -> Trace:
    """A protocol's line with its intervals; `texts` are its points' values in words."""
    above = (rows["high"] - rows["mean"]).fillna(0.0)  # One seed has no interval.
    return {
        **{"type": "scatter", "mode": "lines+markers", "name": escaped(name), "meta": name},
        **{"line": stroke(style), "marker": marker(style), "y": plain(rows["mean"])},
        "error_y": {"type": "data", "array": plain(above), "width": 4, "thickness": 1.2},
        "text": [escaped(f"{name} {text}") for text in texts],
        "hovertemplate": "%{text}<extra></extra>",
    }


def _value(one: Any) -> str:
    return f"{one:g}" if isinstance(one, float) else str(one)


def over_time(results: Results) -> Figure:
    """The clients' scores over virtual time, a view a point; at most `MOST_POINTS` of them."""
    # Those that have finished runs; a sweep under way may have few.
    known = [str(name) for name in results.points["point"]]
    places = np.linspace(0, len(known) - 1, min(len(known), MOST_POINTS)).round().astype(int)
    chosen = [known[place] for place in places]
    found = convergence_data(results, points=chosen)
    scale = time_scale(results.duration_s)
    names = [name for name in chosen if (found["point"] == name).any()]
    views = [_time_view(results, found[found["point"] == name], scale, name) for name in names]
    note = "Thick: the mean client, in its 95 % interval over seeds; thin: the worst client."
    if len(chosen) < len(known):
        note += f" {len(chosen)} of {len(known)} points are in this page."
    return Figure(
        name="time",
        title=f"{results.metric.capitalize()} over virtual time",
        note=note,
        views=tuple(views),
        switches=switches(results, found),
        selectors=("point",),
    )


def _time_view(results: Results, found: pd.DataFrame, scale: Scale, point: str) -> View:
    traces: list[Trace] = []
    said = []
    for name, style, rows in look.lines(results, found):
        traces += _time_traces(name, style, rows, scale)
        said.append(f"{name} {score_text(intervals_of(rows)[-1])}")
    end = f"{results.conditions['duration_s'][point] * scale.factor:g} {scale.unit}"
    what = f"Lines of the mean client's {results.metric} over {end} of virtual time"
    crash = float(results.conditions["crash_s"][point]) * scale.factor
    at = f" The crash at {crash:g} {scale.unit} is marked." if crash == crash else ""
    frame = layout(
        scale.label("virtual time"), results.metric, **(_marked(crash) if crash == crash else {})
    )
    key = point_name(results, point) or point
    return View((key,), f"{what}. At the end: {'; '.join(said)}.{at}", frame, traces)


def _time_traces(name: str, style: look.Style, rows: pd.DataFrame, scale: Scale) -> Iterator[Trace]:
    """The interval as a band, the mean client, and the worst."""
    x = rows["cost"] * scale.factor
    common = {"type": "scatter", "name": escaped(name), "meta": name}
    known = rows["low"].notna()
    if known.any():
        low, high = rows["low"][known], rows["high"][known]
        yield {
            **{**common, "mode": "none", "fill": "toself", "hoverinfo": "skip"},
            "fillcolor": translucent(style.color),
            "x": plain([*x[known], *x[known][::-1]]),
            "y": plain([*high, *low[::-1]]),
        }
    yield {
        **{**common, "mode": "lines+markers", "line": stroke(style)},
        **{"x": plain(x), "y": plain(rows["mean"])},
        "marker": {**marker(style), "maxdisplayed": _MARKERS},
        "text": [
            f"{escaped(name)} {score_text(one)} at {at:g} {scale.unit}, worst client {worst:.3f}"
            for at, one, worst in zip(x, intervals_of(rows), rows["worst"], strict=True)
        ],
        "hovertemplate": "%{text}<extra></extra>",
    }
    yield {
        **{**common, "mode": "lines", "hoverinfo": "skip"},
        **{"x": plain(x), "y": plain(rows["worst"])},
        "line": stroke(style, look.THIN_WIDTH),
    }


def _marked(crash: float) -> dict[str, Any]:
    """An upright line where the crash is."""
    line = {"color": look.GREY, "dash": "dot", "width": 1.5}
    place = {"x0": crash, "x1": crash, "y0": 0, "y1": 1, "yref": "paper"}
    text = {"x": crash, "y": 1, "yref": "paper", "text": "crash", "xanchor": "left"}
    return {
        "shapes": [{"type": "line", **place, "line": line}],
        "annotations": [{**text, "showarrow": False, "xshift": 4, "font": {"color": look.GREY}}],
    }
