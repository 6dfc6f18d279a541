"""Each client alone on its own data: a reference without anything sent."""

from typing import ClassVar, Literal

from pydantic import Field

from sim.protocols.protocol import KIND, Protocol, Running
from sim.world import Behaviour, Node, World


class Local(Protocol):
    """Each client alone on its own data: a reference."""

    is_reference: ClassVar[bool] = True
    uses_network: ClassVar[bool] = False

    kind: Literal["local"] = Field(default="local", description=KIND)

    def run(self, world: World) -> Running:
        return Alone(world)


class Alone(Running):
    """Fine-tune the own model again and again; nothing is sent."""

    stages = (None,)

    def behaviour(self, node: Node) -> Behaviour:
        while True:
            model = yield from node.train(node.storage.model)
            if model is not None:
                node.keep(model)
