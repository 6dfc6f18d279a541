"""Numbers as the page writes them, in tables and in sentences alike.

A room of its own because a reader compares a table with what a figure says of itself, and the two
must agree to the last digit.
"""

from __future__ import annotations

import math
from dataclasses import replace

from analysis.figures.scale import size_scale, time_scale
from analysis.statistics import Interval

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


def time_text(seconds: float) -> str:
    """Seconds, minutes or hours."""
    scale = time_scale(seconds)
    return f"{seconds * scale.factor:.4g} {scale.unit}"


def size_text(size_bytes: float) -> str:
    """Bytes, kB, MB or GB."""
    if not math.isfinite(size_bytes):
        return NONE
    scale = size_scale(size_bytes)
    return f"{size_bytes * scale.factor:.3g} {scale.unit}" if size_bytes else "0 B"


def count_text(count: float) -> str:
    """A mean number of things."""
    return f"{count:,.0f}" if math.isfinite(count) else NONE


def share_text(share: float) -> str:
    """A share in per cent."""
    return f"{100 * share:.1f} %" if math.isfinite(share) else NONE
