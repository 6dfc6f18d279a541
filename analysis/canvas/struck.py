"""What struck the world, as bars above a panel over virtual time: a lane for each kind of it."""

from collections.abc import Iterator, Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.transforms import ScaledTranslation

from analysis.canvas import look
from analysis.disturbances import KINDS

LANES = {
    "server_down": ("server down", "#222222"),
    "client_down": ("a client down", "#8C564B"),
    "left": ("a client gone", "#6B8E6B"),
    "absent": ("a client not there yet", "#B5CDB5"),
    "storage_lost": ("storage lost", "#E6007E"),
    "partition": ("network in parts", "#7B5EA7"),
    "degraded": ("links slower", "#4F7C82"),
    "slow": ("a client slow", "#B59B00"),
}
"""What each kind is called, and its colour, which no protocol has."""
PALE = " (darker: more)"
"""Of clients and seeds, where what strikes is drawn anew for each seed."""
MOST_LINES = 10
"""More beginnings and ends than these would hide the curves."""
_LANE_PT, _BAR_PT, _FIRST_PT = 6.0, 4.5, 3.5
_LINE_PT, _TITLE_PT, _BLANK_PT = 11.0, 6.0, 10.0
_LEAST_ALPHA = 0.25


def lanes_of(found: pd.DataFrame) -> list[str]:
    """The kinds that are there, the lowest lane first."""
    present = set(found["kind"])
    return [kind for kind in KINDS if kind in present]


def once(found: pd.DataFrame) -> pd.DataFrame:
    """What strikes alike in all seeds as one row, and the rest."""
    fixed = found[found["is_fixed"]].drop_duplicates(["kind", "node", "cause", "start_s"])
    return pd.concat([fixed, found[~found["is_fixed"]]], ignore_index=True)


def alpha_of(found: pd.DataFrame) -> float:
    """How strong a bar of one seed is, so that many at one time look like that of all."""
    return max(_LEAST_ALPHA, 1 / max(1, found["seed"].nunique()))


def edges_s(found: pd.DataFrame) -> list[float]:
    """When what strikes alike in all seeds begins and ends, unless that is too often to be shown.

    A storage is lost at a crash, which is there already; and 0 is where the axis begins.
    """
    fixed = found[found["is_fixed"] & (found["kind"] != "storage_lost")]
    times = sorted({*fixed["start_s"], *fixed["stop_s"].dropna()} - {0.0})
    return times if len(times) <= MOST_LINES else []


def draw(axis: Axes, found: pd.DataFrame, end_s: float, factor: float) -> None:
    """Bars above the panel, and an upright line where what is fixed begins or ends.

    `found`: of one point, see `disturbances`; `end_s`: the run's; `factor`: of the axis to seconds.
    """
    # What other runs met later would squeeze this one's curves.
    found = found[found["start_s"] <= end_s]
    found = found.assign(stop_s=found["stop_s"].clip(upper=end_s))
    for place, kind in enumerate(lanes_of(found)):
        rows = once(found[found["kind"] == kind])
        spans = zip(rows["start_s"] * factor, rows["stop_s"].fillna(end_s) * factor, strict=True)
        figure = axis.get_figure(root=True)
        assert figure is not None
        up = ScaledTranslation(0, (_FIRST_PT + place * _LANE_PT) / 72, figure.dpi_scale_trans)
        alphas = [1.0 if is_fixed else alpha_of(found) for is_fixed in rows["is_fixed"]]
        bars = LineCollection(
            # What takes no time has a width, or it could not be seen.
            [[(start, 1), (max(stop, start + end_s * factor / 400), 1)] for start, stop in spans],
            colors=LANES[kind][1], linewidths=_BAR_PT, alpha=alphas, capstyle="butt",
            transform=axis.get_xaxis_transform() + up, clip_on=False,
        )  # fmt: skip
        axis.add_collection(bars, autolim=False)
    for time_s in edges_s(found):
        axis.axvline(time_s * factor, color=look.GREY, linewidth=0.9, linestyle=(0, (2, 2)))


def put_title(axis: Axes, title: str, found: pd.DataFrame) -> None:
    """Put a panel's title above its bars, which have their room also without one."""
    pad_pt = _TITLE_PT + _LANE_PT * len(lanes_of(found))
    # Without a letter there would be no room at all, and the bars would lie over other texts.
    axis.set_title(title or " ", pad=pad_pt if title else pad_pt - _BLANK_PT)


def above_in(found: pd.DataFrame, titles: Sequence[str]) -> float:
    """The room that bars and titles take above a panel, beyond one title of one line."""
    lines = max(title.count("\n") for title in titles)
    return (_LANE_PT * len(lanes_of(found)) + _LINE_PT * lines) / 72


def keys(found: pd.DataFrame) -> Iterator[look.Key]:
    """The legend's entries."""
    for kind in lanes_of(found):
        is_pale = not found.loc[found["kind"] == kind, "is_fixed"].all()
        yield look.bar_key(LANES[kind][0] + (PALE if is_pale else ""), LANES[kind][1])
