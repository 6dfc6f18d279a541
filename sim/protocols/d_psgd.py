"""D-PSGD: after each local round, neighbours average their models.

Lian et al., "Can Decentralized Algorithms Outperform Centralized Algorithms? A Case Study for
Decentralized Parallel Stochastic Gradient Descent", NIPS 2017, arXiv 1705.09056, algorithm 1.
"""

from typing import Literal, NamedTuple

import numpy as np
from pydantic import Field

from sim.compute import ModelRef
from sim.protocols.protocol import KIND, Fastest, Running
from sim.protocols.shared.mixing import metropolis
from sim.protocols.shared.peers import Ints, OverTopology, Peers
from sim.protocols.shared.pushing import Outbox
from sim.record.errors import check_least
from sim.record.settings import PositiveSeconds
from sim.world import Behaviour, Node, Transfer, World


class DPSGD(OverTopology):
    """Serverless: each local round ends with an average over the neighbours.

    Source: Lian et al. 2017, arXiv 1705.09056.
    """

    kind: Literal["d_psgd"] = Field(default="d_psgd", description=KIND)
    exchange: Literal["blocking", "nonblocking"] = Field(
        default="blocking", description="whether a round waits for models, or takes what has come"
    )
    push_timeout: PositiveSeconds | None = Field(
        default=None, description="blocking: longest time to try to send; none if left out"
    )
    receive_timeout: PositiveSeconds | None = Field(
        default=None, description="blocking: longest wait for models after that; none if left out"
    )
    counts: Literal["senders", "messages"] = Field(
        default="senders", description="blocking: a model of each neighbour, or as many of any"
    )
    skip_suspected: bool = Field(
        default=True, description="blocking: pass over who is suspected; else time-outs decide"
    )

    @property
    def skips_suspects(self) -> bool:
        return self.skip_suspected or self.exchange == "nonblocking"

    @property
    def unused(self) -> dict[str, str]:
        idle = "push_timeout", "receive_timeout", "counts", "skip_suspected"
        return {} if self.exchange == "blocking" else dict.fromkeys(idle, "nonblocking never waits")

    def check_times(self, fastest: Fastest) -> None:
        if self.push_timeout is not None:
            what = "is shorter than any transfer and its acknowledgement: no push would succeed"
            check_least(self.push_timeout, fastest.fetch_s, what, "push_timeout")

    def run(self, world: World) -> Running:
        return {"blocking": Blocking, "nonblocking": Nonblocking}[self.exchange](self, world)


class Push(NamedTuple):
    """What a neighbour is sent: the model that the local round of that `number` came to.

    `degree`: how many neighbours the sender has.
    """

    number: int
    version: int
    degree: int
    model: ModelRef


ROUND = "round"
"""In stable storage: the number of the local round that a node is in, or that it ended with."""


class Nonblocking(Peers):
    """`exchange: nonblocking`: nobody waits for anybody; what a node does in either exchange."""

    carried = (ROUND,)

    def __init__(self, settings: DPSGD, world: World) -> None:
        super().__init__(settings, world)
        self.settings = settings

    def behaviour(self, node: Node) -> Behaviour:
        notes, outbox = node.storage.notes, Outbox(self, node, "all")
        # Neighbours count alike; a crash takes the mail for the next round, which isn't sent again.
        notes[ROUND] = notes.get(ROUND, 0) + 1
        yield from self.catch_up(node)
        while True:
            model = yield from node.train(node.storage.newest)
            if model is not None:
                node.keep(model)
                notes[ROUND] += 1
                push = Push(notes[ROUND], node.version, len(self.peers(node)), model)
                yield from self.exchange(node, push, outbox)
                yield from self.average(node, self.taken(node))

    def exchange(self, node: Node, push: Push, outbox: Outbox) -> Behaviour:
        """Send to each neighbour to whom the last push isn't still under way."""
        outbox.push(outbox.first(self.peers(node)), push)
        yield from ()

    def taken(self, node: Node) -> dict[int, Push]:
        """Take the newest model of each neighbour that has come since the last average."""
        mail, node.inbox = node.inbox, []
        return {transfer.source: transfer.payload for transfer in mail}

    def average(self, node: Node, came: dict[int, Push]) -> Behaviour:
        """x_i = sum of W_ij x_j over the node and those of whom something came.

        W is that of the graph of members. Who has left since it sent counts once more.
        """
        if came:
            models = {peer: push.model for peer, push in came.items()}
            degrees = {peer: push.degree for peer, push in came.items()}
            degrees[node.index] = max(len(self.peers(node)), len(came))
            yield from self.merge(node, models, metropolis(node.index, degrees))
            self.count(node, {peer: push.version for peer, push in came.items()})
            node.storage.is_merge_newer = True


class Blocking(Nonblocking):
    """`exchange: blocking`: a round is over when the neighbours' models are there.

    What finds no room in a client's memory has come, too: nobody sends it again.
    """

    def __init__(self, settings: DPSGD, world: World) -> None:
        super().__init__(settings, world)
        # By client the first round that mail can be of use to, and what found no room: from whom,
        # and of which round.
        self._next = [0 for _ in world.clients]
        self._refused: list[list[tuple[int, int]]] = [[] for _ in world.clients]

    def behaviour(self, node: Node) -> Behaviour:
        self._next[node.index], self._refused[node.index] = (
            node.storage.notes.get(ROUND, 0) + 2,
            [],
        )
        yield from super().behaviour(node)

    def push_arrives(self, push: Transfer) -> None:
        """Where memory is bounded, what comes too late for any round takes no room."""
        node, number = self.world.clients[push.target], push.payload.number
        if node.machine.room is not None:
            if self.settings.counts == "senders" and number < self._next[node.index]:
                return
            if self.is_full(node):
                self._refused[node.index].append((push.source, number))
        super().push_arrives(push)

    def exchange(self, node: Node, push: Push, outbox: Outbox) -> Behaviour:
        """Deliver to all at once; then wait for theirs, which may have come meanwhile."""
        began_s, how = node.clock.now, self.settings
        peers = self.live_peers(node) if how.skip_suspected else self.peers(node)
        patience = how.push_timeout, how.skip_suspected
        sending = [self.delivered(node, peer, push, *patience) for peer in peers.tolist()]
        yield node.clock.all_of([node.spawn(each) for each in sending])
        over = self.timeout(how.receive_timeout)
        while not over.processed and len(missing := self._missing(node, peers, began_s)):
            yield from self.until_news(node, missing.tolist(), node.mail(), over)

    def _missing(self, node: Node, peers: Ints, began_s: float) -> Ints:
        """Those of `peers` [n] for whom the node waits."""
        if self.is_full(node):
            return peers[:0]
        if self.settings.skip_suspected:
            # Who has started anew has lost its part in the round, and what it was sent.
            peers = peers[~self.world.detector.lost(node.index, peers, began_s)]
        else:
            peers = peers[self.world.network.members(node.index, peers)]
        refused = self._refused[node.index]
        if self.settings.counts == "messages":
            return peers if len(node.inbox) + len(refused) < len(peers) else peers[:0]
        came, newest = self._of_round(node)
        # Who is two rounds behind lets others wait if it waits for the rest.
        is_behind = newest > node.storage.notes[ROUND] + 1
        there = [
            *came,
            *(peer for peer, number in refused if number >= node.storage.notes[ROUND]),
        ]
        return peers[:0] if is_behind else peers[~np.isin(peers, there)]

    def taken(self, node: Node) -> dict[int, Push]:
        """Take what the node has waited for; the rest stays for later rounds."""
        if self.settings.counts == "messages":
            most = len(self.peers(node))
            mail, node.inbox = node.inbox[:most], node.inbox[most:]
            del self._refused[node.index][: most - len(mail)]
            return {transfer.source: transfer.payload for transfer in mail}
        came, newest = self._of_round(node)
        # Who has missed rounds trains the one next that its neighbours are in.
        number = node.storage.notes[ROUND] = max(node.storage.notes[ROUND], newest - 1)
        node.inbox = [transfer for transfer in node.inbox if transfer.payload.number > number]
        self._next[node.index] = number + 1
        refused = self._refused[node.index]
        self._refused[node.index] = [one for one in refused if one[1] > number]
        return came

    def _of_round(self, node: Node) -> tuple[dict[int, Push], int]:
        """Each neighbour's first model of the node's round or a later one; the newest's number."""
        number = node.storage.notes[ROUND]
        mail = [(t.source, t.payload) for t in reversed(node.inbox) if t.payload.number >= number]
        return dict(mail), max([number, *(push.number for _, push in mail)])
