"""Each client alone: the lower bound, and with all data on one machine the upper bound `pooled`."""

from __future__ import annotations

from sim.world.node import Behaviour, Node
from sim.world.world import World


class Alone:
    """Fine-tune the own model again and again; nothing is sent."""

    def __init__(self, world: World) -> None:
        self._world = world
        for node in world.clients:
            node.behave = lambda node=node: self._behave(node)

    def _behave(self, node: Node) -> Behaviour:
        while True:
            model = yield from node.train(node.storage.model)
            if model is not None:
                node.storage.model = model
                node.storage.rounds += 1

    def staleness(self) -> list[float]:
        """Nobody to lag behind."""
        return [0.0] * len(self._world.clients)
