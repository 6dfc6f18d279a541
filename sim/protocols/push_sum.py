"""Push-sum, or stochastic gradient push: averages over directed links.

Assran, Loizou, Ballas, Rabbat, "Stochastic Gradient Push for Distributed Deep Learning", ICML 2019,
arXiv 1811.10792, algorithm 1, over the directed exponential graph of its experiments. Push-sum is
of Kempe, Dobra, Gehrke, "Gossip-Based Computation of Aggregate Information", FOCS 2003.

The paper's client i has a sum of models x_i and its weight w_i. Here it has z_i = x_i / w_i, the
model that is trained and scored, and w_i: what it pushes, x_i / (d + 1) and w_i / (d + 1), is z_i
with the weight w_i / (d + 1), and the sum of such pairs is the average of their z by weight.
"""

import operator
import sys
from typing import Literal, NamedTuple

import numpy as np
from pydantic import Field

from sim.compute import ModelRef
from sim.protocols.protocol import KIND, Running
from sim.protocols.shared.peers import Ints
from sim.protocols.shared.pushing import Outbox, Pushing, PushingProtocol
from sim.record.settings import AllOrCount
from sim.world import Behaviour, Node, World

WEIGHT = "weight"
"""In stable storage: w of the client's model; 1 at first, and after the storage was lost.

So who joins adds 1 to the sum of all weights, and who leaves takes its own along.
"""
LEAST_WEIGHT = sys.float_info.min
MOST_GAIN = 1e6
"""A local round that is amplified so much has diverged, and float32 can tell no more."""


class PushSum(PushingProtocol):
    """Serverless: clients train, push shares of their model's weight, and sum up what has come.

    Source: Assran et al. 2019, arXiv 1811.10792.
    """

    kind: Literal["push_sum"] = Field(default="push_sum", description=KIND)
    peers: AllOrCount = Field(
        default=1, description="to how many of its out-neighbours, in turn, a client pushes"
    )
    local_round: Literal["biased", "debiased"] = Field(
        default="biased",
        description="what a local round is added to: the sum x, as published, so that who has a "
        "small weight w moves 1/w times as far; or the model z = x / w",
    )

    def run(self, world: World) -> Running:
        return Summing(self, world)


class Share(NamedTuple):
    """A model, and how much of its sender's weight comes with it. `version`: the sender's."""

    model: ModelRef
    weight: float
    version: int


class Summing(Pushing):
    """Rounds of stochastic gradient push."""

    def __init__(self, settings: PushSum, world: World) -> None:
        super().__init__(settings, settings.peers, world)
        self.settings = settings

    def train(self, node: Node, outbox: Outbox) -> Behaviour:
        base = node.storage.newest
        model = yield from node.train(base)
        if model is None:
            return
        weight = _weight(node)
        node.keep(self._stepped(base, model, weight))
        peers = self.out_neighbours(node, outbox)
        share = weight / (len(peers) + 1)
        if share >= LEAST_WEIGHT:
            node.storage.notes[WEIGHT] = share
            outbox.push(peers, Share(node.storage.model, share, node.version))

    def _stepped(self, base: ModelRef, model: ModelRef, weight: float) -> ModelRef:
        """z + (model - z) / w: what the local round adds to x, it adds to z w times over."""
        gain = min(1.0 / weight, MOST_GAIN)
        if self.settings.local_round == "debiased" or gain == 1.0:
            return model
        return self.world.lineage.combined((base, model), (1.0 - gain, gain))

    def merge_inbox(self, node: Node) -> Behaviour:
        """Sum up the own share and all that have come, several of one peer too."""
        arrived: list[tuple[int, Share]] = [(each.source, each.payload) for each in node.inbox]
        node.inbox.clear()
        yield from self.merging(node, [source for source, _ in arrived])
        own = node.index, Share(node.storage.newest, _weight(node), node.version)
        shares = [share for _, share in sorted([*arrived, own], key=operator.itemgetter(0))]
        weight = sum(share.weight for share in shares)
        node.storage.received = self.world.lineage.combined(
            tuple(share.model for share in shares),
            tuple(share.weight / weight for share in shares),
        )
        node.storage.notes[WEIGHT] = weight
        self.count(node, {source: share.version for source, share in arrived})

    def out_neighbours(self, node: Node, outbox: Outbox) -> Ints:
        """To whom the client pushes now, ascending as its turns go on.

        In a complete graph those 1, 2, 4, 8, ... places behind it have their turns, else all
        neighbours; who isn't free is passed over.
        """
        return outbox.first(np.roll(self._behind(node), -outbox.pushed))

    def _behind(self, node: Node) -> Ints:
        """Its out-neighbours, from the one after it on."""
        clients, is_complete = len(self.world.clients), self.topology.is_complete
        if is_complete and not self.world.network.is_restless:  # No need to list everybody.
            return (node.index + 2 ** np.arange((clients - 1).bit_length())) % clients
        peers = self.peers(node)
        behind = np.roll(peers, -np.searchsorted(peers, node.index))
        return behind[2 ** np.arange(len(peers).bit_length()) - 1] if is_complete else behind


def _weight(node: Node) -> float:
    return float(node.storage.notes.get(WEIGHT, 1.0))
