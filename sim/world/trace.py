"""The append-only record of what happened in one run; tables and pictures derive from it."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple


class TraceEvent(NamedTuple):
    """One thing that happened: `time_s` is its start, `duration_s` how long it took."""

    time_s: float
    duration_s: float
    node: str
    kind: str
    peer: str
    bytes: int
    detail: str


class Trace:
    """Rows in the order in which they ended, and how many there are of each kind."""

    def __init__(self) -> None:
        self.rows: list[TraceEvent] = []
        self.counts: Counter[str] = Counter()

    def record(
        self,
        time_s: float,
        node: str,
        kind: str,
        *,
        duration_s: float = 0.0,
        peer: str = "",
        size_bytes: int = 0,
        detail: str = "",
    ) -> None:
        """Append one row; `time_s` and `duration_s` in virtual seconds."""
        self.rows.append(TraceEvent(time_s, duration_s, node, kind, peer, size_bytes, detail))
        self.counts[kind] += 1
