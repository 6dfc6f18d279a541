"""Nodes compute slower by a factor for a while."""

from __future__ import annotations

from collections.abc import Sequence

from sim.faults.settings import SlowdownSettings
from sim.world.clock import Tie
from sim.world.node import Behaviour, Node
from sim.world.world import World


def slowdown(name: str, settings: SlowdownSettings, nodes: Sequence[Node], world: World) -> None:
    """Stretch what the nodes compute between `at` and `at + lasts`."""

    def drag() -> Behaviour:
        yield world.clock.at(settings.at, Tie.FAULT)
        _set(settings.factor)
        yield world.clock.after(settings.lasts, Tie.FAULT)
        _set(1.0)

    def _set(factor: float) -> None:
        for node in nodes:
            node.slow_down(name, factor)
            detail = f"factor={factor:g} cause={name}"
            world.trace.record(world.clock.now, node.name, "slowdown", detail=detail)

    world.clock.process(drag())
