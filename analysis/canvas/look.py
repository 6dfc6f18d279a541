"""How figures look: one colour, marker and line style for a protocol, the same in every figure.

The colours can be told apart by the colour-blind, and each comes with a marker and a line style, so
that a figure printed in grey is still readable: Okabe, Ito, "Color Universal Design", 2008,
https://jfly.uni-koeln.de/color/; from the seventh on of Tol, "Colour Schemes", 2021,
https://personal.sron.nl/~pault/.
"""

import functools
import itertools
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Literal, ParamSpec

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.text import Text

from analysis.canvas.scale import held
from analysis.canvas.several import Several, each, labels
from sim.record.errors import ResultError
from sim.record.points import ProtocolRecord
from sim.record.rows import RECEIVED, TRAINED
from sim.record.words import plain_text

Line = Literal["-", "--", "-.", ":"] | tuple[float, tuple[int, ...]]
Key = Line2D | Patch
"""What a legend consists of."""
P = ParamSpec("P")


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
    Style("#882255", "<", (0, (9, 3))),
    Style("#332288", "p", (0, (6, 1, 1, 1))),
    Style("#999933", ">", (0, (2, 1))),
    Style("#44AA99", "d", (0, (1, 3))),
    Style("#661100", "h", (0, (8, 2, 2, 2))),
    Style("#EE3377", "8", (0, (4, 1, 4, 1, 1, 1))),
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
_LETTER, _KEY = 0.53, 5.6
"""How wide a letter is, about, of its height; what stands before and between a legend's texts."""
_TITLE_LETTER = 0.5184
"""The same of a title, which may reach from edge to edge."""
_LINE = 1.25
"""How far lines of text are apart, of a letter's height."""
_BELOW_IN = 0.4
"""What an axis's numbers and name take of a panel's height."""
_FEW_SEEDS = 6
_MOST_COLUMNS = 3
_SETTINGS: dict[Any, Any] = {
    "text.parse_math": False,  # Names are no formulas.
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E3E3E3",
    "grid.linewidth": 0.7,
    "errorbar.capsize": 3.0,
}


@dataclass(frozen=True)
class Page:
    """What figures are made for: how wide they are, and what else follows from that."""

    width_in: float
    dpi: int
    sizes: Mapping[Any, float]
    """Of letters and markers, in points."""
    heights_in: tuple[float, float]
    """Of a panel in one of several rows, and of one in a single row."""
    frame_in: float
    """What is left for titles and legend; 0: they get what they need."""

    def letters(self, what: str, width: float) -> int:
        """How many letters of that size and width, of their height, there are in a line."""
        return int(self.width_in * 72 / (self.sizes[what] * width))


_PLAIN_IN = 7.2
_NARROWEST_IN, _WIDEST_IN = 5 / 2.54, 60 / 2.54
SCREEN = Page(
    _PLAIN_IN,
    125,
    {
        "font.size": 9.0,
        "axes.titlesize": 9.0,
        "axes.labelsize": 9.0,
        "xtick.labelsize": 8.0,
        "ytick.labelsize": 8.0,
        "legend.fontsize": 8.5,
        "figure.titlesize": 10.0,
        "lines.markersize": 4.5,
    },
    heights_in=(1.95, 3.6),
    frame_in=0.9,
)
"""900 pixels wide, as a README shows it."""
_PRINT_SIZES = {
    "font.size": 8.0,
    "axes.titlesize": 8.0,
    "axes.labelsize": 8.0,
    "xtick.labelsize": 7.0,
    "ytick.labelsize": 7.0,
    "legend.fontsize": 7.5,
    "figure.titlesize": 8.0,
    "lines.markersize": 3.5,
}
"""What journals ask for: 7 to 9 points."""
_page: ContextVar[Page] = ContextVar("page", default=SCREEN)


def page() -> Page:
    """What a figure that is made now is for."""
    return _page.get()


@contextmanager
def printed(width_in: float) -> Iterator[None]:
    """Figures that are made within are that wide, in print: letters of 7 to 8 points, 300 dpi.

    Width in inches: a column of a journal is 3.3 to 3.5, a page 6.7 to 7.2. Raises ResultError
    where letters would not fit, or none would be seen.
    """
    if not _NARROWEST_IN <= width_in <= _WIDEST_IN:
        raise ResultError(f"--width: is {2.54 * width_in:.3g} cm; allowed: 5 cm to 60 cm")
    alone_in = max(2.0, SCREEN.heights_in[1] * width_in / _PLAIN_IN)
    heights_in = (min(1.75, alone_in), alone_in)
    token = _page.set(Page(width_in, 300, _PRINT_SIZES, heights_in, frame_in=0.0))
    try:
        yield
    finally:
        _page.reset(token)


def looked(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Let a function that makes a figure do so in this look; nobody else's settings change."""

    @functools.wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with rc_context({**_SETTINGS, **page().sizes}):
            figure = draw(*args, **kwargs)
        for text in figure.findobj(Text):
            text.set_text(plain_text(text.get_text()))
        return figure

    return drawn


def lines(results: Several, found: pd.DataFrame) -> Iterator[tuple[str, Style, pd.DataFrame]]:
    """Each protocol that a frame has, with its style and its rows."""
    for name, style in styles(results).items():
        rows = found[found["protocol"] == name]
        if len(rows):
            yield name, style, rows


def styles(results: Several) -> dict[str, Style]:
    """The style of each protocol; it does not depend on which of them a figure shows."""
    compared, measures = itertools.cycle(STYLES), itertools.cycle(REFERENCE_STYLES)
    about: dict[str, ProtocolRecord] = {}
    for one in each(results):
        about |= {name: own for name, own in one.about.items() if name not in about}
    return {name: next(measures if one.is_reference else compared) for name, one in about.items()}


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
    """A figure of `count` panels with common axes; `height_in` is of each, `above_in` above it.

    `columns`: of panels at most, of a figure for the screen; a narrow one has fewer.
    """
    made_for = page()
    across = min(max(1, round(columns * made_for.width_in / _PLAIN_IN)), count)
    if count == 4 and across == _MOST_COLUMNS:
        across = 2
    down = -(-count // across)
    each_in = height_in or made_for.heights_in[down == 1]
    size_in = (made_for.width_in, (each_in + above_in) * down + made_for.frame_in)
    figure = Figure(figsize=size_in, dpi=made_for.dpi, layout="constrained")
    axes = list(figure.subplots(down, across, sharex=True, sharey=True, squeeze=False).flat)
    for left_over in axes[count:]:
        left_over.set_visible(False)
    for above in axes[max(0, count - across) : count]:
        above.tick_params(labelbottom=True)
    return figure, axes[:count]


def title(
    figure: Figure,
    results: Several,
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
    those shown, of one folder, whose common values are held fixed. `said`: what the figure shows,
    in sentences.
    """
    several = each(results)
    lacking, runs = sum(len(one.missing) for one in several), sum(len(one.runs) for one in several)
    short = f" ({lacking} of {runs} runs missing)" if lacking else ""
    asked = [seeds_text(one.seeds if seeds is None else seeds) for one in several]
    compared = list(several[0].protocols if among is None else among)
    same = ", the same faults for all protocols" if len(compared) > 1 else ""
    same += " of a panel" if same and len(several) > 1 else ""
    fixed = held(several[0], points) if points is not None else []
    shown = f"{' or '.join(dict.fromkeys(asked))}{same}"
    parts = [*([STAGE_WORDS[stage]] if stage else []), *fixed, shown]
    scored = "".join(dict.fromkeys(one.sample_text for one in several))
    lines = [f"{', '.join(labels(several))}: {what}{scored}{short}", "; ".join(parts), *said]
    most = page().letters("figure.titlesize", _TITLE_LETTER)
    text = "\n".join(textwrap.fill(line, most) for line in lines)
    figure.suptitle(text, x=0.01, ha="left")
    _make_room(figure, "figure.titlesize", text.count("\n") + 1)


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
    results: Several,
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


def mark_key(label: str, marker: str, color: str) -> Line2D:
    """The entry of a mark that no line joins to others."""
    return Line2D([], [], color=color, linestyle="", marker=marker, label=label)


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
    _make_room(figure, "legend.fontsize", -(-len(keys) // _columns(keys)))


def _make_room(figure: Figure, what: str, lines: int) -> None:
    """Let lines of text take nothing from the panels."""
    if not page().frame_in:
        more_in = lines * _LINE * page().sizes[what] / 72
        figure.set_figheight(figure.get_figheight() + more_in)


def _columns(keys: Sequence[Key]) -> int:
    """As many, of four at most, as the figure's width has room for."""
    size_in = page().sizes["legend.fontsize"] / 72
    for count in range(min(len(keys), 4), 1, -1):
        # As Matplotlib deals them to columns.
        longest = [
            max(len(str(keys[place].get_label())) for place in column)
            for column in np.array_split(np.arange(len(keys)), count)
        ]
        if (sum(longest) * _LETTER + count * _KEY) * size_in <= page().width_in:
            return count
    return 1


def name_outer(axes: Sequence[Axes], x_label: str, y_label: str) -> None:
    """Name the axes where they are shown: at the left and at the bottom."""
    for one in axes:
        place = one.get_subplotspec()
        if place is None or place.is_first_col():
            name_height(one, y_label)
        if one.xaxis.get_tick_params()["labelbottom"]:
            one.set_xlabel(x_label)


def name_height(axis: Axes, label: str) -> None:
    """Name the upright axis, in as many lines as a panel's height asks for."""
    place = axis.get_subplotspec()
    is_alone = place is None or place.get_gridspec().nrows == 1
    height_in = page().heights_in[is_alone] - _BELOW_IN
    letters = int(height_in * 72 / (page().sizes["axes.labelsize"] * _LETTER))
    axis.set_ylabel(textwrap.fill(label, letters))
