"""The network falls apart into groups that cannot reach each other, and heals: once or often."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from sim.faults.fault import KIND, Fault
from sim.faults.shared.rhythm import EVERY, PAUSES, TIMES, Rhythm
from sim.faults.shared.sides import Sides, check_apart, named_in
from sim.record.errors import Path, Refusal
from sim.record.settings import Count, Duration, PositiveSeconds, Seconds, Seed, selects
from sim.world import Cut, World


class Partition(Fault):
    """The network falls apart into groups that cannot reach each other, and heals."""

    together: ClassVar[str] = "whom one of them sets apart can't be reached"

    kind: Literal["partition"] = Field(description=KIND)
    groups: Sides = Field(description="lists of nodes; nodes named nowhere form one more group")
    at: Seconds = Field(description="when it begins")
    heals_after: Duration = Field(description="how long it lasts each time")
    direction: Literal["both", "out", "in"] = Field(
        default="both",
        description="datagrams are cut both ways, or only those out of the groups that are named, "
        "or only those into them; all else needs both ways",
    )
    every: PositiveSeconds | None = Field(default=None, description=EVERY)
    pauses: Duration | None = Field(default=None, description=PAUSES)
    times: Count | None = Field(default=None, description=TIMES)
    seed: Seed | None = Field(
        default=None, description="draws of its own; if left out, those of partitions of its groups"
    )

    @model_validator(mode="after")
    def _has_a_rhythm(self) -> Partition:
        self._rhythm.check("heals_after")
        return self

    @property
    def _rhythm(self) -> Rhythm:
        return Rhythm(self.at, self.heals_after, self.every, self.pauses, self.times)

    def named(self) -> Iterator[tuple[Path, str]]:
        return named_in("groups", self.groups)

    def check(self, nodes: Sequence[str]) -> None:
        check_apart("groups", self.groups, nodes)
        if len(self.groups) == 1 and set(self._groups(nodes)) == {1}:
            raise Refusal("puts all nodes in one group", "at least two groups", ("groups",))

    @property
    def window_s(self) -> tuple[float, float]:
        return self._rhythm.window_s

    def events(self, duration_s: float, nodes: Sequence[str]) -> float:
        return self._rhythm.events(duration_s)

    def strikes(self, nodes: Sequence[str]) -> Sequence[str]:
        return nodes if len(set(self._groups(nodes))) > 1 else ()

    def start(self, name: str, world: World) -> None:
        """See Fault; nodes that no list names form one group more.

        It is the network's, not a node's: what it draws is named by its groups.
        """
        whose = "|".join(",".join(group) for group in self.groups)
        key = world.luck_key(self.kind, whose, self.seed)
        stream = partial(world.streams.stream, self.kind, key, whose)
        windows = self._rhythm.windows(world.duration_s, stream)
        groups = np.array(self._groups([node.name for node in world.nodes]))
        world.network.split(name, Cut(windows, groups, self.direction))

    def _groups(self, nodes: Sequence[str]) -> list[int]:
        """The number of each node's group, from 1; of those that no list names 0."""
        numbered = list(enumerate(self.groups, start=1))
        return [
            next((number for number, group in numbered if selects(group, node)), 0)
            for node in nodes
        ]
