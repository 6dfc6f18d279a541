"""A node crashes at a given time, and recovers later or never."""

from __future__ import annotations

from collections.abc import Sequence

from sim.faults.settings import CrashSettings
from sim.world.clock import Tie
from sim.world.node import Behaviour, Node
from sim.world.world import World


def crash(name: str, settings: CrashSettings, nodes: Sequence[Node], world: World) -> None:
    """Schedule the crash of the node, if this world has it."""

    def strike(node: Node) -> Behaviour:
        yield world.clock.at(settings.at, Tie.FAULT)
        node.crash(name, loses_storage=settings.loses_storage)
        if settings.recovers_after is not None:
            yield world.clock.after(settings.recovers_after, Tie.FAULT)
            node.recover(name)

    for node in nodes:
        world.clock.process(strike(node))
