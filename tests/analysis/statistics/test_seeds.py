"""How many seeds: the fewest whose interval is narrow enough, and not one less."""

import math

import pytest

from analysis.statistics import more_seeds, seeds_needed, student_quantile
from sim.record.errors import ResultError


def half_width(std: float, seeds: int) -> float:
    return student_quantile(seeds - 1, 0.95) * std / math.sqrt(seeds)


@pytest.mark.parametrize("std", [1e-9, 0.01, 0.02, 0.1, 0.5, 3.0])
def test_the_fewest_that_do(std: float) -> None:
    needed = seeds_needed(std, 0.05)
    assert half_width(std, needed) <= 0.05
    assert needed == 2 or half_width(std, needed - 1) > 0.05


def test_numbers_of_a_textbook() -> None:
    # t(17 degrees of freedom) = 2.1098: 2.1098 * 0.1 / sqrt(18) = 0.0497; with 17 it is 0.0514.
    assert seeds_needed(0.1, 0.05) == 18
    assert seeds_needed(0.0, 0.05) == 2


def test_more_than_there_are() -> None:
    # Their standard deviation is 0.1.
    assert more_seeds([0.5, 0.6, 0.7], 0.05) == 18 - 3
    assert more_seeds([0.5, 0.6, 0.7, math.nan], 0.05) == 18 - 3
    assert more_seeds([0.5, 0.6, 0.7], 0.25) == 0
    assert more_seeds([0.5, 0.5], 0.05) == 0
    assert more_seeds([0.5], 0.05) is None and more_seeds([], 0.05) is None


def test_mistakes_are_one_line() -> None:
    for width in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(ResultError, match="half_width: is .*; allowed: a number above zero"):
            seeds_needed(0.1, width)
    with pytest.raises(ResultError, match="std: is nan; allowed: a number of zero or more"):
        seeds_needed(math.nan, 0.1)
