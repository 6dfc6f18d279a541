"""The page's timeline: when each node trained, sent, received, waited and was down."""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from analysis.canvas.scale import Scale, point_name, time_scale
from analysis.disturbances import Groups, disturbances, together
from analysis.figures.timeline import (
    BARS,
    BEFALLEN,
    DARKER,
    LOST,
    SUSPECTED,
    TOGETHER,
    WRONGLY,
    Bar,
    servers_without_scores,
    shade,
    timeline_data,
)
from analysis.frames import listed
from analysis.metrics.common import nodes_of
from analysis.report.drawing import (
    SYMBOLS,
    Figure,
    Switch,
    View,
    escaped,
    layout,
    paler,
    plain,
)
from analysis.results import Results
from sim.record.errors import ResultError
from sim.record.rows import CLIENT, FINISHED

MOST_BARS = 60_000
MOST_NODES = 40
WINDOW_S = 60.0
"""What is shown before and after a crash, by a button."""
WAITS = Switch("waits", "#EDF1F5", is_line=False)
_DIGITS = 6
_ROW_PX, _FRAME_PX = 26, 90

_SHADES = 4
_LIVES = {"join": "joined", "leave": "left", WRONGLY: "spans of wrong suspicion"}

Run = tuple[str, int]
"""Protocol and seed."""


def timeline(results: Results, point: str | None = None) -> Figure:
    """The nodes of one point's runs; a view for each protocol and seed.

    `point`: the last one with a finished run, if none is named. Raises ResultError if it is no
    point, or has no finished run.
    """
    chosen = _point(results, point)
    scores = results.scores(points=chosen, metric=results.metric)
    nodes = nodes_of(scores)
    scale = time_scale(float(nodes["end_s"].max()))
    kept, spans, left_out = _spans(results, chosen, nodes)
    struck = disturbances(results, chosen)
    groups = [together(struck[struck["seed"] == seed]) for _, seed in kept]
    views = [
        _view(run, nodes, span, group, scale)
        for run, span, group in zip(kept, spans, groups, strict=True)
    ]
    present = {str(state) for span in spans for state in span["state"].unique()}
    shown = [bar for state, bar in BARS.items() if state in present]
    shown += [TOGETHER] if any(groups) else []
    darker = f" {DARKER.capitalize()}." if present & {SUSPECTED, WRONGLY} else ""
    rows = max(len(view.bars["nodes"]) for view in views if view.bars)
    crash_s = float(results.conditions["crash_s"][chosen])
    around = (max(0.0, crash_s - WINDOW_S) * scale.factor, (crash_s + WINDOW_S) * scale.factor)
    at = f" at {point_name(results, chosen)}" if results.paths else ""
    return Figure(
        name="nodes",
        title=f"What the nodes did{at}",
        note="A row a node; pale where it is up and waits. What the run's end cut off is not in "
        f"its trace: it is shown as under way.{darker}{left_out}",
        views=tuple(views),
        switches=(*(Switch(bar.label, _key(bar), is_line=False) for bar in shown), WAITS),
        selectors=("protocol", "seed"),
        windows=(("Around the crash", around),) if math.isfinite(crash_s) else (),
        height_px=_ROW_PX * rows + _FRAME_PX,
    )


def _point(results: Results, point: str | None) -> str:
    finished = results.runs.loc[results.runs["status"] == FINISHED, "point"]
    known = [str(name) for name in finished.unique()]
    if point is None:
        return known[-1]
    if point not in known:
        what = f"--point {point}: has no finished run in {results.folder}"
        raise ResultError(f"{what}; allowed: {listed(known)}")
    return point


def _spans(
    results: Results, point: str, nodes: pd.DataFrame
) -> tuple[list[Run], list[pd.DataFrame], str]:
    """The runs whose spans fit, these spans, and in words what does not."""
    runs = nodes[["protocol", "seed"]].drop_duplicates().sort_values(["seed", "protocol"])
    all_runs = [(str(name), int(seed)) for name, seed in runs.itertuples(index=False)]
    kept: list[Run] = []
    spans: list[pd.DataFrame] = []
    for _, runs_of_seed in itertools.groupby(all_runs, key=lambda run: run[1]):
        found = {run: _shown(results, point, run, nodes) for run in runs_of_seed}
        if kept and sum(map(len, [*spans, *found.values()])) > MOST_BARS:
            break
        kept += found
        spans += found.values()
    most = most_each([len(one) for one in spans], MOST_BARS)
    said = ""
    if len(kept) < len(all_runs):
        said += f" {len(kept)} of {len(all_runs)} runs are in this page."
    if max(map(len, spans)) > most:
        said += f" Of a run with more than {most:,} spans the first are shown."
    if nodes.groupby(["protocol", "seed"], observed=True).size().max() > MOST_NODES:
        said += f" Of more than {MOST_NODES} nodes the first are shown."
    return kept, [one.head(most) for one in spans], said


def most_each(wanted: Sequence[int], most: int) -> int:
    """How much each may have at most, so that all have no more than `most`, and it is used."""
    left, share = most, most
    for place, one in enumerate(sorted(wanted)):
        share = left // (len(wanted) - place)
        if one > share:
            return share
        left -= one
    return max(share, *wanted)


def _shown(results: Results, point: str, run: Run, nodes: pd.DataFrame) -> pd.DataFrame:
    """node, state, start_s, stop_s of a run's nodes that have a row, in order of time."""
    did, _ = timeline_data(results, points=point, protocol=run[0], seed=run[1])
    did = did[did["node"].isin(_names(nodes, run, did))]
    return did.sort_values(["start_s", "stop_s"], kind="stable", ignore_index=True)


def _names(nodes: pd.DataFrame, run: Run, did: pd.DataFrame) -> list[str]:
    """The nodes that have a row, the server first, since it is what a crash is about.

    It has one also where it isn't used, if anything befell it.
    """
    own = nodes.loc[_of(nodes, run), "node"].astype("str").tolist()
    own += servers_without_scores(did, own)
    return sorted(own, key=lambda name: name.startswith(CLIENT))[:MOST_NODES]


def _of(nodes: pd.DataFrame, run: Run) -> pd.Series:
    return (nodes["protocol"] == run[0]) & (nodes["seed"] == run[1])


def _view(run: Run, nodes: pd.DataFrame, spans: pd.DataFrame, groups: Groups, scale: Scale) -> View:
    names = _names(nodes, run, spans)
    end_s = float(nodes.loc[_of(nodes, run), "end_s"].iloc[0])
    places = {name: place for place, name in enumerate(names)}
    decimals = max(0, _DIGITS - math.ceil(math.log10(max(end_s * scale.factor, 1e-9))))
    times = (spans[["start_s", "stop_s"]] * scale.factor).round(decimals)
    placed = spans.assign(
        node=spans["node"].map(places), start=times["start_s"], stop=times["stop_s"]
    )
    states = [
        one
        for state, rows in placed.groupby("state", sort=False)
        for one in _states(str(state), rows)
    ]
    order = {bar.label: place for place, bar in enumerate(BARS.values())}
    states.sort(key=lambda one: order[one["name"]])
    used = {*nodes.loc[_of(nodes, run), "node"], *spans.loc[~spans["state"].isin(BEFALLEN), "node"]}
    unused = {name: " (not used)" for name in names if name not in used}
    labels = [escaped(name.replace("_", " ") + unused.get(name, "")) for name in names]
    end = round(end_s * scale.factor, decimals)
    bars = {"nodes": labels, "end": end, "unit": scale.unit, "states": states}
    bars["ties"] = _ties(groups, places, scale)
    rows_axis = {"tickvals": list(range(len(names))), "ticktext": labels, "fixedrange": True}
    frame = layout(
        scale.label("virtual time"),
        "",
        xaxis={"range": [0, end]},
        yaxis={**rows_axis, "range": [len(names) - 0.4, -0.6], "showgrid": False},
    )
    return View((run[0], str(run[1])), _said(run, names, spans, end, scale.unit), frame, bars=bars)


def _key(bar: Bar) -> str:
    """A colour that is seen on a button, which is white."""
    return bar.edge if bar.color == "#FFFFFF" else bar.color


def _states(state: str, rows: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """The bars of one state, or its marks; of a suspicion those of each shade."""
    bar = BARS[state]
    shades = (rows["amount"] * _SHADES).apply(math.ceil) / _SHADES
    is_shaded = state in (SUSPECTED, WRONGLY)
    for share, own in rows.groupby(shades if is_shaded else 0 * shades):
        yield {
            **{"name": bar.label, "color": paler(bar.color, shade(share) if is_shaded else 1.0)},
            **{"edge": bar.edge, "pattern": bar.hatch[:1]},
            **{"bottom": bar.bottom, "height": bar.height},
            # What is lost on its way took time, which is seen.
            "marker": SYMBOLS[bar.marker] if bar.marker and state != LOST else "",
            **{name: own[name].tolist() for name in ("node", "start", "stop")},
            "told": [_told(state, amount) for amount in own["amount"]],
        }


def _told(state: str, amount: float) -> str:
    """How much of it, where there is more and less."""
    if state in (SUSPECTED, WRONGLY):
        return f" by {100 * amount:.0f} % of the others"
    return f" {amount:.3g} times" if state == "degraded" and amount > 1 else ""


def _ties(groups: Groups, places: Mapping[str, int], scale: Scale) -> dict[str, Any]:
    """Lines between those whom one cause took down at one instant."""
    x: list[float | None] = []
    y: list[int | None] = []
    for time_s, members in groups:
        rows = sorted(places[one] for one in members if one in places)
        x += [*plain([time_s * scale.factor] * len(rows)), None]
        y += [*rows, None]
    return {"name": TOGETHER.label, "color": TOGETHER.color, "x": x, "y": y}


def _said(run: Run, names: Sequence[str], spans: pd.DataFrame, end: float, unit: str) -> str:
    counts = {str(state): len(rows) for state, rows in spans.groupby("state")}
    told = [
        f"{counts.get('train', 0):,} local rounds finished",
        f"{counts.get('train_lost', 0):,} lost",
        f"{counts.get('send', 0):,} models sent",
        f"{counts.get('receive', 0):,} received",
        f"{counts.get(LOST, 0):,} lost on their way",
        f"{counts.get('down', 0):,} outages",
    ]
    down = spans.loc[spans["state"] == "down", "node"].drop_duplicates()
    who = f" of {listed(down.tolist())}" if len(down) else ""
    lives = [f"{counts[kind]:,} {words}" for kind, words in _LIVES.items() if kind in counts]
    moved = f"; {', '.join(lives)}" if lives else ""
    head = f"Timeline of {run[0]}, seed {run[1]}: {len(names)} nodes over {end:g} {unit}"
    return f"{head}; {', '.join(told)}{who}{moved}."
