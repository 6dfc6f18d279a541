"""BrainTorrent: no server; each client asks its peers for newer models and merges them.

Roy, Siddiqui, Pölsterl, Navab, Wachinger, "BrainTorrent: A Peer-to-Peer Environment for
Decentralized Federated Learning", 2019, arXiv 1905.06731, section 2.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import simpy
from pydantic import Field

from sim.compute import ModelRef
from sim.protocols.protocol import KIND, Fastest, Running
from sim.protocols.shared.fetching import Arrived, Copies, Fetch, Torrent
from sim.protocols.shared.peers import Ints, OverTopology, Peers
from sim.record.errors import check_least
from sim.record.settings import AllOrCount, Count, PositiveSeconds
from sim.world import INCARNATION, Behaviour, History, Node, Ping, Tie, World

CHUNKS = 4
Act = Callable[[Node], Behaviour]


class BrainTorrent(OverTopology):
    """Serverless: clients ask peers for newer models, merge them and fine-tune.

    Source: Roy et al. 2019, arXiv 1905.06731.
    """

    kind: Literal["braintorrent"] = Field(default="braintorrent", description=KIND)
    schedule: Literal["independent", "random_initiator", "lockstep"] = Field(
        default="independent", description="who merges when"
    )
    peers: AllOrCount = Field(default="all", description="how many random peers to ping")
    max_senders: AllOrCount = Field(
        default="all", description="from how many of the newer peers to fetch weights"
    )
    ping_timeout: PositiveSeconds | None = Field(
        default=None,
        description="how long to wait for replies; if left out, three round trips and at least 1 s",
    )
    transfer_timeout: PositiveSeconds | None = Field(
        default=None,
        description="longest time for one transfer, however it goes on; none if left out",
    )
    transfer: Literal["whole", "chunks"] = Field(
        default="whole",
        description="how a model travels; chunks: in parts, from whoever has that version",
    )
    chunks: Count | None = Field(
        default=None, description=f"how many parts a model has in chunks; {CHUNKS} if left out"
    )

    @property
    def unused(self) -> dict[str, str]:
        return {"chunks": "models travel whole"} if self.transfer == "whole" else {}

    def check_times(self, fastest: Fastest) -> None:
        if self.ping_timeout is not None:
            what = "is shorter than any round trip: no ping would ever be answered"
            check_least(self.ping_timeout, fastest.round_trip_s, what, "ping_timeout")
        if self.transfer_timeout is not None:
            what = "is shorter than any transfer: no model would ever be fetched"
            if self.transfer == "chunks":  # The others may come from others at the same time.
                largest = -(-fastest.model_bytes // (self.chunks or CHUNKS))
                fastest = replace(fastest, model_bytes=largest)
            check_least(self.transfer_timeout, fastest.fetch_s, what, "transfer_timeout")

    def run(self, world: World) -> Running:
        return SCHEDULES[self.schedule](self, world)


class Independent(Peers):
    """`schedule: independent`: each client at its own pace; what a client does in any schedule."""

    def __init__(self, settings: BrainTorrent, world: World) -> None:
        super().__init__(settings, world)
        self.settings = settings
        self.versions = History(len(world.clients), 0)
        self.copies = Copies(len(world.clients))

    def behaviour(self, node: Node) -> Behaviour:
        self.copies.forget(node)
        while True:
            yield from self.local_round(node)

    def local_round(self, node: Node) -> Behaviour:
        """Merge what is newer, fine-tune; a client that never trained only trains.

        A newcomer merges first: its model is then the average of what others sent, if any did.
        """
        self.publish(node)
        if node.storage.rounds == 0 and not node.storage.is_newcomer:
            yield from self.fine_tune(node, node.storage.model, {})
        else:
            arrived = yield from self.newer_models(node)
            merged = yield from self.merged(node, arrived)
            yield from self.fine_tune(node, merged, arrived)

    def fine_tune(self, node: Node, base: ModelRef, arrived: Arrived) -> Behaviour:
        """Train `base`; the model, its version and what it has merged become stable together."""
        model = yield from node.train(base)
        if model is not None:
            node.keep(model)
            self.count(node, _versions(arrived))
            self.publish(node)

    def publish(self, node: Node) -> None:
        """Answer pings with the version in storage from now on."""
        if self.versions.current[node.index] != node.version:
            self.versions.change(node.index, node.clock.now, node.version)

    # -- one merge -----------------------------------------------------------------------------

    def newer_models(self, node: Node) -> Generator[simpy.Event, Any, Arrived]:
        """Ping, then fetch: (model, version) of each peer with v_new > v_old that sent it."""
        counter = node.attempts
        ping = yield from self._pinged(node)
        answered, reached_s = ping.peers[ping.answered], ping.reached_s[ping.answered]
        versions = self.versions.at(answered, reached_s, inclusive=True)
        # A peer that lost its storage has nothing to give until it has trained again.
        newer = (versions > self._merged_versions(node, answered)) & (versions % INCARNATION > 0)
        most = self.fitting(node, self.settings.max_senders)
        senders = self.drawn(node, "senders", answered[newer], most, counter)
        theirs = versions[np.searchsorted(answered, senders)]  # Both ascend.
        wanted = dict(zip(senders.tolist(), theirs.tolist(), strict=True))
        fetch = self._begun(node, ping, wanted)
        return (yield from self._fetched(node, fetch))

    def _begun(self, node: Node, ping: Ping, wanted: dict[int, int]) -> Fetch:
        """Ask for these versions, by owner: their owners, or whoever told that they have them."""
        chunks, size = self.settings.chunks or CHUNKS, self.world.model_bytes
        if self.settings.transfer == "whole":
            torrents = {owner: Torrent.cut(None, size, 1) for owner in wanted}
            offers = {owner: [owner] for owner in wanted}
        else:
            torrents = {owner: Torrent.cut(wanted[owner], size, chunks) for owner in wanted}
            offers = self.copies.offers(ping, wanted)
        return Fetch(self.world, node, self.copies, torrents, offers)

    def _pinged(self, node: Node) -> Generator[simpy.Event, Any, Ping]:
        """Ask those that aren't suspected, once, what they have."""
        peers = self.picked(node, "peers", self.settings.peers, node.attempts)
        ping = node.network.ping(node.index, peers, self.settings.ping_timeout)
        yield ping.replied
        return ping

    def merged(self, node: Node, arrived: Arrived) -> Generator[simpy.Event, Any, ModelRef]:
        """The average over the client itself and those that sent, weighted by sample size.

        What has come counts, whoever has left since it sent it.
        """
        if not arrived:
            return node.storage.model
        models = {peer: model for peer, (model, _) in arrived.items()}
        return (yield from self.merge(node, models))

    def _merged_versions(self, node: Node, peers: Ints) -> Ints:
        seen = node.storage.merged or {}
        versions = np.zeros(len(self.world.clients), dtype=np.int64)
        # A thousand peers are asked about at a time, of which few have been merged.
        versions[list(seen)] = list(seen.values())
        return versions[peers]

    def _fetched(self, node: Node, fetch: Fetch) -> Generator[simpy.Event, Any, Arrived]:
        """What comes of those who are neither suspected on the way nor silent for too long."""
        cap = self.timeout(self.settings.transfer_timeout)
        try:
            while fetch.is_open:
                fetch.give_up_lost()
                if fetch.is_open:
                    yield from self.until_news(node, fetch.peers, fetch.complete, cap)
                if cap.processed:
                    fetch.give_up("timeout")
        finally:
            fetch.close()  # A crash ends the wait, too.
        return {peer: got for peer, got in fetch.arrived.items() if got[1] % INCARNATION > 0}


def _versions(arrived: Arrived) -> dict[int, int]:
    return {peer: version for peer, (_, version) in arrived.items()}


class Coordinated(Independent, ABC):
    """Clients wait for their turn; `coordinate` hands the turns out.

    It stands for an agreement that the paper does not spell out: it costs no virtual time and no
    messages. Its barriers wait for who has crashed until that is known: for the detector's longest
    delay, or until the client is back. Who leaves takes leave of it, and isn't waited for.
    """

    def __init__(self, settings: BrainTorrent, world: World) -> None:
        super().__init__(settings, world)
        self._ready: dict[int, simpy.Event] = {}
        self._busy: dict[int, None] = {}
        self._lives = [0] * len(world.clients)
        self._changed = world.clock.event()
        self._turns = 0
        world.clock.process(self.coordinate())

    @abstractmethod
    def coordinate(self) -> Behaviour:
        """Hand out turns until the end of the run."""

    def behaviour(self, node: Node) -> Behaviour:
        self.copies.forget(node)
        self.publish(node)
        self._busy.pop(node.index, None)
        self._lives[node.index] += 1
        try:
            while True:
                turn = self._ready[node.index] = node.clock.event()
                self._notify()
                act: Act = yield turn
                yield from act(node)
                self._busy.pop(node.index, None)
        except simpy.Interrupt:
            if not node.is_member:
                self._strike_off(node)
            elif self.world.detector.latest_s < math.inf:
                self.world.clock.process(self._found_out(node, self._lives[node.index]))
            raise

    def _found_out(self, node: Node, life: int) -> Behaviour:
        """A crash becomes known, unless the client is back by then."""
        yield self.world.clock.after(self.world.detector.latest_s, Tie.TIMEOUT)
        if self._lives[node.index] == life:
            self._strike_off(node)

    def _strike_off(self, node: Node) -> None:
        """Nobody waits for the client any longer."""
        self._ready.pop(node.index, None)
        self._busy.pop(node.index, None)
        self._notify()

    def _notify(self) -> None:
        changed, self._changed = self._changed, self.world.clock.event()
        changed.succeed()

    def everyone(self, act: Act) -> Behaviour:
        """All clients that are up act; returns when those that stay up have finished."""
        while not self._ready:
            yield self._changed
        yield from self._turn(sorted(self._ready), act)

    def someone(self, act: Act) -> Behaviour:
        """One client that is up, drawn at random, acts."""
        while not self._ready:
            yield self._changed
        ready = sorted(self._ready)
        draw = self.world.streams.stream("initiator", self._turns)
        luck = draw.random(len(self.world.clients))
        self._turns += 1
        yield from self._turn([min(ready, key=lambda index: luck[index])], act)

    def _turn(self, indices: list[int], act: Act) -> Behaviour:
        for index in indices:
            self._busy[index] = None
            self._ready.pop(index).succeed(act)
        while self._busy:
            yield self._changed


class RandomInitiator(Coordinated):
    """`schedule: random_initiator`: one client at a time, the others idle (figure 1b)."""

    def coordinate(self) -> Behaviour:
        """All train once, then one random client after the other merges and fine-tunes."""
        yield from self.everyone(self.local_round)
        while True:
            yield from self.someone(self.local_round)


class Lockstep(Coordinated):
    """`schedule: lockstep`: all train, then one random client merges (the step list, literally)."""

    def coordinate(self) -> Behaviour:
        """All train, one merges, again and again."""
        while True:
            yield from self.everyone(self._train)
            yield from self.someone(self._merge)

    def _train(self, node: Node) -> Behaviour:
        if node.storage.is_newcomer:
            yield from self.local_round(node)
        else:
            yield from self.fine_tune(node, node.storage.newest, {})

    def _merge(self, node: Node) -> Behaviour:
        if node.storage.rounds == 0:
            return  # It has learned nothing yet that could be averaged with what others have.
        arrived = yield from self.newer_models(node)
        if arrived:
            yield from self.merged(node, arrived)
            self.count(node, _versions(arrived))
            node.storage.is_merge_newer = True


SCHEDULES: dict[str, type[Independent]] = {
    "independent": Independent,
    "random_initiator": RandomInitiator,
    "lockstep": Lockstep,
}
