"""Dice and Hausdorff distances against values worked out by hand and a plain formula."""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest

from models.tasks.segmentation import dice, hd95_mm
from sim.record.errors import Refusal
from tests.models.tasks.cohorts import SPACING_MM, volume

ALL = slice(None)


def test_dice_worked_out_by_hand() -> None:
    truth = volume((1, slice(0, 2), slice(0, 4), slice(0, 4)), (2, ALL, slice(8, 10), slice(0, 8)))
    guess = volume((1, slice(0, 2), slice(0, 4), slice(1, 5)), (2, ALL, slice(8, 10), slice(0, 4)))
    # Structure 1: 2x4x3 voxels in common of 2x4x4 each; 2: half of it found, nothing else.
    assert dice(guess, truth, 3) == pytest.approx([2 * 24 / 64, 2 * 24 / (48 + 24)])


def test_dice_is_the_plain_formula() -> None:
    draws = np.random.Generator(np.random.Philox(5))
    truth, guess = (draws.integers(6, size=(4, 8, 8)).astype(np.uint8) for _ in range(2))
    both = [((truth == c) & (guess == c)).sum() for c in range(1, 6)]
    each = [(truth == c).sum() + (guess == c).sum() for c in range(1, 6)]
    expected = 2 * np.array(both) / np.array(each)
    assert dice(guess, truth, 6) == pytest.approx(expected, rel=1e-6)


def test_a_structure_that_the_truth_lacks_has_no_value() -> None:
    truth, guess = volume((1, ALL, ALL, slice(0, 2))), volume((2, ALL, ALL, slice(0, 2)))
    assert dice(guess, truth, 3) == pytest.approx([0.0, math.nan], nan_ok=True)
    assert np.isnan(hd95_mm(guess, truth, 3, SPACING_MM)[1])


@pytest.mark.parametrize(("axis", "mm"), list(enumerate(SPACING_MM)))
def test_a_shift_is_as_far_as_its_millimetres(axis: int, mm: float) -> None:
    truth, guess = np.zeros((2, 12, 12, 12), np.uint8)
    truth[2:5, 2:5, 2:5] = 1
    guess[...] = np.roll(truth, 2, axis)
    assert hd95_mm(truth, truth, 2, SPACING_MM).tolist() == [0.0]
    assert hd95_mm(guess, truth, 2, SPACING_MM) == pytest.approx([2 * mm])


def test_a_structure_that_was_missed_is_a_diagonal_away() -> None:
    truth, guess = volume((1, ALL, ALL, slice(0, 2))), volume()
    diagonal = math.sqrt((2 * 4.0) ** 2 + (15 * 2.0) ** 2 + (15 * 1.0) ** 2)
    assert hd95_mm(guess, truth, 2, SPACING_MM) == pytest.approx([diagonal])
    assert dice(guess, truth, 2).tolist() == [0.0]


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "monai.metrics", None)
    with pytest.raises(Refusal, match=r"segmentation needs the extra `brains`; allowed: pip"):
        dice(volume(), volume(), 2)
