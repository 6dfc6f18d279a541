"""Numbers in words: rounded once, and a dash where there is none."""

import math

import pytest

from analysis.comparison import count_text, difference_text, score_text, share_text
from analysis.statistics import Interval

NOTHING = Interval(math.nan, math.nan, math.nan, math.nan, 0, 1)
ONE = Interval(0.5, math.nan, math.nan, math.nan, 1, 0)
SURE = Interval(-0.12345, -0.2, -0.0469, 0.1, 5, 0)


def test_scores_and_differences() -> None:
    assert [score_text(one) for one in (NOTHING, ONE, SURE)] == ["–", "0.500", "-0.123 ±0.077"]
    assert [difference_text(one) for one in (NOTHING, ONE, SURE)] == [
        "–",
        "+0.500",
        "−0.123 ±0.077",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (count_text(1356.3), "1,356"),
        (count_text(math.nan), "–"),
        (share_text(0.0123), "1.2 %"),
        (share_text(math.nan), "–"),
    ],
)
def test_quantities(text: str, expected: str) -> None:
    assert text == expected
