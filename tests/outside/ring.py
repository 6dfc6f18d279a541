"""A protocol without a server: each client trains, and pushes its model to its neighbour."""

from typing import Literal

from pydantic import Field

from sim.protocols import Protocol, Running
from sim.world import Behaviour, Node, World


class Ring(Protocol):
    """Each client averages what came, trains, and pushes its model to the next one."""

    kind: Literal["ring"] = Field(default="ring", description="the protocol's kind")

    def run(self, world: World) -> Running:
        return Pushing(world)


class Pushing(Running):
    def behaviour(self, node: Node) -> Behaviour:
        clients = self.world.clients
        right = clients[(node.index + 1) % len(clients)]
        while True:
            came = {transfer.source: transfer.payload for transfer in node.inbox}
            node.inbox.clear()
            base = self.world.averaged(came | {node.index: node.storage.model})
            model = yield from node.train(base)
            if model is not None:
                node.keep(model)
                size_bytes = self.world.model_bytes
                if not self.suspects(node, right.index):
                    self.world.network.send(
                        node.index, right.index, size_bytes, model, delivered=right.receive
                    )
