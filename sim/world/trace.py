"""The append-only record of what happened in one run; tables and pictures derive from it."""

from collections import Counter

from sim.record.rows import TraceRow


class Trace:
    """Rows in the order in which they ended, and how many there are of each kind."""

    def __init__(self, protocol: str, seed: int) -> None:
        self._run = (protocol, seed)
        self.rows: list[TraceRow] = []
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
        self.rows.append(TraceRow._make(self._run + start + told))
        self.counts[kind] += 1
