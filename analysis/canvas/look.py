"""How figures look: one colour, marker and line style for a protocol, the same in every figure.

The colours can be told apart by the colour-blind, and each comes with a marker and a line style, so
that a figure printed in grey is still readable: Okabe, Ito, "Color Universal Design", 2008,
https://jfly.uni-koeln.de/color/.
"""

import itertools
import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import pandas as pd
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from analysis.canvas.scale import held
from analysis.results import Results
from sim.record.rows import RECEIVED, TRAINED

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
BOTH = "both"
"""Not a stage of a model, but the wish to see either."""
STAGE_WORDS = {
    RECEIVED: "models as received, before own training",
    TRAINED: "models as trained, after own training",
    BOTH: "models as received (thick) and as trained (thin)",
}
PAIR = "each of the two seeds"
PAIR_COUNT = 2
"""So many seeds have an interval that says next to nothing."""
MEAN_WIDTH, THIN_WIDTH = 1.9, 0.9
BAND_ALPHA = 0.18
_PAIR_ALPHA = 0.45
WIDTH_IN, DPI = 7.2, 125
"""900 pixels wide, as a README shows it."""
_LETTER_IN, _KEY_IN = 0.065, 0.75
"""How wide a letter of a legend is, about, and what stands before and between its texts."""
_TITLE_LETTERS = 100
_FEW_SEEDS = 6
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
    """The interval from `low` to `high`; of two seeds, between which nothing is known, its ends."""
    low, high = rows["low"], rows["high"]
    if is_pair(rows):
        for end in (low, high):
            axis.plot(x, end, color=style.color, linewidth=THIN_WIDTH, alpha=_PAIR_ALPHA)
        return
    axis.fill_between(x, low, high, color=style.color, alpha=BAND_ALPHA, linewidth=0)


def is_pair(found: pd.DataFrame) -> bool:
    """Whether `low` and `high` are those of two seeds, whose interval would say next to nothing."""
    return bool(found["count"].max() == PAIR_COUNT)


def panels(
    count: int,
    *,
    columns: int = _MOST_COLUMNS,
    height_in: float | None = None,
    above_in: float = 0.0,
) -> tuple[Figure, list[Axes]]:
    """A figure of `count` panels with common axes; `height_in` is of each, `above_in` above it."""
    across = min(columns, count)
    if count == 4 and columns == _MOST_COLUMNS:
        across = 2
    down = -(-count // across)
    each_in = height_in or (_ALONE_HEIGHT_IN if down == 1 else _PANEL_HEIGHT_IN)
    height = (each_in + above_in) * down + _FRAME_IN
    figure = Figure(figsize=(WIDTH_IN, height), layout="constrained")
    axes = list(figure.subplots(down, across, sharex=True, sharey=True, squeeze=False).flat)
    for left_over in axes[count:]:
        left_over.set_visible(False)
    for above in axes[max(0, count - across) : count]:
        above.tick_params(labelbottom=True)
    return figure, axes[:count]


def title(
    figure: Figure,
    results: Results,
    what: str,
    *,
    stage: str | None = None,
    seeds: Sequence[int] | None = None,
    among: Iterable[str] | None = None,
    points: Sequence[str] | None = None,
    said: Iterable[str] = (),
) -> None:
    """Say what is shown, of which scenario and stage, what is held fixed, and what is missing.

    `stage`: of the clients' models; None where none are scored. `seeds`: those shown, all if none
    are named. `among`: the protocols that met the same faults, all unless some are named. `points`:
    those shown, whose common values are held fixed. `said`: what the figure shows, in sentences.
    """
    lacking = len(results.missing)
    short = f" ({lacking} of {len(results.runs)} runs missing)" if lacking else ""
    shown = results.seeds if seeds is None else seeds
    compared = list(results.protocols if among is None else among)
    same = ", the same faults for all protocols" if len(compared) > 1 else ""
    fixed = held(results, points) if points is not None else []
    parts = [*([STAGE_WORDS[stage]] if stage else []), *fixed, f"{seeds_text(shown)}{same}"]
    lines = [f"{results.name}: {what}{short}", "; ".join(parts), *said]
    text = "\n".join(textwrap.fill(line, _TITLE_LETTERS) for line in lines)
    figure.suptitle(text, x=0.01, ha="left")


def seeds_text(seeds: Sequence[int]) -> str:
    """Which seeds: by number, if that is short."""
    if len(seeds) == 1:
        return f"seed {seeds[0]}"
    is_row = list(seeds) == list(range(seeds[0], seeds[0] + len(seeds)))
    if is_row and len(seeds) > PAIR_COUNT:
        return f"seeds {seeds[0]} to {seeds[-1]}"
    return (
        f"seeds {', '.join(map(str, seeds))}" if len(seeds) <= _FEW_SEEDS else f"{len(seeds)} seeds"
    )


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
        keys.append(interval_key(found, interval, bars=bars))
    return keys


def interval_key(found: pd.DataFrame, interval: str = INTERVAL, *, bars: bool = False) -> Key:
    """The entry of what `low` and `high` are, `interval`s unless there are but two seeds."""
    is_two = "count" in found and is_pair(found)
    if bars:
        return tick_key(PAIR if is_two else interval)
    return line_key(f"{PAIR} (pale)") if is_two else band_key(interval)


def band_key(label: str) -> Patch:
    """An interval's entry in a legend."""
    return Patch(color=GREY, alpha=2 * BAND_ALPHA, linewidth=0, label=label)


def bar_key(label: str, color: str) -> Patch:
    """The entry of a bar of one colour."""
    return Patch(color=color, linewidth=0, label=label)


def tick_key(label: str) -> Line2D:
    """The entry of an upright stroke."""
    return Line2D([], [], color=GREY, linestyle="", marker="|", markersize=11, label=label)


def line_key(
    label: str,
    *,
    line: Line = "-",
    width: float = THIN_WIDTH,
    marker: str = "",
    color: str = GREY,
) -> Line2D:
    """The entry of what all protocols have."""
    return Line2D([], [], color=color, linestyle=line, linewidth=width, marker=marker, label=label)


def legend(figure: Figure, keys: Sequence[Key]) -> None:
    """Below the panels, where it can't lie over data."""
    figure.legend(
        handles=list(keys), loc="outside lower center", ncols=_columns(keys), frameon=False,
        handlelength=3.2, columnspacing=1.6,
    )  # fmt: skip


def _columns(keys: Sequence[Key]) -> int:
    """As many, of four at most, as the figure's width has room for."""
    for count in range(min(len(keys), 4), 1, -1):
        each = -(-len(keys) // count)
        columns = [keys[start : start + each] for start in range(0, len(keys), each)]
        longest = [max(len(str(key.get_label())) for key in column) for column in columns]
        if sum(longest) * _LETTER_IN + count * _KEY_IN <= WIDTH_IN:
            return count
    return 1


def name_outer(axes: Sequence[Axes], x_label: str, y_label: str) -> None:
    """Name the axes where they are shown: at the left and at the bottom."""
    for one in axes:
        place = one.get_subplotspec()
        if place is None or place.is_first_col():
            one.set_ylabel(y_label)
        if one.xaxis.get_tick_params()["labelbottom"]:
            one.set_xlabel(x_label)
