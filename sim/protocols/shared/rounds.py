"""What serverless protocols have in common whose rounds are numbered: updates that one collects."""

import math
from collections.abc import Callable, Generator, Iterable, Mapping
from typing import Any

import numpy as np
import simpy
from pydantic import Field

from sim.compute import ModelRef
from sim.protocols.protocol import Fastest, Protocol
from sim.protocols.shared.peers import Ints, Peers
from sim.record.errors import check_least
from sim.record.settings import PositiveSeconds, brief_waits
from sim.world import Behaviour, LossCause, Node, Transfer, World


def never() -> bool:
    """Nothing makes it pointless."""
    return False


class HandingOn(Protocol):
    """The settings of a protocol whose clients offer a model before they send it."""

    ack_timeout: PositiveSeconds = Field(
        default=10.0, description="how long a client may take to say that it is ready for a model"
    )

    def check_times(self, fastest: Fastest) -> None:
        what = "is shorter than any round trip: nobody would ever be ready"
        check_least(self.ack_timeout, fastest.round_trip_s, what, "ack_timeout")

    def events(self, duration_s: float) -> float:
        return brief_waits(self.ack_timeout, duration_s)


class Rounds(Peers):
    """Clients that know how far their model has come by the number of its round.

    `ack_timeout_s`: how long the offer of a model may stay unacknowledged. `retries`: whether a
    model that is lost on its way is offered again.
    """

    def __init__(
        self, world: World, ack_timeout_s: float | None = None, *, retries: bool = True
    ) -> None:
        super().__init__(None, world)
        self.ack_timeout_s = ack_timeout_s
        self.retries = retries

    def number(self, node: Node) -> int:
        """The round of the newest model that came to the node since it last lost its storage."""
        return int(node.storage.notes.get("round", 0))

    def staleness(self) -> list[float]:
        """How many rounds the newest model of all members is ahead of each client's."""
        clients = self.world.clients
        newest = max((self.number(node) for node in clients if node.is_member), default=0)
        return [float(max(0, newest - self.number(node))) for node in clients]

    def founders(self) -> Ints:
        """Those [n] with whom it begins, ascending: who is up then, which all know."""
        return np.flatnonzero(self.world.network.starters()[: len(self.world.clients)])

    def send_model(
        self,
        node: Node,
        peer: int,
        payload: Any,
        delivered: Callable[[Transfer], object],
        *,
        acknowledge: bool = False,
    ) -> Transfer:
        """Send a peer a message that has one model in it."""
        return self.world.network.send(
            node.index,
            peer,
            self.world.model_bytes,
            payload,
            delivered=delivered,
            acknowledge=acknowledge,
            purpose="model",
        )

    def handed(
        self,
        node: Node,
        peer: int,
        payload: Any,
        delivered: Callable[[Transfer], object],
        is_pointless: Callable[[], bool],
    ) -> Generator[simpy.Event, Any, bool]:
        """Offer a model to a peer, and send it: whether it is there.

        The offer has to be acknowledged in time; the model may take as long as it comes.
        """
        while not (is_pointless() or self.suspects(node, peer)):
            offer = self.world.network.send(node.index, peer, acknowledge=True, purpose="offer")
            if not (yield from self.acknowledged(node, offer, is_pointless, self.ack_timeout_s)):
                return False
            sent = self.send_model(node, peer, payload, delivered, acknowledge=True)
            if (yield from self.acknowledged(node, sent, is_pointless)):
                return True
            if not self.retries:
                return False
        return False

    def average(
        self, node: Node, models: Mapping[int, ModelRef]
    ) -> Generator[simpy.Event, Any, ModelRef]:
        """The average of `models`, by client, with or without the node's own, by sample size."""
        others = [peer for peer in models if peer != node.index]
        if others:
            yield from self.merging(node, others, with_own=node.index in models)
        return self.world.averaged(models)

    def acknowledged(
        self,
        node: Node,
        message: Transfer,
        is_pointless: Callable[[], bool],
        within_s: float | None = None,
    ) -> Generator[simpy.Event, Any, bool]:
        """Whether a message that was just sent is acknowledged, `within_s` if that is given.

        It is broken when that is over, when its receiver is suspected or has started anew, or when
        it has become pointless, which is looked at whenever the node is nudged.
        """
        started_s, peer = self.world.clock.now, message.target
        timeout = self.timeout(within_s)
        while True:
            yield from self.until_news(node, [peer], message.settled, node.mail(), timeout)
            if message.settled.triggered:
                return bool(message.settled.value)
            lost = self.lost(node, peer, started_s)
            if lost or timeout.processed or is_pointless():
                cause: LossCause = "timeout" if timeout.processed else "abandoned"
                self.world.network.cancel(message, cause)
                return False

    def collected(
        self,
        node: Node,
        senders: Iterable[int],
        updates: Mapping[int, Any],
        *,
        minimum: int,
        enough: int,
        patience_s: float | None,
        lost_since_s: float = math.inf,
        is_pointless: Callable[[], bool] = never,
    ) -> Behaviour:
        """Wait at an aggregator until `updates`, by sender, hold what its round can come to.

        That is: `enough` of them; or at least `minimum`, of all `senders` whom it doesn't suspect,
        nor knows to have started anew since `lost_since_s`, or whoever is missing `patience_s`
        after they were there (None: never). Who adds to them nudges the node.
        """
        everyone = np.array(sorted(senders), dtype=np.int64)
        patience: simpy.Event | None = None
        while not is_pointless() and len(updates) < enough:
            missing = everyone[~np.isin(everyone, list(updates))]
            awaited = missing[~self.world.detector.lost(node.index, missing, lost_since_s)]
            if len(updates) >= minimum:
                if not len(awaited) or (patience is not None and patience.processed):
                    return
                patience = patience or self.timeout(patience_s)
            events = () if patience is None else (patience,)
            yield from self.until_news(node, missing.tolist(), node.mail(), *events)
