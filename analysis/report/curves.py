"""The page's figures of scores: at the end against what was varied, and over virtual time."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from analysis.canvas import look
from analysis.canvas.choices import curves, means, numeric_paths, stages_of, varying
from analysis.canvas.scale import Scale, path_name, point_name, scale_of, time_scale
from analysis.comparison import score_text
from analysis.disturbances import disturbances
from analysis.figures.convergence import convergence_data
from analysis.metrics import final
from analysis.metrics.common import POINT_AND_PROTOCOL
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
from analysis.report.lanes import lane_layout, lane_switches, lanes, lanes_said
from analysis.results import Results
from analysis.statistics import Interval, intervals_of
from sim.record.rows import FINISHED
from sim.record.words import plain_text

MOST_POINTS = 40
_APART = 0.006
_MARKERS = 8
_PAIR_OPACITY = 0.45
STAGE = "models as"
STAGES_SAID = (
    "A model as received is the newest that came from others, before its client's own training; as "
    "trained, what that training made of it."
)


def at_the_end(results: Results) -> Figure:
    """The mean client's last score against the first number that a sweep varies, else its values.

    A view for each combination of what else is varied, and each stage.
    """
    varied = varying(results) or list(results.paths)
    path = [*(one for one in varied if one in numeric_paths(results)), *varied][0]
    others = [one for one in results.paths if one != path]
    views, all_found = [], []
    for stage in stages_of(results):
        last = final(curves(results, stage=stage))
        found = means(results, last, "mean", None, by=POINT_AND_PROTOCOL)
        found["varied"] = results.with_values(found)[path].array  # whose text has an order
        written = results.with_values(found[["point"]], as_written=True)[others]
        keys = [tuple(map(str, row)) for row in written.itertuples(index=False)]
        for key in dict.fromkeys(keys):
            rows = found[[own == key for own in keys]].sort_values(["protocol", "varied"])
            views.append(_end_view(results, rows, path, (*key, stage)))
        all_found.append(found)
    found = pd.concat(all_found)
    return Figure(
        name="end",
        title=f"{results.metric.capitalize()} after the run, by {path_name(path)}",
        note=f"The mean client's last score; bars are {interval_words(found)}. {STAGES_SAID}",
        views=tuple(views),
        switches=switches(results, found),
        selectors=(*(path_name(other) for other in others), STAGE),
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
        texts = [f"{_score(one)} at {_value(at)}" for one, at in ends]
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
    beside = [f"{path_name(one)} {value}" for one, value in zip(others, key[:-1], strict=True)]
    beside.append(f"models as {key[-1]}")
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
    # One seed has no interval.
    above = (rows["high"] - rows["mean"]).fillna(0.0)
    below = (rows["mean"] - rows["low"]).fillna(0.0)
    return {
        **{
            "type": "scatter",
            "mode": "lines+markers",
            "name": escaped(name),
            "meta": plain_text(name),
        },
        **{"line": stroke(style), "marker": marker(style), "y": plain(rows["mean"])},
        "error_y": {
            **{"type": "data", "symmetric": False, "width": 4, "thickness": 1.2},
            **{"array": plain(above), "arrayminus": plain(below)},
        },
        "text": [escaped(f"{name} {text}") for text in texts],
        "hovertemplate": "%{text}<extra></extra>",
    }


def _score(one: Interval) -> str:
    """A mean with its interval, or with the two seeds that it is of."""
    if one.count == look.PAIR_COUNT:
        return f"{one.mean:.3f} ({one.low:.3f} and {one.high:.3f})"
    return score_text(one)


def _value(one: Any) -> str:
    return f"{one:g}" if isinstance(one, float) else str(one)


def over_time(results: Results) -> Figure:
    """The clients' scores over virtual time; a view a stage and point, of at most `MOST_POINTS`."""
    # Those that have finished runs; a sweep under way may have few.
    known = [str(name) for name in results.points["point"]]
    places = np.linspace(0, len(known) - 1, min(len(known), MOST_POINTS)).round().astype(int)
    chosen = [known[place] for place in places]
    scale = time_scale(results.duration_s)
    runs = results.runs[results.runs["status"] == FINISHED]
    done = [name for name in chosen if (runs["point"] == name).any()]
    struck = {name: disturbances(results, name) for name in done}
    views, all_found = [], []
    for stage in stages_of(results):
        found = convergence_data(results, points=chosen, stage=stage)
        for name in done:
            rows = found[found["point"] == name]
            views.append(_time_view(results, rows, struck[name], scale, (name, stage)))
        all_found.append(found)
    found, all_struck = pd.concat(all_found), pd.concat(struck.values())
    note = f"Thick: the mean client, with {interval_words(found)}; thin: the worst client."
    if not all_struck.empty:
        note += f" Above: what struck nodes and network{_paler(all_struck)}."
    note += f" {STAGES_SAID}"
    if len(chosen) < len(known):
        note += f" {len(chosen)} of {len(known)} points are in this page."
    return Figure(
        name="time",
        title=f"{results.metric.capitalize()} over virtual time",
        note=note,
        views=tuple(views),
        switches=(*switches(results, found), *lane_switches(all_struck)),
        selectors=("point", STAGE),
    )


def _paler(struck: pd.DataFrame) -> str:
    is_random = not struck["is_fixed"].all()
    return "; the darker, the more nodes and seeds at once" if is_random else ""


def interval_words(found: pd.DataFrame) -> str:
    """What its `low` and `high` are."""
    return look.PAIR if look.is_pair(found) else look.INTERVAL


def _time_view(
    results: Results,
    found: pd.DataFrame,
    struck: pd.DataFrame,
    scale: Scale,
    point_and_stage: tuple[str, str],
) -> View:
    point, stage = point_and_stage
    traces: list[Trace] = []
    said = []
    for name, style, rows in look.lines(results, found):
        traces += _time_traces(name, style, rows, scale)
        said.append(f"{name} {_score(intervals_of(rows)[-1])}")
    end_s = float(found["time_s"].max())
    traces += lanes(struck, end_s, scale)
    what = (
        f"Lines of the mean client's {results.metric}, models as {stage}, over "
        f"{results.conditions['duration_s'][point] * scale.factor:g} {scale.unit} of virtual time"
    )
    marked = lanes_said(struck, scale)
    frame = layout(scale.label("virtual time"), results.metric, **lane_layout(struck, scale))
    key = (point_name(results, point) or point, stage)
    return View(key, f"{what}. At the end: {'; '.join(said)}.{marked}", frame, traces)


def _time_traces(name: str, style: look.Style, rows: pd.DataFrame, scale: Scale) -> Iterator[Trace]:
    """The interval as a band, or each of two seeds; the mean client, and the worst."""
    x = rows["cost"] * scale.factor
    common = {"type": "scatter", "name": escaped(name), "meta": plain_text(name)}
    known = rows["low"].notna()
    low, high = rows["low"][known], rows["high"][known]
    if known.any() and look.is_pair(rows):
        for end in (low, high):
            yield {
                **{**common, "mode": "lines", "hoverinfo": "skip", "opacity": _PAIR_OPACITY},
                **{"x": plain(x[known]), "y": plain(end)},
                "line": {"color": style.color, "width": look.THIN_WIDTH},
            }
    elif known.any():
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
            f"{escaped(name)} {_score(one)} at {at:g} {scale.unit}, worst client {worst:.3f}"
            for at, one, worst in zip(x, intervals_of(rows), rows["worst"], strict=True)
        ],
        "hovertemplate": "%{text}<extra></extra>",
    }
    yield {
        **{**common, "mode": "lines", "hoverinfo": "skip"},
        **{"x": plain(x), "y": plain(rows["worst"])},
        "line": stroke(style, look.THIN_WIDTH),
    }
