"""Servers that may take over from each other: one leads, and replicates its model to the others."""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import simpy
from pydantic import Field

from sim.compute import ModelRef
from sim.protocols.protocol import Running
from sim.protocols.shared.elections import Elections, Leader
from sim.protocols.shared.participants import Order, Participants, Report, ServerProtocol
from sim.record.rows import MOST_STANDBYS, SERVER, standby_name
from sim.record.settings import Count
from sim.world import Behaviour, Node, Transfer, World


class StandbyProtocol(ServerProtocol):
    """The settings of a protocol whose server may have standbys."""

    standbys: Annotated[int, Field(ge=0, le=MOST_STANDBYS)] = Field(
        default=0, description="servers beside the first, one of which takes over when it is lost"
    )
    replicate_every: Count = Field(
        default=1, description="server rounds between two replicas that are sent to each standby"
    )

    @property
    def servers(self) -> tuple[str, ...]:
        return (SERVER, *(standby_name(number) for number in range(1, self.standbys + 1)))

    @property
    def needs_detection(self) -> bool:
        return self.standbys > 0

    @property
    def unused(self) -> dict[str, str]:
        return {} if self.standbys else {"replicate_every": "there are no standbys"}

    def led(self, world: World, server: type[Participants]) -> Running:
        """The protocol under one `server`, or under several of which one leads."""
        return Standbys(self, world, server) if self.standbys else server(self, world)


@dataclass(frozen=True)
class Replica:
    """A leader's message to a standby: what it has in stable storage itself."""

    term: int
    model: ModelRef
    server_round: int
    notes: dict[str, Any]


class Standbys(Elections):
    """Clients under a server and its standbys; `rounds` is what each of these does if it leads."""

    settings: StandbyProtocol

    def __init__(self, settings: StandbyProtocol, world: World, server: type[Participants]) -> None:
        super().__init__(settings, world)
        self.rounds = {node.index: server(settings, world, node, self) for node in world.servers}
        self._newest = Leader(0, world.servers[0].index, 0.0)
        # In the memory of a leader: what it last had to replicate.
        self._due: dict[int, Replica | None] = {}

    def behaviour(self, node: Node) -> Behaviour:
        return self._serve(node) if node.index in self.rounds else self.participate(node)

    def local_round(self, node: Node, order: Order) -> Generator[simpy.Event, Any, Report]:
        """See Clients; what a protocol's clients do is the same whoever leads."""
        return self.rounds[self.world.servers[0].index].local_round(node, order)

    # -- a leader ------------------------------------------------------------------------------

    def _serve(self, node: Node) -> Behaviour:
        self.begin(node)
        if node is self.world.server and node.clock.now == 0:
            self._take_office(node, 0)
            yield from self._in_office(node)
        while True:
            term = yield from self.elected(node)
            self._take_office(node, term)
            self.announce(node, np.delete(self.everyone, node.index))
            yield from self._in_office(node)

    def _take_office(self, node: Node, term: int) -> None:
        terms, rounds = self.terms(node), self.rounds[node.index]
        terms.leader, terms.kept = Leader(term, node.index, node.clock.now), term
        self._newest = max(self._newest, terms.leader)
        rounds.term = term
        rounds.restore()  # Now, since it may step down at once, and keep what there is.
        node.inbox.clear()
        # At first all have the same.
        self._due[node.index] = self._replica(node) if term else None
        standbys = (server for server in self.world.servers if server is not node)
        work = (rounds.serve(), *(self._replicate(node, standby) for standby in standbys))
        self.leading[node.index] = [node.spawn(each) for each in work]

    def _in_office(self, node: Node) -> Behaviour:
        """Lead while in touch with a majority, until another leads."""
        detector, others = self.world.detector, np.delete(self.everyone, node.index)
        watch = detector.watch(node.index, others)
        try:
            while node.index in self.leading:
                if watch.news.triggered:
                    watch.again()
                # Reports come all the time; the belief in the others changes with news alone.
                if not self.has_majority(node):
                    self.step_down(node)
                while node.index in self.leading and not watch.news.triggered:
                    yield node.clock.first_of(watch.news, node.mail())
        finally:
            watch.end()
            self.leading.pop(node.index, None)

    def step_down(self, node: Node) -> None:
        """Lead no longer; what there is at that time goes into stable storage."""
        for process in self.leading.pop(node.index):
            if process.is_alive:
                process.interrupt("another may lead")
        self.world.network.recall(node.index)
        self.rounds[node.index].checkpoint()

    # -- replicas ------------------------------------------------------------------------------

    def round_finished(self, server: Node) -> None:
        if self.rounds[server.index].server_round % self.settings.replicate_every == 0:
            self.rounds[server.index].checkpoint()
            self._due[server.index] = self._replica(server)
            server.nudge()

    def _replica(self, node: Node) -> Replica:
        storage = node.storage
        notes = {name: each for name, each in storage.notes.items() if name != "terms"}
        return Replica(self.terms(node).leader.term, storage.model, storage.rounds, notes)

    def _replicate(self, node: Node, standby: Node) -> Behaviour:
        """Let a standby have the newest replica, one at a time, as long as `node` leads."""
        detector, peer = self.world.detector, np.array([standby.index])
        sent, sent_s = None, 0.0
        while True:
            due = self._due[node.index]
            if detector.restarted(node.index, peer, np.array([sent_s]))[0]:
                sent = None  # It may have lost its storage.
            if due is None or due is sent or self.suspects(node, standby.index):
                yield from self.until_news(node, [standby.index], node.mail())
                continue
            began_s = node.clock.now
            if (yield from self._replicated(node, standby, due)):
                sent, sent_s = due, began_s

    def _replicated(
        self, node: Node, standby: Node, replica: Replica
    ) -> Generator[simpy.Event, Any, bool]:
        """One try: ends when it has arrived, or can't."""
        began_s = node.clock.now
        transfer = self.world.network.send(
            node.index,
            standby.index,
            self.world.model_bytes * (1 + _models(replica.notes)),
            replica,
            delivered=self._replica_arrives,
            acknowledge=True,
            purpose="replica",
        )
        while not transfer.settled.triggered:
            yield from self.until_news(node, [standby.index], transfer.settled)
            if self.lost(node, standby.index, began_s):
                self.world.network.cancel(transfer)
                return False
        return bool(transfer.settled.value)

    def _replica_arrives(self, transfer: Transfer) -> None:
        node, replica = self.nodes[transfer.target], transfer.payload
        if self.heeds(node, Leader(replica.term, transfer.source, transfer.start_s)):
            node.storage.model, node.storage.rounds = replica.model, replica.server_round
            node.storage.notes |= replica.notes
            self.terms(node).kept = replica.term

    # -- what the observer asks ----------------------------------------------------------------

    def held(self) -> tuple[ModelRef, int, bool]:
        """See Clients: the newest leader's model; the newest copy if nobody leads."""
        rounds = self.rounds[self._newest.node]
        if self._newest.node in self.leading and rounds.term == self._newest.term:
            return rounds.global_model, rounds.server_round, True
        newest = max(self.world.servers, key=self.rank)
        return newest.storage.model, newest.storage.rounds, False


def _models(notes: Any) -> int:
    """How many models there are in what a server has noted."""
    if isinstance(notes, dict):
        notes = tuple(notes.values())
    return sum(map(_models, notes)) if isinstance(notes, tuple) else isinstance(notes, ModelRef)
