"""Scores, medians, counts and shares as tables, figures and sentences write them."""

from __future__ import annotations

import math
from dataclasses import replace

from analysis.statistics import Interval
from sim.record.words import time_text

NONE = "–"
"""Where there is no number."""


def score_text(score: Interval) -> str:
    """A mean with its interval; without it, where there is none."""
    if not math.isfinite(score.mean):
        return NONE
    if not math.isfinite(score.low):
        return f"{score.mean:.3f}"
    return f"{score.mean:.3f} ±{(score.high - score.low) / 2:.3f}"


def difference_text(difference: Interval) -> str:
    """The same with its sign."""
    text = score_text(replace(difference, mean=abs(difference.mean)))
    return text if text == NONE else f"{'−' if difference.mean < 0 else '+'}{text}"


def median_text(median_s: float) -> str:
    """A median time to a target, NaN where fewer than half of the runs got there."""
    return time_text(median_s) if math.isfinite(median_s) else "not reached"


def count_text(count: float) -> str:
    """A mean number of things."""
    return f"{count:,.0f}" if math.isfinite(count) else NONE


def share_text(share: float) -> str:
    """A share in per cent."""
    return f"{100 * share:.1f} %" if math.isfinite(share) else NONE
