"""SCAFFOLD: FedAvg's rounds, in which control variates correct what drives clients apart.

Karimireddy, Kale, Mohri, Reddi, Stich, Suresh, "SCAFFOLD: Stochastic Controlled Averaging for
Federated Learning", ICML 2020, arXiv 1910.06378, algorithm 1 with option II.
"""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import simpy
from pydantic import Field

from models.training import TrainingSettings
from sim.compute import Lineage, ModelRef
from sim.protocols.fedavg import RoundsProtocol, ServerRounds
from sim.protocols.protocol import KIND, Running
from sim.protocols.shared.participants import Order, Report, Update
from sim.world import Node, World


class Scaffold(RoundsProtocol):
    """Server-based: FedAvg whose clients correct their gradients by what all others' are like.

    Source: Karimireddy et al. 2020, arXiv 1910.06378.
    """

    vectors_sent: ClassVar[int] = 2

    kind: Literal["scaffold"] = Field(default="scaffold", description=KIND)

    def check_training(self, training: TrainingSettings) -> None:
        training.check_correction()

    def run(self, world: World) -> Running:
        return self.led(world, Controlled)


@dataclass(frozen=True)
class ControlledOrder(Order):
    """Train this global model x, with the server's control variate c; None is 0."""

    control: ModelRef | None


@dataclass(frozen=True)
class ControlledUpdate(Update):
    """A client's model y, and `change`, by how much its own control variate has changed."""

    change: ModelRef


class Controlled(ServerRounds):
    """Each order and each update carries a direction beside the model.

    `control`: c, in the server's memory and its checkpoint, as is of how many clients it is the
    mean; a client's c_i is in its storage. Who joins has 0; what the c_i of a client that has left
    was stays in the sum, since the server knows the sum alone.
    """

    settings: Scaffold
    control: ModelRef | None

    # -- the server ----------------------------------------------------------------------------

    def restore(self) -> None:
        super().restore()
        notes = self.server.storage.notes
        self.control, self._counted = notes.get("control"), notes.get("counted")

    def checkpoint(self) -> None:
        super().checkpoint()
        self.server.storage.notes |= {"control": self.control, "counted": self._counted}

    def next_order(self) -> Order:
        attempt = self.next_attempt()
        return ControlledOrder(attempt, self.server_round, self.global_model, self.control)

    def take(self, updates: dict[int, Update]) -> None:
        """c <- c + 1/N x the sum of all changes; x as `mean` says.

        N is of the members that there are now: of as many c is made the mean first.
        """
        number = max(1, len(self.members()))
        kept, share = (self._counted or number) / number, 1 / number
        reported = [updates[client] for client in sorted(updates)]
        changes = [(each.change, share) for each in reported if isinstance(each, ControlledUpdate)]
        self.control = direction(self.world.lineage, (self.control, kept), *changes)
        self._counted = number
        super().take(updates)

    def mean(self, updates: dict[int, Update]) -> ModelRef:
        """The plain mean: the paper's clients count alike, in the model as in c."""
        models = {client: update.model for client, update in updates.items()}
        return self.world.averaged(models, dict.fromkeys(models, 1.0))

    # -- a client ------------------------------------------------------------------------------

    def local_round(self, node: Node, order: Order) -> Generator[simpy.Event, Any, Report]:
        """See Participants; c_i becomes stable with the model."""
        assert isinstance(order, ControlledOrder)
        lineage, own = node.lineage, node.storage.notes.get("control")
        correction = direction(lineage, (order.control, 1.0), (own, -1.0))
        model = yield from node.train(order.model, correction)
        if model is None:
            return Report(order)
        node.keep(model)
        # (x - y) / (K rate) is the mean gradient of the round's K steps, and its correction.
        rate = 1 / (node.machine.steps * self.world.learning_rate)
        change = direction(lineage, (order.control, -1.0), (order.model, rate), (model, -rate))
        assert change is not None
        node.storage.notes["control"] = direction(lineage, (own, 1.0), (change, 1.0))
        return ControlledUpdate(order, model, change)


def direction(lineage: Lineage, *terms: tuple[ModelRef | None, float]) -> ModelRef | None:
    """The weighted sum of what there is; None is 0, and one alone by 1 is itself."""
    there = [(model, weight) for model, weight in terms if model is not None]
    if not there:
        return None
    models, weights = zip(*there, strict=True)
    return models[0] if weights == (1.0,) else lineage.direction(models, weights)
