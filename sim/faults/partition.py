"""The network falls apart into groups that cannot reach each other, and heals."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, model_validator

from sim.faults.fault import KIND, Fault
from sim.record.errors import Path, Refusal
from sim.record.settings import NodeName, PositiveSeconds, Seconds
from sim.world import World


class Partition(Fault):
    """The network falls apart into groups that cannot reach each other, and heals."""

    kind: Literal["partition"] = Field(description=KIND)
    groups: Annotated[
        tuple[Annotated[tuple[NodeName, ...], Field(strict=False, min_length=1)], ...],
        Field(strict=False, min_length=1),
    ] = Field(description="lists of nodes; nodes named nowhere form one more group")
    at: Seconds = Field(description="when it begins")
    heals_after: PositiveSeconds = Field(description="how long it lasts")

    @model_validator(mode="after")
    def _disjoint(self) -> Partition:
        seen: set[str] = set()
        for path, name in self.named():
            if name in seen:
                raise Refusal(f"{name} is named twice", "each node in one group", path)
            seen.add(name)
        return self

    def named(self) -> Iterator[tuple[Path, str]]:
        for row, group in enumerate(self.groups):
            for column, node in enumerate(group):
                yield ("groups", row, column), node

    def check(self, nodes: Sequence[str]) -> None:
        if len(self.groups) == 1 and set(nodes) <= set(self.groups[0]):
            raise Refusal("puts all nodes in one group", "at least two groups", ("groups",))

    @property
    def window_s(self) -> tuple[float, float]:
        return self.at, self.at + self.heals_after

    def strikes(self, nodes: Sequence[str]) -> Sequence[str]:
        return nodes if len(set(self._groups(nodes))) > 1 else ()

    def start(self, name: str, world: World) -> None:
        """See Fault; nodes that no list names form one group more."""
        groups = self._groups([node.name for node in world.nodes])
        world.network.split(name, *self.window_s, np.array(groups))

    def _groups(self, nodes: Sequence[str]) -> list[int]:
        """The number of each node's group, from 1; of those that no list names 0."""
        number = {node: row for row, group in enumerate(self.groups, start=1) for node in group}
        return [number.get(node, 0) for node in nodes]
