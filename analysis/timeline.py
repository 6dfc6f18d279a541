"""What a timeline consists of: tracks of slices and marks, arrows between slices, and curves.

Times are integer microseconds of virtual time.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

Args = Mapping[str, str | int | float]


@dataclass(frozen=True)
class Slice:
    """Something that took time."""

    start_us: int
    end_us: int
    name: str
    kind: str
    args: Args = field(default_factory=dict)
    leaves: int | None = None
    """The number of the arrow that leaves here, at the beginning."""
    arrives: int | None = None
    """The number of the arrow that arrives here, at the end."""


@dataclass(frozen=True)
class Mark:
    """Something that took no time."""

    time_us: int
    name: str
    kind: str
    args: Args = field(default_factory=dict)


@dataclass(frozen=True)
class Track:
    """Slices in order, none of which overlaps another, and marks."""

    name: str
    slices: tuple[Slice, ...]
    marks: tuple[Mark, ...] = ()


@dataclass(frozen=True)
class Sample:
    """Values of a group of curves, which hold until the next sample."""

    time_us: int
    name: str
    values: Mapping[str, float]


@dataclass(frozen=True)
class Timeline:
    """One run, ready to be drawn; tracks are in the order in which they are shown."""

    tracks: tuple[Track, ...]
    samples: tuple[Sample, ...]


def lanes(
    name: str, slices: Iterable[Slice], marks: Sequence[Mark] = (), *, slack_us: int = 0
) -> Iterator[Track]:
    """As few tracks as the slices need in order not to overlap; at least one, which has the marks.

    A slice takes the first lane that is free, or will be within `slack_us`: then it begins later.
    """
    filled: list[list[Slice]] = [[]]
    free: list[int] = [0]
    busy: list[tuple[int, int]] = []
    for one in sorted(slices, key=lambda one: (one.start_us, one.end_us)):
        while busy and busy[0][0] <= one.start_us + slack_us:
            heapq.heappush(free, heapq.heappop(busy)[1])
        if not free:
            free.append(len(filled))
            filled.append([])
        number = heapq.heappop(free)
        lane = filled[number]
        start_us = max(one.start_us, lane[-1].end_us if lane else one.start_us)
        lane.append(replace(one, start_us=start_us, end_us=max(one.end_us, start_us)))
        heapq.heappush(busy, (lane[-1].end_us, number))
    yield Track(name, tuple(filled[0]), tuple(marks))
    for number, lane in enumerate(filled[1:], start=2):
        yield Track(f"{name} ({number})", tuple(lane))
