"""The network falls apart into groups that cannot reach each other, and heals."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from sim.faults.fault import KIND, Fault
from sim.faults.shared.sides import Sides, check_apart, named_in
from sim.record.errors import Path, Refusal
from sim.record.settings import PositiveSeconds, Seconds, selects
from sim.world import Cut, Windows, World


class Partition(Fault):
    """The network falls apart into groups that cannot reach each other, and heals."""

    together: ClassVar[str] = "whom one of them sets apart can't be reached"

    kind: Literal["partition"] = Field(description=KIND)
    groups: Sides = Field(description="lists of nodes; nodes named nowhere form one more group")
    at: Seconds = Field(description="when it begins")
    heals_after: PositiveSeconds = Field(description="how long it lasts")

    def named(self) -> Iterator[tuple[Path, str]]:
        return named_in("groups", self.groups)

    def check(self, nodes: Sequence[str]) -> None:
        check_apart("groups", self.groups, nodes)
        if len(self.groups) == 1 and set(self._groups(nodes)) == {1}:
            raise Refusal("puts all nodes in one group", "at least two groups", ("groups",))

    @property
    def window_s(self) -> tuple[float, float]:
        return self.at, self.at + self.heals_after

    def strikes(self, nodes: Sequence[str]) -> Sequence[str]:
        return nodes if len(set(self._groups(nodes))) > 1 else ()

    def start(self, name: str, world: World) -> None:
        """See Fault; nodes that no list names form one group more."""
        groups = self._groups([node.name for node in world.nodes])
        world.network.split(name, Cut(Windows([self.window_s]), np.array(groups)))

    def _groups(self, nodes: Sequence[str]) -> list[int]:
        """The number of each node's group, from 1; of those that no list names 0."""
        numbered = list(enumerate(self.groups, start=1))
        return [
            next((number for number, group in numbered if selects(group, node)), 0)
            for node in nodes
        ]
