"""FedBuff: the server gathers a buffer of updates, and takes one step along all of them.

Nguyen, Malik, Zhan, Yousefpour, Rabbat, Malek, Huba, "Federated Learning with Buffered Asynchronous
Aggregation", AISTATS 2022, arXiv 2106.06639, algorithms 1 and 2.
"""

from typing import Literal, NamedTuple

from pydantic import Field

from sim.compute import ModelRef
from sim.protocols.protocol import KIND, Running
from sim.protocols.shared.asynchronous import AsynchronousProtocol, AsynchronousServer, combined
from sim.protocols.shared.participants import Update
from sim.record.settings import Count, Positive
from sim.world import Behaviour, World


class FedBuff(AsynchronousProtocol):
    """Server-based without rounds: each `buffer` of updates moves the global model once.

    Source: Nguyen et al. 2022, arXiv 2106.06639.
    """

    kind: Literal["fedbuff"] = Field(default="fedbuff", description=KIND)
    buffer: Count = Field(default=10, description="how many updates the server gathers for a step")
    learning_rate: Positive = Field(
        default=1.0, description="the server's step size along their mean"
    )

    def run(self, world: World) -> Running:
        return self.led(world, Buffering)


class Delta(NamedTuple):
    """What an update changed in the model that its client had; `weight` says how much it counts."""

    client: int
    base: ModelRef
    model: ModelRef
    weight: float


class Buffering(AsynchronousServer):
    """w <- w + rate / K x the sum of K deltas, each by the weight of its staleness."""

    settings: FedBuff

    def restore(self) -> None:
        super().restore()
        self._buffer: list[Delta] = []  # In the server's memory.

    def take(self, client: int, update: Update) -> Behaviour:
        delta = Delta(client, update.order.model, update.model, self.weight(update))
        yield from self.server.compute(self.world.aggregation_s)
        self._buffer.append(delta)
        if len(self._buffer) == self.settings.buffer:
            deltas, self._buffer = sorted(self._buffer, key=lambda each: each.client), []
            self.step(self._moved(deltas), [each.client for each in deltas])

    def _moved(self, deltas: list[Delta]) -> ModelRef:
        """As one weighted sum of models: a delta is never anything that could be taken for one."""
        terms = [(self.global_model, 1.0)]
        for each in deltas:
            share = self.settings.learning_rate * each.weight / len(deltas)
            terms += [(each.model, share), (each.base, -share)]
        return combined(self.world.lineage, terms)
