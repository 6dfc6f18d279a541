"""How clients agree, by messages alone, on whose turn it is to aggregate, and on which model.

Turns are ordered, and a client always goes by the newest that it has heard of. Whoever hears of an
older one answers with what it knows, so two that talk to each other end up with the same.
"""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from sim.compute import ModelRef
from sim.protocols.shared.peers import Gift
from sim.protocols.shared.rounds import Rounds
from sim.world import Behaviour, Node, Transfer, World

Members = tuple[int, ...]


class Turn(NamedTuple):
    """Whose turn it is; the greater of two is the newer.

    `is_last`: nothing comes after it, the job has ended. `term`: how many aggregators have been
    given up so far. `members`: who may follow this one.
    """

    is_last: bool
    round: int
    term: int
    aggregator: int
    members: Members


class Turns(Rounds):
    """Clients of whom one aggregates; a turn and the model of its round are in stable storage.

    `returns`: whether who was left out of the members of a turn is among the next round's again.
    """

    def __init__(self, world: World, ack_timeout_s: float, *, retries: bool, returns: bool) -> None:
        super().__init__(world, ack_timeout_s, retries=retries)
        self.returns = returns
        self.everyone: Members = tuple(range(len(world.clients)))
        # In each client's memory: the updates that came to it, by round and sender, the model that
        # it last sent to each peer, and the turns for which it aggregates, and for which the
        # aggregator has its update.
        self._updates: list[dict[int, dict[int, ModelRef]]] = [{} for _ in self.everyone]
        self._sent: list[dict[int, Transfer]] = [{} for _ in self.everyone]
        self._aggregates: list[Turn | None] = [None for _ in self.everyone]
        self.handed_in: list[Turn | None] = [None for _ in self.everyone]

    @abstractmethod
    def candidates(self, number: int) -> Sequence[int]:
        """All clients, in the order in which they may aggregate that round; the same for all."""

    @abstractmethod
    def aggregate(self, node: Node, turn: Turn) -> Behaviour:
        """What a client does beside its training when it is its turn."""

    def begin(self, node: Node) -> Behaviour:
        """The node starts, with nothing in its memory; others may have gone on meanwhile."""
        self._updates[node.index], self._sent[node.index] = {}, {}
        self._aggregates[node.index] = self.handed_in[node.index] = None
        yield from self.catch_up(node)
        if node.clock.now > 0:
            for peer in self.picked(node, "ask_of", 1, node.attempts).tolist():
                self.send_turn(node, peer)
        self.adopt(node, self.turn(node))

    def turn(self, node: Node) -> Turn:
        """The newest turn that the node has heard of since it last lost its storage."""
        turn: Turn | None = node.storage.notes.get("turn")
        return self._first() if turn is None else turn

    def _first(self) -> Turn:
        """The turn with which all begin."""
        founders = self.founders().tolist()
        first = next(each for each in self.candidates(0) if each in founders)
        return Turn(False, 0, 0, first, self.everyone)

    def gift(self, node: Node) -> Gift | None:
        """See Peers: the average that the node trains, and whose turn it is."""
        turn = self.turn(node)
        gift = Gift(node.storage.received, node.version, {"turn": turn})
        return gift if turn.round > 0 else None

    def number(self, node: Node) -> int:
        return self.turn(node).round

    def adopt(self, node: Node, turn: Turn) -> None:
        """Go by a turn whose model the node has; if it is its own, begin to aggregate."""
        node.storage.notes["turn"] = turn
        node.nudge()
        updates = self._updates[node.index]
        for done in [number for number in updates if number < turn.round]:
            del updates[done]
        is_its_own = turn.aggregator == node.index and not turn.is_last
        if is_its_own and turn != self._aggregates[node.index]:
            self._aggregates[node.index] = turn
            node.spawn(self.aggregate(node, turn))

    def is_over(self, node: Node, turn: Turn) -> Callable[[], bool]:
        """Whether the node goes by another turn by now."""
        return lambda: self.turn(node) != turn

    # -- updates -------------------------------------------------------------------------------

    def came(self, node: Node, turn: Turn) -> dict[int, ModelRef]:
        """The updates of the turn's round that the node has in its memory, by sender."""
        return self._updates[node.index].setdefault(turn.round, {})

    def take(self, node: Node, source: int, turn: Turn, update: ModelRef) -> None:
        """An update of the turn's round is there."""
        self.came(node, turn)[source] = update
        node.nudge()

    def update_arrives(self, transfer: Transfer) -> None:
        """Another's update has come, unless its round is over."""
        node, (turn, update) = self.world.clients[transfer.target], transfer.payload
        if turn.round >= self.turn(node).round:  # Else the average is on its way to the sender.
            self.take(node, transfer.source, turn, update)
            self._hear(node, transfer.source, turn)

    # -- the next turn -------------------------------------------------------------------------

    def elected(self, node: Node, turn: Turn) -> Turn:
        """The same round's turn of another, where the aggregator is given up."""
        members = tuple(each for each in turn.members if each != turn.aggregator)
        return self._turn(node, turn.round, turn.term + 1, members)

    def following(self, node: Node, turn: Turn) -> Turn:
        """The next round's turn."""
        members = self.everyone
        if not self.returns:
            here = (node.index, *self.company(node), *self._awaited(node))
            members = tuple(each for each in turn.members if each in here)
        return self._turn(node, turn.round + 1, turn.term, members)

    def _awaited(self, node: Node) -> list[int]:
        """Those of whom the node hasn't heard yet that they join: they were never left out."""
        joined_s, _ = self.world.network.heard_s(node.index, np.array(self.everyone))
        awaited: list[int] = np.flatnonzero(joined_s > node.clock.now).tolist()
        return awaited

    def _turn(self, node: Node, number: int, term: int, members: Members) -> Turn:
        """That of the first member whom the node doesn't suspect; its own if there is none."""
        live = (node.index, *self.live_peers(node).tolist())
        able = (each for each in self.candidates(number) if each in members and each in live)
        return Turn(False, number, term, next(able, node.index), members or (node.index,))

    def company(self, node: Node) -> list[int]:
        """The peers that the node goes on with, of those that it doesn't suspect."""
        members = self.everyone if self.returns else self.turn(node).members
        return [peer for peer in self.live_peers(node).tolist() if peer in members]

    # -- messages ------------------------------------------------------------------------------

    def send_turn(self, node: Node, peer: int, *, acknowledge: bool = False) -> Transfer:
        """Tell a peer of the node's turn; who knows an older one of the same round adopts it."""
        return self.world.network.send(
            node.index,
            peer,
            payload=self.turn(node),
            delivered=self._turn_arrives,
            acknowledge=acknowledge,
            purpose="turn",
        )

    def _turn_arrives(self, transfer: Transfer) -> None:
        """A turn has come, without a model."""
        self._hear(self.world.clients[transfer.target], transfer.source, transfer.payload)

    def model_arrives(self, transfer: Transfer) -> None:
        """A turn has come with the model of its round."""
        node, (turn, model) = self.world.clients[transfer.target], transfer.payload
        if turn > self.turn(node):
            node.storage.received = model
            self.adopt(node, turn)
        else:
            self._hear(node, transfer.source, turn)

    def _hear(self, node: Node, peer: int, turn: Turn) -> None:
        """A peer goes by `turn`: whoever of the two is behind is helped on.

        Nobody adopts a turn of a round whose model it lacks; to answer with an older one asks for
        that model. Who doesn't belong to it any longer gets no answer.
        """
        mine = self.turn(node)
        if turn > mine and (turn.is_last or turn.round == mine.round):
            self.adopt(node, turn)
        elif self.has_gone(node, peer):
            return  # What it sent was late, and its word that it leaves was there before.
        elif turn == mine:
            self._hear_again(node, peer, mine)
        elif turn.round >= mine.round or mine.is_last:
            self.send_turn(node, peer)
        elif self.returns or peer in mine.members:
            self._help(node, peer, mine)

    def _help(self, node: Node, peer: int, turn: Turn) -> None:
        """Send the model of a turn, unless it is on its way there.

        A slow link that carried it once more for each question would get slower with each.
        """
        sent = self._sent[node.index].get(peer)
        if sent is None or sent.settled.triggered or sent.payload[0] != turn:
            payload = (turn, node.storage.received)
            self.send_model(node, peer, payload, self.model_arrives, acknowledge=True)

    def send_model(
        self,
        node: Node,
        peer: int,
        payload: Any,
        delivered: Callable[[Transfer], object],
        *,
        acknowledge: bool = False,
    ) -> Transfer:
        """Send a peer a turn with an update or the model of its round."""
        sent = super().send_model(node, peer, payload, delivered, acknowledge=acknowledge)
        self._sent[node.index][peer] = sent
        return sent

    def _hear_again(self, node: Node, peer: int, turn: Turn) -> None:
        """A peer goes by the same turn: it or the aggregator asks for what a crash took."""
        if turn.aggregator == peer:
            self.handed_in[node.index] = None
            node.nudge()
        elif turn.aggregator == node.index and peer not in self.came(node, turn):
            self.send_turn(node, peer)
