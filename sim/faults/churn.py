"""Nodes fail and are repaired again and again, both after exponential times."""

from __future__ import annotations

from collections.abc import Sequence

from sim.faults.settings import ChurnSettings
from sim.world.clock import Tie
from sim.world.node import Behaviour, Node
from sim.world.world import World


def churn(name: str, settings: ChurnSettings, nodes: Sequence[Node], world: World) -> None:
    """Schedule the failures of each node on its own.

    The k-th time up and time down are unit exponentials of the node's stream, scaled by the means:
    a higher failure rate brings each k-th failure no later.
    """
    rate = settings.rate_per_s

    def live(node: Node) -> Behaviour:
        draws = world.streams.stream("churn", name, node.name)
        while True:
            up, down = draws.standard_exponential(2)
            yield world.clock.after(float(up) / rate, Tie.FAULT)
            node.crash(name, loses_storage=settings.loses_storage)
            yield world.clock.after(float(down) * settings.mean_time_to_repair, Tie.FAULT)
            node.recover(name)

    if rate > 0:
        for node in nodes:
            world.clock.process(live(node))
