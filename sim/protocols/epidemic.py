"""Epidemic learning: each client trains, pushes its model to a few random peers, and averages.

de Vos, Farhadkhani, Guerraoui, Kermarrec, Pires, Sharma, "Epidemic Learning: Boosting
Decentralized Learning with Randomized Communication", NeurIPS 2023, arXiv 2310.01972, algorithm 1
with EL-Local: each client draws its peers itself.
"""

import math
from typing import Literal, NamedTuple

from pydantic import Field

from sim.compute import ModelRef
from sim.protocols.protocol import KIND, Running
from sim.protocols.shared.pushing import Outbox, Pushing, PushingProtocol
from sim.record.settings import AllOrCount
from sim.world import Behaviour, Node, World


class Epidemic(PushingProtocol):
    """Serverless: clients train, push to a few random peers, and average what has come.

    Source: de Vos et al. 2023, arXiv 2310.01972.
    """

    kind: Literal["epidemic"] = Field(default="epidemic", description=KIND)
    peers: AllOrCount | None = Field(
        default=None,
        description="to how many random peers a client pushes in a round; if left out, to log2 of "
        "the number of clients, rounded up",
    )

    def run(self, world: World) -> Running:
        log2 = math.ceil(math.log2(len(world.clients)))
        return Spreading(self, log2 if self.peers is None else self.peers, world)


class Push(NamedTuple):
    """A model after a local round, and its client's version."""

    model: ModelRef
    version: int


class Spreading(Pushing):
    """Rounds of epidemic learning."""

    def train(self, node: Node, outbox: Outbox) -> Behaviour:
        model = yield from node.train(node.storage.newest)
        if model is not None:
            node.keep(model)
            peers = outbox.drawn("push_to", node.rounds)
            outbox.push(peers, Push(model, node.version))

    def merge_inbox(self, node: Node) -> Behaviour:
        """The mean of the own model and the last of each peer that has come."""
        pushes: dict[int, Push] = {each.source: each.payload for each in node.inbox}
        node.inbox.clear()
        models = {peer: push.model for peer, push in pushes.items()}
        yield from self.merge(node, models, dict.fromkeys((*models, node.index), 1.0))
        self.count(node, {peer: push.version for peer, push in pushes.items()})
