"""Which operation goes next: longest remaining path first, near the worker that holds its input.

The length of what still depends on an operation is its `height`, in optimiser steps. Taking the
highest first keeps the chains that decide the end of a sweep from waiting for short ones.
"""

from __future__ import annotations

import heapq
import math
from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import count

from sim.compute.refs import ModelRef, ScoreRef

# Among so many of the highest, one whose input the worker holds is preferred.
LOOK_AHEAD = 8


@dataclass(eq=False, repr=False, slots=True)
class Operation:
    """A demanded model or score on its way: what it still waits for, and who waits for it."""

    ref: ModelRef | ScoreRef
    height: float = field(init=False)
    waits_for: int = 0
    waiters: list[Operation] = field(default_factory=list)
    started: bool = False
    attempts: int = 0
    holder: int | None = None
    """The worker that made its last input."""

    def __post_init__(self) -> None:
        self.height = self.ref.cost


def raise_heights(
    fresh: Iterable[Operation], unfinished: Mapping[str, Operation]
) -> list[Operation]:
    """Carry the heights of `fresh` operations down to all that they depend on; who was looked at.

    Deepest first, so that each is looked at once, when its own height is final.
    """
    seen: list[Operation] = []
    by_depth: dict[int, dict[Operation, None]] = defaultdict(dict)
    for each in fresh:
        by_depth[each.ref.depth][each] = None
    depths = [-depth for depth in by_depth]
    heapq.heapify(depths)
    while depths:
        here = by_depth.pop(-heapq.heappop(depths))
        seen += here
        for each in here:
            for model in each.ref.inputs:
                below = unfinished.get(model.name)
                if below is None or below.height >= each.height + model.cost:
                    continue
                below.height = each.height + model.cost
                if model.depth not in by_depth:
                    heapq.heappush(depths, -model.depth)
                by_depth[model.depth][below] = None
    return seen


class Ready:
    """Operations whose inputs are all there, by what may be trained together."""

    def __init__(self) -> None:
        self._heaps: dict[Hashable, list[tuple[float, int, Operation]]] = {}
        self._numbers = count()

    def add(self, operation: Operation) -> None:
        """Add it, or add it again after its height has risen."""
        ref = operation.ref
        together = ref.together if isinstance(ref, ModelRef) and ref.kind == "trained" else None
        heap = self._heaps.setdefault(together, [])
        heapq.heappush(heap, (-operation.height, next(self._numbers), operation))

    def take(self, worker: int, seats: int, limit: int, growing: bool) -> list[Operation]:
        """The next operations for `worker`: one, or of those that go together up to `limit`.

        What goes alone goes first: it is short, and a group grows by what waits for it. While that
        is under way (`growing`), only a full group starts. A group leaves each of the free `seats`
        a share. Empty if nothing is ready, or nothing should start yet.
        """
        heads = [(head, key) for key in list(self._heaps) if (head := self._head(key))]
        if None in self._heaps:
            return [self._near(worker)]
        if not heads:
            return []
        _, together = min(heads, key=lambda each: each[0][:2])
        heap = self._heaps[together]
        if growing and len(heap) < limit:
            return []
        share = min(limit, math.ceil(len(heap) / max(1, seats)))
        group: list[Operation] = []
        while heap and len(group) < share:
            operation = heapq.heappop(heap)[2]
            if not operation.started:
                operation.started = True
                group.append(operation)
        return group

    def _head(self, together: Hashable) -> tuple[float, int, Operation] | None:
        heap = self._heaps[together]
        while heap and heap[0][2].started:
            heapq.heappop(heap)
        if not heap:
            del self._heaps[together]
            return None
        return heap[0]

    def _near(self, worker: int) -> Operation:
        heap = self._heaps[None]
        seen: list[tuple[float, int, Operation]] = []
        chosen: Operation | None = None
        while heap and len(seen) < LOOK_AHEAD:
            entry = heapq.heappop(heap)
            if entry[2].started:
                continue
            if entry[2].holder in (worker, None):
                chosen = entry[2]
                break
            seen.append(entry)
        if chosen is None:
            chosen = seen.pop(0)[2]
        for entry in seen:
            heapq.heappush(heap, entry)
        chosen.started = True
        return chosen
