"""Cyclic weight transfer: no server; one model visits client after client and is trained at each.

Chang et al., "Distributed deep learning networks among institutions for medical imaging", Journal
of the American Medical Informatics Association 25, 2018, doi 10.1093/jamia/ocy017.
"""

import itertools
from typing import Literal, NamedTuple

from pydantic import Field

from sim.compute import ModelRef
from sim.protocols.protocol import KIND, Running
from sim.protocols.shared.rounds import HandingOn, Rounds
from sim.world import Behaviour, Node, Transfer, World


class Cyclic(HandingOn):
    """Serverless: one model visits client after client, and is trained at each.

    Source: Chang et al. 2018, doi 10.1093/jamia/ocy017.
    """

    kind: Literal["cyclic"] = Field(default="cyclic", description=KIND)
    order: Literal["fixed", "shuffled"] = Field(
        default="fixed", description="in which order clients are visited: by number, or drawn anew"
    )
    resend: bool = Field(
        default=False,
        description="whether the client before sends the model on again when its holder is lost",
    )

    def run(self, world: World) -> Running:
        return Visits(self, world)


class Leg(NamedTuple):
    """The model on its way to a client; of two copies the one with the higher number lives on."""

    number: int
    model: ModelRef


class Sent(NamedTuple):
    """A leg that a client sent, to whom, and when it was there: it looks after the holder."""

    leg: Leg
    holder: int
    at_s: float


class Visits(Rounds):
    """Legs are numbered; the number says whom a leg leads to, whoever sends it.

    All is in stable storage. A client that holds the model: `is_merge_newer` while that is to be
    trained, then `unreported`, the leg that is to be passed on. In its notes: `round`, the number
    of its newest leg, `before`, who sent it, and `sent`, while it looks after that.
    """

    def __init__(self, settings: Cyclic, world: World) -> None:
        super().__init__(world, settings.ack_timeout)
        self.settings = settings

    def visited(self, number: int) -> int:
        """Whom a leg leads to: all clients once in each lap."""
        lap, place = divmod(number, len(self.world.clients))
        if self.settings.order == "fixed":
            return place
        draws = self.world.streams.stream("visits", lap)
        return int(draws.permutation(len(self.world.clients))[place])

    def behaviour(self, node: Node) -> Behaviour:
        is_new = node.storage.incarnation == 0 and "round" not in node.storage.notes
        if is_new and self.visited(first := self._first()) == node.index:
            self._take(node, Leg(first, node.storage.received))
        while True:
            sent = node.storage.notes.get("sent")
            if node.storage.is_merge_newer:
                yield from self._train(node)
            elif node.storage.unreported is not None:
                yield from self._pass_on(node, node.storage.unreported)
            elif sent is None:
                yield node.mail()
            elif self.lost(node, sent.holder, sent.at_s):
                node.storage.unreported = node.storage.notes.pop("sent").leg
            else:
                yield from self.until_news(node, [sent.holder], node.mail())

    def _first(self) -> int:
        """The leg with which all begins: the first that leads to a founder."""
        founders = self.founders()
        return next(number for number in itertools.count() if self.visited(number) in founders)

    def _train(self, node: Node) -> Behaviour:
        """Train what came; a failed attempt passes it on as it is."""
        number, base = self.number(node), node.storage.received
        model = yield from node.train(base)
        if self.number(node) == number:  # Else another copy has come, and lives on.
            if model is not None:
                node.keep(model)
            node.storage.is_merge_newer = False
            node.storage.unreported = Leg(number, base if model is None else model)

    def _pass_on(self, node: Node, leg: Leg) -> Behaviour:
        """To the first after this leg who is ready for it; who is alone trains it once more.

        Each has its place in the order, whether it is there or not. Whoever leaves with the model
        takes it along, as in a crash.
        """

        def is_over() -> bool:
            return node.storage.unreported is not leg

        number, asked = leg.number, {node.index}
        while not is_over():
            number += 1
            peer, following = self.visited(number), Leg(number, leg.model)
            if peer == node.index:
                # No leg: a copy that is cut off must not overtake what the others have done.
                if len(asked) == len(self.world.clients):
                    self._take(node, leg)
            elif (yield from self.handed(node, peer, following, self._arrives, is_over)):
                node.storage.unreported = None
                if self.settings.resend:
                    self._release(node, node.storage.notes.pop("before", None))
                    node.storage.notes["sent"] = Sent(following, peer, node.clock.now)
            asked.add(peer)

    def _arrives(self, transfer: Transfer) -> None:
        node, leg = self.world.clients[transfer.target], transfer.payload
        if leg.number > self.number(node):
            self._take(node, leg)
            node.storage.notes["before"] = transfer.source
        elif self.settings.resend:
            self._release(node, transfer.source)

    def _take(self, node: Node, leg: Leg) -> None:
        """The node is the holder; what it had to do for an earlier leg is over."""
        node.storage.received, node.storage.is_merge_newer = leg.model, True
        node.storage.notes["round"], node.storage.unreported = leg.number, None
        node.storage.notes.pop("sent", None)
        node.nudge()

    def _release(self, node: Node, before: int | None) -> None:
        """Tell who sent the model that it is in others' hands."""
        if before is not None and not self.suspects(node, before):
            self.world.network.send(
                node.index,
                before,
                payload=self.number(node),
                delivered=self._released,
                purpose="passed_on",
            )

    def _released(self, transfer: Transfer) -> None:
        node = self.world.clients[transfer.target]
        sent = node.storage.notes.get("sent")
        if sent is not None and sent.leg.number <= transfer.payload:
            del node.storage.notes["sent"]
            node.nudge()
