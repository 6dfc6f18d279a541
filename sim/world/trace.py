"""The append-only record of what happened in one run; tables and pictures derive from it."""

from collections import Counter
from typing import NamedTuple


class TraceEvent(NamedTuple):
    """One thing that happened in a run: the columns of TraceRow behind protocol and seed."""

    time_s: float
    duration_s: float
    node: str
    kind: str
    peer: str
    bytes: int
    round: int | None
    attempt: int | None
    cause: str | None
    peers: tuple[str, ...] | None
    asked: int | None
    answered: int | None
    updates: int | None
    factor: float | None


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
        round: int | None = None,
        attempt: int | None = None,
        cause: str | None = None,
        peers: tuple[str, ...] | None = None,
        asked: int | None = None,
        answered: int | None = None,
        updates: int | None = None,
        factor: float | None = None,
    ) -> None:
        """Append one row; `time_s` and `duration_s` in virtual seconds."""
        start = (time_s, duration_s, node, kind, peer, size_bytes)
        told = (round, attempt, cause, peers, asked, answered, updates, factor)
        self.rows.append(TraceEvent._make(start + told))
        self.counts[kind] += 1
