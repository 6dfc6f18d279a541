"""Slices with the structures in them, side by side: what was seen, what is true, what was said.

It knows arrays and names only, so that it draws a result as well as subjects that were generated.
A structure has the colour of its number, in every picture. The colours are those of Paul Tol's
discrete rainbow for 18 values, which the colour-blind can tell apart; in steps of seven, so that
structures that follow each other, which often touch, don't look alike.

P. Tol, "Colour schemes", SRON/EPS/TN/09-002, 2021, https://personal.sron.nl/~pault/.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from analysis.canvas import look

_RAINBOW = (
    *("#D1BBD7", "#BA8DB4", "#AA6F9E", "#994F88", "#882E72", "#1965B0", "#5289C7", "#7BAFDE"),
    *("#4EB265", "#90C987", "#CAE0AB", "#F7F056", "#F6C141", "#F1932D", "#E8601C", "#DC050C"),
    *("#A5170E", "#72190E"),
)
_STEP = 7
COLOURS = tuple(_RAINBOW[_STEP * number % len(_RAINBOW)] for number in range(len(_RAINBOW)))
"""Of the first structure, the second, and so on; from the nineteenth on they come again."""
ROWS = 6
_OPACITY = 0.7
_GREYS = (0.5, 99.5)
_TINY = 1e-9
_ROW_IN, _LEGEND_IN, _HEAD_IN = 1.5, 2.1, 0.6


@dataclass(frozen=True)
class Column:
    """One kind of picture of the same slices.

    `images` [slices, height, width], drawn in grey from their 0.5th to their 99.5th percentile, the
    first row at the top; `labels` of the same shape, 0 for background, else 1 + the number of the
    structure; None for the image alone.
    """

    heading: str
    images: npt.NDArray[np.floating[Any]]
    labels: npt.NDArray[np.uint8] | None = None


def colour(structure: int) -> str:
    """The colour of a structure by its number, from 0."""
    return COLOURS[structure % len(COLOURS)]


def slices_shown(labels: npt.NDArray[np.uint8], rows: int = ROWS) -> list[int]:
    """At most `rows` slices [slices, height, width] that hold a structure, evenly spaced.

    Neither the first nor the last of them, where there is little to see, unless all are shown.
    """
    there = np.flatnonzero(labels.any(axis=(1, 2)))
    if len(there) == 0:
        there = np.arange(len(labels))
    if len(there) <= rows:
        return [int(one) for one in there]
    middles = (np.arange(rows) + 0.5) * len(there) / rows
    return [int(one) for one in there[middles.astype(np.intp)]]


@look.looked
def segmentation(
    columns: Sequence[Column], structures: Sequence[str], slices: Sequence[int], title: str
) -> Figure:
    """One row per slice, one column per `Column`; a legend of the structures that are seen."""
    width_in = _ROW_IN * len(columns) + _LEGEND_IN
    height_in = _ROW_IN * len(slices) + _HEAD_IN
    figure = Figure(figsize=(width_in, height_in), dpi=look.page().dpi, layout="constrained")
    grid = figure.subplots(len(slices), len(columns), squeeze=False)
    for axes, number in zip(grid, slices, strict=True):
        for one, column in zip(axes, columns, strict=True):
            _draw(one, column, number)
        axes[0].set_ylabel(f"slice {number}")
    for one, column in zip(grid[0], columns, strict=True):
        one.set_title(column.heading)
    figure.suptitle(title, x=0.01, ha="left")
    keys = [
        Patch(color=colour(number), label=structures[number].replace("_", " "))
        for number in _seen(columns, slices)
    ]
    if keys:
        figure.legend(handles=keys, loc="outside right upper", frameon=False)
    return figure


def _draw(axes: Axes, column: Column, number: int) -> None:
    dark, bright = np.percentile(column.images, _GREYS)
    image = (column.images[number] - dark) / max(bright - dark, _TINY)
    grey = np.repeat(np.clip(image, 0, 1)[..., None], 3, axis=2)
    if column.labels is not None:
        labels = column.labels[number]
        for label in np.unique(labels[labels > 0]):
            shade = np.array(to_rgb(colour(int(label) - 1)))
            inside = labels == label
            grey[inside] = (1 - _OPACITY) * grey[inside] + _OPACITY * shade
    axes.imshow(grey, interpolation="nearest")
    axes.set(xticks=[], yticks=[])
    axes.grid(False)
    axes.spines[:].set_visible(False)


def _seen(columns: Sequence[Column], slices: Sequence[int]) -> list[int]:
    """The structures in these slices, by number."""
    labels = [column.labels[list(slices)] for column in columns if column.labels is not None]
    found = {int(label) for one in labels for label in np.unique(one)}
    return sorted(label - 1 for label in found if label > 0)
