"""The network falls apart into groups that cannot reach each other, and heals."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import BeforeValidator, Field, model_validator

from sim.faults.fault import KIND, Fault
from sim.record.errors import Path, Refusal
from sim.record.settings import NodeList, PositiveSeconds, Seconds, selects, twice
from sim.world import World


def _is_list(data: Any) -> Any:
    """One node alone might be meant as a group, or as one of several in it."""
    if isinstance(data, str):
        raise Refusal(f"{data!r} is not a list", f"a list of lists, e.g. [[{data}]]")
    return data


_Side = Annotated[NodeList, BeforeValidator(_is_list)]


class Partition(Fault):
    """The network falls apart into groups that cannot reach each other, and heals."""

    together: ClassVar[str] = "whom one of them sets apart can't be reached"

    kind: Literal["partition"] = Field(description=KIND)
    groups: Annotated[tuple[_Side, ...], Field(strict=False, min_length=1)] = Field(
        description="lists of nodes; nodes named nowhere form one more group"
    )
    at: Seconds = Field(description="when it begins")
    heals_after: PositiveSeconds = Field(description="how long it lasts")

    @model_validator(mode="after")
    def _disjoint(self) -> Partition:
        for row, column in twice(self.groups):
            what = f"{self.groups[row][column]} is named twice"
            raise Refusal(what, "each node in one group", ("groups", row, column))
        return self

    def named(self) -> Iterator[tuple[Path, str]]:
        for row, group in enumerate(self.groups):
            for column, node in enumerate(group):
                yield ("groups", row, column), node

    def check(self, nodes: Sequence[str]) -> None:
        for node in nodes:
            if sum(selects(group, node) for group in self.groups) > 1:
                raise Refusal(f"{node} is in two groups", "each node in one group", ("groups",))
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
        world.network.split(name, *self.window_s, np.array(groups))

    def _groups(self, nodes: Sequence[str]) -> list[int]:
        """The number of each node's group, from 1; of those that no list names 0."""
        numbered = list(enumerate(self.groups, start=1))
        return [
            next((number for number, group in numbered if selects(group, node)), 0)
            for node in nodes
        ]
