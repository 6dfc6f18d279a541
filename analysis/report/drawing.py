"""What the page's figures consist of, as plain values that its script hands to plotly.js."""

import html
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from analysis.canvas import look
from analysis.results import Results
from sim.record.words import plain_text

Trace = dict[str, Any]
HEIGHT_PX = 420
_DIGITS = 5
SYMBOLS = {
    **{"o": "circle", "s": "square", "^": "triangle-up", "D": "diamond"},
    **{"v": "triangle-down", "P": "cross", "X": "x", "*": "star"},
    **{"<": "triangle-left", ">": "triangle-right", "p": "pentagon"},
    **{"d": "diamond-tall", "h": "hexagon", "8": "octagon"},
}
"""Plotly's names of Matplotlib's markers."""
_DASHES: dict[look.Line, tuple[int, ...]] = {"-": (), "--": (7, 4), ":": (2, 3), "-.": (7, 3, 2, 3)}


@dataclass(frozen=True)
class Switch:
    """A button that shows or hides all that has its name: a line's, or a bar's, and its key."""

    name: str
    color: str
    dashes: str = ""
    """As SVG's stroke-dasharray; empty for a whole line."""
    is_line: bool = True


@dataclass(frozen=True)
class View:
    """One state of a figure, chosen by the `keys` of its selectors, in their order."""

    keys: tuple[str, ...]
    alternative: str
    """What is seen, in a sentence."""
    layout: Mapping[str, Any]
    traces: Sequence[Trace] = ()
    bars: Mapping[str, Any] | None = None
    """Instead of traces, which the page's script makes of it: see `nodes`."""


@dataclass(frozen=True)
class Figure:
    """What is drawn in one place of the page; `name` is the place's."""

    name: str
    title: str
    note: str
    views: tuple[View, ...]
    switches: tuple[Switch, ...]
    selectors: tuple[str, ...] = ()
    """What each of a view's keys is called; a selector with one choice is not shown."""
    windows: tuple[tuple[str, tuple[float, float]], ...] = ()
    """Stretches of the horizontal axis that a button shows: name, and from where to where."""
    height_px: int = HEIGHT_PX

    @property
    def choices(self) -> list[tuple[str, list[str]]]:
        """Each selector with its choices, in the views' order."""
        return [
            (name, list(dict.fromkeys(view.keys[place] for view in self.views)))
            for place, name in enumerate(self.selectors)
        ]


def escaped(text: object) -> str:
    """A text that plotly.js, which reads some tags in texts, shows as it is."""
    return html.escape(plain_text(str(text)), quote=False)


def plain(values: Iterable[float]) -> list[float | None]:
    """Numbers as JSON has them, to five digits; None where there is none."""
    return [float(f"{one:.{_DIGITS}g}") if math.isfinite(one) else None for one in values]


def paler(color: str, strength: float) -> str:
    """A colour on white, as strong as that, from 0 to 1."""
    parts = (int(color[place : place + 2], 16) for place in (1, 3, 5))
    return "#" + "".join(f"{round(255 - strength * (255 - part)):02X}" for part in parts)


def translucent(color: str) -> str:
    """A colour of the look as the filling of a band."""
    red, green, blue = (int(color[place : place + 2], 16) for place in (1, 3, 5))
    return f"rgba({red},{green},{blue},{look.BAND_ALPHA})"


def stroke(style: look.Style, width: float = look.MEAN_WIDTH) -> dict[str, Any]:
    """A protocol's line."""
    dashes = _dashes(style)
    return {
        "color": style.color,
        "width": width,
        "dash": ",".join(f"{part}px" for part in dashes) or "solid",
    }


def marker(style: look.Style) -> dict[str, Any]:
    """A protocol's marker."""
    return {"color": style.color, "symbol": SYMBOLS[style.marker], "size": 7}


def switches(results: Results, found: pd.DataFrame) -> tuple[Switch, ...]:
    """The protocols' buttons, which are the legend as well."""
    return tuple(
        Switch(name, style.color, " ".join(map(str, _dashes(style))))
        for name, style, _ in look.lines(results, found)
    )


def _dashes(style: look.Style) -> tuple[int, ...]:
    return _DASHES[style.line] if isinstance(style.line, str) else style.line[1]


def layout(x_title: str, y_title: str, **more: Any) -> dict[str, Any]:
    """The frame of a figure; `more` are further settings of plotly.js, which win."""
    axis = {"gridcolor": "#E3E3E3", "zeroline": False, "automargin": True, "linecolor": look.GREY}
    return {
        "xaxis": {**axis, "title": {"text": escaped(x_title)}, **more.pop("xaxis", {})},
        "yaxis": {**axis, "title": {"text": escaped(y_title)}, **more.pop("yaxis", {})},
        "font": {"family": "system-ui, sans-serif", "size": 13, "color": "#222222"},
        "margin": {"l": 55, "r": 12, "t": 14, "b": 50},
        "hovermode": "closest",
        "showlegend": False,
        "plot_bgcolor": "#FFFFFF",
        "paper_bgcolor": "#FFFFFF",
        **more,
    }
