"""Pictures of slices: which are shown, and that a structure has one colour everywhere."""

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from analysis.figures.segmentation import COLOURS, Column, colour, segmentation, slices_shown
from tests.analysis.figures.looked_at import keys

IMAGES = np.zeros((4, 2, 3), np.float32)
IMAGES[:, 0] = 1.0
LABELS = np.zeros((4, 2, 3), np.uint8)
LABELS[1, 1, 2] = 2
LABELS[2, 1, :2] = 1, 4
NAMES = ("one", "two_halves", "three", "four")


@pytest.mark.parametrize(
    ("there", "rows", "shown"),
    [
        (range(12), 6, [1, 3, 5, 7, 9, 11]),
        (range(3, 9), 2, [4, 7]),
        (range(2, 5), 6, [2, 3, 4]),
        ((1, 10), 6, [1, 10]),
        ((), 3, [2, 6, 10]),
    ],
)
def test_slices_that_hold_something_are_shown_evenly_spaced(
    there: range, rows: int, shown: list[int]
) -> None:
    labels = np.zeros((12, 2, 2), np.uint8)
    labels[list(there), 1, 0] = 3
    assert slices_shown(labels, rows) == shown


def test_a_structure_has_the_colour_of_its_number() -> None:
    assert len(set(COLOURS)) == len(COLOURS) == 18
    assert [colour(number) for number in range(18)] == list(COLOURS)
    assert colour(18) == colour(0)


def test_each_slice_is_a_row_with_the_labels_over_the_image() -> None:
    columns = [Column("image", IMAGES), Column("truth", IMAGES, LABELS)]
    figure = segmentation(columns, NAMES, [1, 2], "two slices")
    drawn = [np.asarray(axes.images[0].get_array()) for axes in figure.axes]
    assert [axes.get_title() for axes in figure.axes] == ["image", "truth", "", ""]
    assert [axes.get_ylabel() for axes in figure.axes] == ["slice 1", "", "slice 2", ""]
    plain = np.array([[[1.0] * 3] * 3, [[0.0] * 3] * 3])
    assert np.array_equal(drawn[0], plain) and np.array_equal(drawn[2], plain)
    for image, pixel, structure in (
        (drawn[1], (1, 2), 1),
        (drawn[3], (1, 0), 0),
        (drawn[3], (1, 1), 3),
    ):
        assert image[pixel] == pytest.approx(0.7 * np.array(to_rgb(colour(structure))))
    assert np.array_equal(drawn[1][1, :2], plain[1, :2])


def test_the_legend_names_the_structures_that_are_seen() -> None:
    columns = [Column("truth", IMAGES, LABELS), Column("none", IMAGES, np.zeros_like(LABELS))]
    assert keys(segmentation(columns, NAMES, [1], "one")) == ["two halves"]
    assert keys(segmentation(columns, NAMES, [1, 2], "both")) == ["one", "two halves", "four"]
    assert keys(segmentation([Column("image", IMAGES)], NAMES, [0], "none")) == []


def test_an_even_image_is_drawn_too() -> None:
    figure = segmentation([Column("image", np.full((1, 2, 2), 5.0))], NAMES, [0], "even")
    assert np.array_equal(np.asarray(figure.axes[0].images[0].get_array()), np.zeros((2, 2, 3)))
