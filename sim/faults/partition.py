"""The network falls apart into groups that cannot reach each other, and heals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from sim.faults.settings import NetworkPartitionSettings
from sim.world.clock import Tie
from sim.world.node import Behaviour, Node
from sim.world.world import World


def groups_of(settings: NetworkPartitionSettings, names: Sequence[str]) -> npt.NDArray[np.int64]:
    """The group of each node [n]; nodes that no list names form group 0."""
    number = {name: i for i, group in enumerate(settings.groups, start=1) for name in group}
    return np.array([number.get(name, 0) for name in names], dtype=np.int64)


def partition(
    name: str, settings: NetworkPartitionSettings, nodes: Sequence[Node], world: World
) -> None:
    """Break what is under way between the groups when the partition begins.

    That nothing new gets through is part of the network's wiring, which knows all partitions in
    advance: a ping's answers are evaluated after the fact.
    """

    def split() -> Behaviour:
        yield world.clock.at(settings.at, Tie.FAULT)
        world.network.partition_begins(groups_of(settings, world.network.wiring.names))
        world.trace.record(world.clock.now, "", "partition", detail=name)
        yield world.clock.after(settings.heals_after, Tie.FAULT)
        world.trace.record(world.clock.now, "", "heal", detail=name)

    world.clock.process(split())
