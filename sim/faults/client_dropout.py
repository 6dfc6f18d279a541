"""A client's local round fails with a given probability, at a uniform point in it."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from sim.faults.fault import KIND, SEED, OfNodes
from sim.record.errors import Refusal
from sim.record.settings import Seed, Selector, selects
from sim.world import World


class ClientDropout(OfNodes):
    """A client's local round fails with a given probability, at a uniform point in it."""

    leaves_others_alone: ClassVar[bool] = True

    kind: Literal["client_dropout"] = Field(description=KIND)
    probability: Annotated[float, Field(ge=0, le=1)] = Field(
        description="chance that one attempt at a local round fails"
    )
    nodes: Selector = Field(default="clients", description="the clients concerned")
    seed: Seed | None = Field(default=None, description=SEED)

    @model_validator(mode="after")
    def _clients_only(self) -> ClientDropout:
        if selects(self.nodes, "server"):
            raise Refusal(
                "a server has no local rounds", "clients, or a list of clients", ("nodes",)
            )
        return self

    def start(self, name: str, world: World) -> None:
        """See Fault; there is no process: it is drawn by the node, at each attempt."""
        for node in world.select(self.nodes):
            key = world.luck_key("client_dropout", node, self.seed)
            node.dropouts[name] = (self.probability, key)
