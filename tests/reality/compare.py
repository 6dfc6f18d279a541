"""How far a prediction is from what happened, both as rows of a trace in the order of their ends.

Times are compared, not instants: a world whose clock has drifted by a second isn't wrong a second
time at each of its later events.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from sim.record.rows import TraceRow, is_server

Floats = npt.NDArray[np.float64]
Rows = Sequence[TraceRow]
Key = tuple[str, str, int]
Times = Mapping[Key, float]
Peers = frozenset[str]


@dataclass(frozen=True)
class Merges:
    """What became of the merges that both sides have.

    `real`, `predicted`: how many there were; `both`: how many are on both sides, as a node's k-th;
    `in_order`: of these, the most that come in the same order; `alike`: in how many the same took
    part. `pairs`: of two of them; `pairs_in_order`: those that come in the same order.
    """

    real: int
    predicted: int
    both: int
    in_order: int
    alike: int
    pairs: int
    pairs_in_order: int

    def __add__(self, other: "Merges") -> "Merges":
        ours, theirs = astuple(self), astuple(other)
        return Merges(*(one + another for one, another in zip(ours, theirs, strict=True)))


NO_MERGES = Merges(0, 0, 0, 0, 0, 0, 0)


@dataclass(frozen=True)
class Comparison:
    """One real run beside one prediction of it.

    `transfers`, `rounds` [n]: relative errors, (predicted - real) / real; `rounds_s` [n]: how long
    the same rounds took in reality. `detections_s` [n]: predicted - real. `undetected`: crashes and
    cuts of which an observer learned on one side alone. `wrong`: suspicions, in reality and as
    predicted, that no crash and no cut explains.
    """

    transfers: Floats
    rounds: Floats
    rounds_s: Floats
    detections_s: Floats
    undetected: int
    wrong: tuple[int, int]
    merges: Merges


def compared(real: Rows, predicted: Rows) -> Comparison:
    """All that is compared of one run."""
    found, expected = detections(real), detections(predicted)
    took_s, to_take_s = rounds(real), rounds(predicted)
    delays_s = np.array([expected[key] - found[key] for key in found if key in expected])
    return Comparison(
        _relative(transfers(real), transfers(predicted)),
        _relative(took_s, to_take_s),
        np.array([seconds for key, seconds in took_s.items() if key in to_take_s]),
        delays_s,
        len(found.keys() ^ expected.keys()),
        (_suspicions(real) - len(found), _suspicions(predicted) - len(expected)),
        merged(real, predicted),
    )


def together(parts: Sequence[Comparison]) -> Comparison:
    """Several runs' as one."""
    return Comparison(
        np.concatenate([part.transfers for part in parts]),
        np.concatenate([part.rounds for part in parts]),
        np.concatenate([part.rounds_s for part in parts]),
        np.concatenate([part.detections_s for part in parts]),
        sum(part.undetected for part in parts),
        (sum(part.wrong[0] for part in parts), sum(part.wrong[1] for part in parts)),
        sum((part.merges for part in parts), NO_MERGES),
    )


def transfers(rows: Rows) -> Times:
    """How long the k-th model took that came whole from one node to another, in seconds."""
    models = (row for row in rows if row.kind == "transfer")
    return {key: row.duration_s for key, row in _numbered((r.node, r.peer, r) for r in models)}


def rounds(rows: Rows) -> Times:
    """How long rounds took, end to end, in seconds.

    A client's k-th: from the end of its last finished local round, or the start, to the end of this
    one, whatever it waited for. A server's k-th that didn't fail: from its opening to the average.
    """
    found: dict[Key, float] = {}
    ended_s: dict[str, float] = defaultdict(float)
    trained = ((row.node, "train", row) for row in rows if row.kind == "train")
    for key, row in _numbered(trained):
        found[key] = row.time_s + row.duration_s - ended_s[row.node]
        ended_s[row.node] += found[key]
    served = ((row.node, "round", row) for row in rows if row.kind == "round")
    return found | {key: row.duration_s for key, row in _numbered(served)}


def detections(rows: Rows) -> Times:
    """How long after a crash or a cut an observer suspected a peer, in seconds.

    By observer, peer and the number of the fault. Only the first suspicion after each counts, of
    who has crashed, or, after a cut, of anybody.
    """
    faults = [row for row in rows if row.kind in ("crash", "partition")]
    found: dict[Key, float] = {}
    for row in rows:
        before = [n for n, fault in enumerate(faults) if fault.time_s <= row.time_s]
        if row.kind != "suspect" or not before:
            continue
        fault = faults[before[-1]]
        if fault.kind == "partition" or fault.node == row.peer:
            found.setdefault((row.node, row.peer, before[-1]), row.time_s - fault.time_s)
    return found


def merged(real: Rows, predicted: Rows) -> Merges:
    """The order of merges, and who was in them.

    A server's average of a round is one, too; of it the number of updates is known alone. The same
    order: the longest sequence of merges that both sides have, not necessarily one right after the
    other.
    """
    ours, theirs = _merges(real), _merges(predicted)
    both = [key for key in ours if key in theirs]
    place = {key: number for number, key in enumerate(theirs)}
    order = [place[key] for key in both]
    alike = sum(ours[key] == theirs[key] for key in both)
    pairs = [one < other for one, other in combinations(order, 2)]
    in_order = _longest_rise(order)
    return Merges(len(ours), len(theirs), len(both), in_order, alike, len(pairs), sum(pairs))


def _merges(rows: Rows) -> dict[Key, Peers]:
    """Who took part in each node's k-th merge, in the order in which they ended."""
    made = [
        (row.node, row.kind, row)
        for row in rows
        if row.kind == "merge" or (row.kind == "round" and is_server(row.node))
    ]
    return {key: frozenset(row.peers or (str(row.updates),)) for key, row in _numbered(made)}


def _suspicions(rows: Rows) -> int:
    return sum(row.kind == "suspect" for row in rows)


def _numbered(rows: Iterable[tuple[str, str, TraceRow]]) -> list[tuple[Key, TraceRow]]:
    """Each with the number that it has among those of the same two names, from 0."""
    counts: Counter[tuple[str, str]] = Counter()
    found = []
    for first, second, row in rows:
        found.append(((first, second, counts[first, second]), row))
        counts[first, second] += 1
    return found


def _relative(real: Times, predicted: Times) -> Floats:
    return np.array([predicted[key] / real[key] - 1 for key in real if key in predicted])


def _longest_rise(numbers: Sequence[int]) -> int:
    """The length of the longest rising part of `numbers`, gaps allowed; no two are equal.

    Of two orders of the same things that is their longest common subsequence (Fredman 1975).
    """
    ends: list[int] = []
    for number in numbers:
        place = int(np.searchsorted(ends, number))
        ends[place : place + 1] = [number]
    return len(ends)
