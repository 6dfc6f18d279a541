"""AD-PSGD: while it trains, a node averages its model with that of a random neighbour.

Lian, Zhang, Zhang, Liu, "Asynchronous Decentralized Parallel Stochastic Gradient Descent", ICML
2018, arXiv 1710.06952, algorithm 1. There a bipartite graph says who asks and who is asked, so that
nobody waits for one who waits; here a coin does, in each round anew, on any graph.
"""

from functools import partial
from typing import Literal, NamedTuple

import simpy
from pydantic import Field

from sim.compute import ModelRef
from sim.protocols.protocol import KIND, Running
from sim.protocols.shared.peers import Exchange, OverTopology, Peers
from sim.world import Behaviour, Node, Transfer, World

ACTIVE = 0.5
"""The share of a node's rounds in which it looks for a partner; in the others it can be one."""


class ADPSGD(OverTopology):
    """Serverless: each node trains at its own pace, and averages with a neighbour meanwhile.

    Source: Lian et al. 2018, arXiv 1710.06952.
    """

    kind: Literal["ad_psgd"] = Field(default="ad_psgd", description=KIND)

    def run(self, world: World) -> Running:
        return Pairs(self, world)


class Half(NamedTuple):
    """What each of two sends the other: its model, half of which goes into the mean."""

    version: int
    model: ModelRef


class Pairs(Peers):
    """A node takes part in one exchange at a time, and trains on whatever becomes of it."""

    def __init__(self, settings: ADPSGD, world: World) -> None:
        super().__init__(settings, world)
        self._exchanges: dict[int, simpy.Process] = {}

    def behaviour(self, node: Node) -> Behaviour:
        yield from self.catch_up(node)
        while True:
            base = node.storage.newest
            self._seek(node)
            trained = yield from node.train(base)
            if trained is not None:
                node.keep(self._moved(node.storage.newest, base, trained))

    def _moved(self, model: ModelRef, base: ModelRef, to: ModelRef) -> ModelRef:
        """`model` + (`to` - `base`): what was worked out for `base` is done to what it is now."""
        if model is base:
            return to
        return self.world.lineage.combined((model, to, base), (1.0, 1.0, -1.0))

    # -- an exchange ---------------------------------------------------------------------------

    def _seek(self, node: Node) -> None:
        """Ask a random neighbour, if the coin says so and the node is free."""
        (coin,) = node.streams.uniforms("initiative", node.index, node.attempts)
        if coin < ACTIVE and self._is_free(node):
            for peer in self.picked(node, "partner", 1, node.attempts):
                self._exchanges[node.index] = node.spawn(self._asking(node, int(peer)))

    def _is_free(self, node: Node) -> bool:
        """Whether it can take part in one: none is under way, and it has something to give."""
        exchange = self._exchanges.get(node.index)
        return node.storage.rounds > 0 and (exchange is None or not exchange.is_alive)

    def _half(self, node: Node) -> Half:
        return Half(node.version, node.storage.newest)

    def _asking(self, node: Node, peer: int) -> Behaviour:
        """Send, wait for the answer as long as there may be one, and become the mean."""
        exchange, mine, began_s = Exchange(node), self._half(node), node.clock.now
        size, asked = self.world.model_bytes, partial(self._asked, exchange)
        exchange.send(node.index, peer, size, mine, asked, "exchange")
        theirs: Half | None = yield from self.answer_of(node, peer, exchange, began_s)
        if theirs is not None:
            yield from self._average(node, peer, mine, theirs)

    def _asked(self, exchange: Exchange, asked: Transfer) -> None:
        """At the other: answer, and become the mean; who isn't free turns the asker away."""
        node = self.world.clients[asked.target]
        mine = self._half(node) if self._is_free(node) else None
        exchange.answer(asked, 0 if mine is None else self.world.model_bytes, mine, "exchange")
        if mine is not None:
            average = self._average(node, asked.source, mine, asked.payload)
            self._exchanges[node.index] = node.spawn(average)

    def _average(self, node: Node, peer: int, mine: Half, theirs: Half) -> Behaviour:
        """Become the mean; what the node has learned since it sent its half is added to that."""
        yield from self.merging(node, [peer])
        halves = {peer: theirs.model, node.index: mine.model}
        mean = self.world.averaged(halves, dict.fromkeys(halves, 1.0))
        node.storage.received = self._moved(node.storage.newest, mine.model, mean)
        node.storage.is_merge_newer = True
        self.count(node, {peer: theirs.version})
