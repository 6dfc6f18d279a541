"""What struck the world, as bars above a figure over virtual time: a lane for each kind of it."""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from analysis.canvas import look
from analysis.canvas.scale import Scale
from analysis.canvas.struck import LANES, alpha_of, edges_s, lanes_of, once
from analysis.report.drawing import Switch, Trace, escaped, plain

MOST_BARS = 400
"""Of one kind in one view; of more, some are drawn."""
_LANE, _GAP = 0.035, 0.015
_WIDTH_PX = 6


def lanes(struck: pd.DataFrame, end_s: float, scale: Scale) -> Iterator[Trace]:
    """The bars, strong where they are the same in all seeds; `struck`: see `disturbances`."""
    for place, kind in enumerate(lanes_of(struck)):
        label, color = LANES[kind]
        rows = once(struck[struck["kind"] == kind])
        for is_fixed, opacity in ((True, 1.0), (False, alpha_of(struck))):
            own = rows[rows["is_fixed"] == is_fixed]
            own = own.iloc[:: -(-len(own) // MOST_BARS) or 1]
            if own.empty:
                continue
            starts = own["start_s"] * scale.factor
            stops = own["stop_s"].fillna(end_s) * scale.factor
            spans = list(zip(starts, stops, strict=True))
            whose = ["" if is_fixed else f", seed {seed}" for seed in own["seed"]]
            nodes = own["node"].fillna("network")
            texts = [
                f"{escaped(str(node).replace('_', ' '))}: {label}, {start:.4g} to {stop:.4g}"
                f" {scale.unit}{seed}"
                for node, (start, stop), seed in zip(nodes, spans, whose, strict=True)
            ]
            x = [one for start, stop in spans for one in (*plain((start, stop)), None)]
            yield {
                **{"type": "scatter", "mode": "lines", "name": label, "meta": label},
                **{"x": x, "y": [place, place, None] * len(own), "yaxis": "y2"},
                "line": {"color": color, "width": _WIDTH_PX},
                "opacity": opacity,
                "text": [text for text in texts for _ in range(3)],
                "hovertemplate": "%{text}<extra></extra>",
            }


def lane_switches(struck: pd.DataFrame) -> tuple[Switch, ...]:
    """The buttons, which are the legend as well."""
    return tuple(Switch(*LANES[kind], is_line=False) for kind in lanes_of(struck))


def lane_layout(struck: pd.DataFrame, scale: Scale) -> dict[str, Any]:
    """Room for the lanes, and an upright line where what is fixed begins or ends."""
    count = len(lanes_of(struck))
    if not count:
        return {}
    bottom = 1 - count * _LANE
    line = {"color": look.GREY, "dash": "dot", "width": 1.2}
    shapes = [
        {"type": "line", "x0": at, "x1": at, "y0": 0, "y1": 1, "yref": "paper", "line": line}
        for at in plain(time_s * scale.factor for time_s in edges_s(struck))
    ]
    second = {"domain": [bottom, 1], "range": [-0.5, count - 0.5], "visible": False}
    return {
        "yaxis": {"domain": [0, bottom - _GAP]},
        "yaxis2": {**second, "fixedrange": True},
        "shapes": shapes,
    }


def lanes_said(struck: pd.DataFrame, scale: Scale) -> str:
    """The same in words."""
    parts = []
    for kind in lanes_of(struck):
        rows = once(struck[struck["kind"] == kind])
        fixed, others = rows[rows["is_fixed"]], int((~rows["is_fixed"]).sum())
        times = [f"{one * scale.factor:g} {scale.unit}" for one in sorted(set(fixed["start_s"]))]
        often = [f"{others} times in all seeds"] if others else []
        at = [f"from {', '.join(times)}"] if times else []
        parts.append(f"{LANES[kind][0]} {' and '.join([*at, *often])}")
    return f" Marked: {'; '.join(parts)}." if parts else ""
