"""FedAsync: the server mixes each update into the global model as soon as it comes.

Xie, Koyejo, Gupta, "Asynchronous Federated Optimization", 2019, arXiv 1903.03934, algorithm 1. The
pull towards the global model in its clients' objective is `training.proximal`.
"""

from typing import Literal

from pydantic import Field

from sim.protocols.protocol import KIND, Running
from sim.protocols.shared.asynchronous import AsynchronousProtocol, AsynchronousServer, combined
from sim.protocols.shared.participants import Update
from sim.record.settings import Share
from sim.world import Behaviour, World


class FedAsync(AsynchronousProtocol):
    """Server-based without rounds: each update is mixed into the global model when it comes.

    Source: Xie et al. 2019, arXiv 1903.03934.
    """

    kind: Literal["fedasync"] = Field(default="fedasync", description=KIND)
    mixing: Share = Field(
        default=0.6, description="a fresh update's share of the next global model"
    )

    def run(self, world: World) -> Running:
        return self.led(world, Mixing)


class Mixing(AsynchronousServer):
    """w <- (1 - a) w + a w_new, a = mixing x the weight of its staleness."""

    settings: FedAsync

    def take(self, client: int, update: Update) -> Behaviour:
        share = self.settings.mixing * self.weight(update)
        yield from self.server.compute(self.world.aggregation_s)
        terms = ((self.global_model, 1 - share), (update.model, share))
        self.step(combined(self.world.lineage, terms), [client])
