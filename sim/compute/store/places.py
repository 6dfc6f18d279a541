"""Where something stands in a file, by name."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator

import numpy as np

# So many names, or an eighth of all, are in a dictionary, which takes eight times the memory.
_LEAST = 1 << 16


class Places:
    """Places by name, in 16 bytes each.

    Of all but the latest names only the last 8 of their 16 bytes are known: names are as good as
    random, so that hardly ever two agree in those, but what stands there has to say its name.
    """

    def __init__(self) -> None:
        self._latest: dict[bytes, int] = {}
        self._halves = np.empty(0, np.uint64).data
        self._places = np.empty(0, np.int64).data

    def __setitem__(self, name: bytes, place: int) -> None:
        self._latest[name] = place
        if len(self._latest) > max(_LEAST, len(self._halves) // 8):
            self._fold()

    def candidates(self, name: bytes) -> Iterator[int]:
        """Where it may stand, the likeliest first; nothing if it's not known."""
        if (place := self._latest.get(name)) is not None:
            yield place
        half = int.from_bytes(name[8:], "little")
        number = bisect_left(self._halves, half)
        while number < len(self._halves) and self._halves[number] == half:
            yield self._places[number]
            number += 1

    def _fold(self) -> None:
        names = np.frombuffer(b"".join(self._latest), "<u8")[1::2]
        halves = np.concatenate((names, self._halves))
        places = np.concatenate((np.fromiter(self._latest.values(), np.int64), self._places))
        order = np.argsort(halves, kind="stable")  # Of equals, the latest stay first.
        self._halves = halves[order].data
        self._places = places[order].data
        self._latest = {}
