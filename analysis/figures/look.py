"""How figures look: one colour, marker and line style for a protocol, the same in every figure.

The colours can be told apart by the colour-blind, and each comes with a marker and a line style, so
that a figure printed in grey is still readable: Okabe, Ito, "Color Universal Design", 2008,
https://jfly.uni-koeln.de/color/.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import pandas as pd
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from analysis.results import Results

Line = Literal["-", "--", "-.", ":"] | tuple[float, tuple[int, ...]]
Key = Line2D | Patch
"""What a legend consists of."""
Draw = TypeVar("Draw", bound=Callable[..., Figure])


@dataclass(frozen=True)
class Style:
    """What tells one protocol from another."""

    color: str
    marker: str
    line: Line


STYLES = (
    Style("#0072B2", "o", "-"),
    Style("#D55E00", "s", "--"),
    Style("#E69F00", "v", (0, (7, 2))),
    Style("#56B4E9", "P", (0, (1, 1))),
    Style("#CC79A7", "X", (0, (5, 1, 1, 1, 1, 1))),
    Style("#7F7F7F", "*", (0, (3, 3))),
)
"""Of what is compared, in the scenario's order."""
REFERENCE_STYLES = (Style("#000000", "^", ":"), Style("#009E73", "D", "-."))
"""Of what it is measured by."""
GREY = "#666666"
INTERVAL = "95 % interval over seeds"
MEAN_WIDTH, THIN_WIDTH = 1.9, 0.9
BAND_ALPHA = 0.18
WIDTH_IN, DPI = 7.2, 125
"""900 pixels wide, as a README shows it."""
_MOST_COLUMNS = 3
_PANEL_HEIGHT_IN, _ALONE_HEIGHT_IN, _FRAME_IN = 1.95, 3.6, 0.9
_SETTINGS: dict[Any, Any] = {
    "font.size": 9.0,
    "axes.titlesize": 9.0,
    "axes.labelsize": 9.0,
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
    "legend.fontsize": 8.5,
    "figure.titlesize": 10.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E3E3E3",
    "grid.linewidth": 0.7,
    "lines.markersize": 4.5,
    "errorbar.capsize": 3.0,
    "savefig.dpi": DPI,
}


def looked(draw: Draw) -> Draw:
    """Let a function that makes a figure do so in this look; nobody else's settings change."""
    return rc_context(_SETTINGS)(draw)


def lines(results: Results, found: pd.DataFrame) -> Iterator[tuple[str, Style, pd.DataFrame]]:
    """Each protocol that a frame has, with its style and its rows."""
    for name, style in styles(results).items():
        rows = found[found["protocol"] == name]
        if len(rows):
            yield name, style, rows


def styles(results: Results) -> dict[str, Style]:
    """The style of each protocol; it does not depend on which of them a figure shows."""
    compared, measures = itertools.cycle(STYLES), itertools.cycle(REFERENCE_STYLES)
    return {
        name: next(measures if results.about[name].is_reference else compared)
        for name in results.protocols
    }


def draw_band(axis: Axes, x: Any, rows: pd.DataFrame, style: Style) -> None:
    """The interval from `low` to `high`."""
    low, high = rows["low"], rows["high"]
    axis.fill_between(x, low, high, color=style.color, alpha=BAND_ALPHA, linewidth=0)


def panels(
    count: int, *, columns: int = _MOST_COLUMNS, height_in: float | None = None
) -> tuple[Figure, list[Axes]]:
    """A figure of `count` panels with common axes; `height_in` is of each of them."""
    across = min(columns, count)
    if count == 4 and columns == _MOST_COLUMNS:
        across = 2
    down = -(-count // across)
    each_in = height_in or (_ALONE_HEIGHT_IN if down == 1 else _PANEL_HEIGHT_IN)
    figure = Figure(figsize=(WIDTH_IN, each_in * down + _FRAME_IN), layout="constrained")
    axes = list(figure.subplots(down, across, sharex=True, sharey=True, squeeze=False).flat)
    for left_over in axes[count:]:
        left_over.set_visible(False)
    for above in axes[max(0, count - across) : count]:
        above.tick_params(labelbottom=True)
    return figure, axes[:count]


def title(figure: Figure, results: Results, what: str) -> None:
    """Say what is shown, of which scenario, and how many of its runs are missing."""
    lacking = len(results.missing)
    short = f" ({lacking} of {len(results.runs)} runs missing)" if lacking else ""
    figure.suptitle(f"{results.name}: {what}{short}", x=0.01, ha="left")


def key_of(name: str, style: Style, *, marker: bool = True) -> Line2D:
    """A protocol's entry in a legend."""
    return Line2D(
        [], [], color=style.color, linestyle=style.line, linewidth=MEAN_WIDTH,
        marker=style.marker if marker else "", label=name,
    )  # fmt: skip


def keys_of(
    results: Results,
    found: pd.DataFrame,
    *,
    interval: str = INTERVAL,
    bars: bool = False,
    markers: bool = True,
) -> list[Key]:
    """The entries of the protocols that a frame has, and of `interval`s if it has any.

    `bars`: they are drawn as bars, not as bands; `markers`: lines have them.
    """
    shown = lines(results, found)
    keys: list[Key] = [key_of(name, style, marker=markers) for name, style, _ in shown]
    if found["low"].notna().any():
        keys.append(tick_key(interval) if bars else band_key(interval))
    return keys


def band_key(label: str) -> Patch:
    """An interval's entry in a legend."""
    return Patch(color=GREY, alpha=2 * BAND_ALPHA, linewidth=0, label=label)


def tick_key(label: str) -> Line2D:
    """The entry of an upright stroke."""
    return Line2D([], [], color=GREY, linestyle="", marker="|", markersize=11, label=label)


def line_key(
    label: str, *, line: Line = "-", width: float = THIN_WIDTH, marker: str = ""
) -> Line2D:
    """The entry of what all protocols have."""
    return Line2D([], [], color=GREY, linestyle=line, linewidth=width, marker=marker, label=label)


def legend(figure: Figure, keys: Sequence[Key]) -> None:
    """Below the panels, where it can't lie over data."""
    columns = min(len(keys), 4)
    figure.legend(
        handles=list(keys), loc="outside lower center", ncols=columns, frameon=False,
        handlelength=3.2, columnspacing=1.6,
    )  # fmt: skip


def name_outer(axes: Sequence[Axes], x_label: str, y_label: str) -> None:
    """Name the axes where they are shown: at the left and at the bottom."""
    for one in axes:
        place = one.get_subplotspec()
        if place is None or place.is_first_col():
            one.set_ylabel(y_label)
        if one.xaxis.get_tick_params()["labelbottom"]:
            one.set_xlabel(x_label)
