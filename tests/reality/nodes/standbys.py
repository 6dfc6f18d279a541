"""FedAvg with standbys: its leader replicates the model to them, and is replaced when it is lost.

Elections are those of Raft: Ongaro, Ousterhout, "In Search of an Understandable Consensus
Algorithm", USENIX ATC 2014. Terms are dealt out as the ballots of Lamport, "The Part-Time
Parliament", ACM TOCS 16, 1998: of k servers the j-th leads in none but j, j + k, j + 2 k, ...
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from tests.reality.nodes.fedavg import TERM, Client, Round, Server
from tests.reality.nodes.node import Node, Protocol
from tests.reality.nodes.wire import Fields, Reply

Rank = list[int]
"""Whose copy of the model is newer: its term, its round, and of equals the first server's."""


class Leader(NamedTuple):
    """Who leads in a term, and a time at which it did."""

    term: int
    name: str
    since_s: float


@dataclass
class Election:
    """A candidate's count; `pending`: who hasn't answered."""

    term: int
    pending: list[str]
    votes: int = 1


class Voter(Protocol):
    """What any node does: follow the leader of the newest term that it has heard of, and vote.

    Stable: whom it follows, whether that one is known to lead no longer, the last term voted in.
    """

    def __init__(self, node: Node) -> None:
        super().__init__(node)
        self.leader = Leader(*node.storage.get("leader", (0, "server", 0.0)))
        self.election: Election | None = None
        self.called = 0

    @property
    def voted(self) -> int:
        """The newest term that it has voted in."""
        return int(self.node.storage.get("voted", 0))

    def rank(self) -> Rank:
        """How new its copy of the model is; a client has none that counts."""
        return []

    def follows(self) -> bool:
        """Whether it believes that there is a leader; who has started anew leads no longer."""
        lost = self.node.lost(self.leader.name, self.leader.since_s)
        return not (lost or self.node.storage.get("has_lapsed", False))

    def heeds(self, leader: Leader) -> bool:
        """Follow who says that it leads, unless there is a newer term: then tell it so."""
        if leader.term < self.leader.term:
            self.announce([leader.name])
            return False
        if leader.term > self.leader.term:
            self.step_down()
            self.election = None
            self.leader = leader
            voted = max(self.voted, leader.term)
            self.node.storage.keep(leader=leader, has_lapsed=False, voted=voted)
            self.node.nudge()
        return True

    def step_down(self) -> None:
        """Lead no longer, if it did."""

    def announce(self, peers: Iterable[str]) -> None:
        """Tell peers whom it follows."""
        for peer in self.node.trusted(peers):
            self.node.spawn(self.node.call(peer, "leader", leader=self.leader))

    def on_leader(self, _: str, leader: Any) -> None:
        self.heeds(Leader(*leader))

    def on_ballot(self, candidate: str, term: int, rank: Rank) -> Reply:
        """Grant a vote in a newer term, unless there is a leader, or its own copy is newer."""
        if candidate == self.leader.name and term > self.leader.term:
            self.node.storage.keep(has_lapsed=True)  # Who stands for election doesn't lead.
        follows, is_newer = self.follows(), self.rank() > rank
        granted = not follows and not is_newer and term > self.voted
        if granted:
            self.election = None
            self.node.storage.keep(voted=term)
        elif is_newer and not follows:
            self.called = term
        self.node.nudge()
        told = {"granted": granted, "is_newer": is_newer, "newest": self.voted}
        return Reply({**told, "leader": self.leader if follows else None})


class VotingClient(Voter, Client):
    """A client under several servers, of which one leads."""

    @property
    def server(self) -> str:
        return self.leader.name

    def is_pointless(self) -> bool:
        """See Client; nor does another leader take what was done for the one before."""
        number = self.unreported
        is_old = number is not None and number // TERM < self.leader.term
        return is_old or super().is_pointless()

    def on_order(self, server: str, attempt: int) -> None:
        if self.heeds(Leader(attempt // TERM, server, self.node.now())):
            super().on_order(server, attempt)


class StandbyServer(Voter, Server):
    """A server that leads, or may.

    Settings beside the others: `replicate_every`; `retry_initial` and `retry_cap`, for how long a
    candidate without a majority waits. Stable: its copy of the model, which another's replica
    replaces, and of which term that is.
    """

    def __init__(self, node: Node) -> None:
        super().__init__(node)
        self.servers = [name for name in node.config.addresses if name not in node.clients]
        self.work: list[asyncio.Task[None]] = []
        self.due: Fields | None = None

    async def run(self) -> None:
        if self.node.name == "server" and self.node.config.begins_s == 0:
            await self.lead(0)
        while True:
            term = await self.elected()
            await self.lead(term)

    # -- a leader ------------------------------------------------------------------------------

    async def lead(self, term: int) -> None:
        """Lead while in touch with a majority, until another leads."""
        node, self.term = self.node, term
        self.leader = Leader(term, node.name, node.now())
        node.storage.keep(leader=self.leader, kept=term)
        self.restore()
        self.due = self.replica() if term else None  # At first all have the same.
        standbys = [name for name in self.servers if name != node.name]
        self.work = [node.spawn(self.serve()), *(node.spawn(self.replicate(s)) for s in standbys)]
        if term:
            self.announce(node.others)
        await node.until(lambda: not self.work or not self.has_majority())
        self.step_down()

    def step_down(self) -> None:
        if self.work:
            for each in self.work:
                each.cancel()
            self.work, self.current = [], None
            self.checkpoint()

    def on_update(self, client: str, attempt: int) -> None:
        if self.work:  # What comes to a server that leads no longer is lost.
            super().on_update(client, attempt)

    def replica(self) -> Fields:
        """What is sent to standbys: what the leader has in stable storage itself."""
        get = self.node.storage.get
        return {"term": self.term, "rounds": get("rounds", 0), "come": get("come", {})}

    async def average(self, current: Round) -> None:
        await super().average(current)
        if self.rounds % self.settings["replicate_every"] == 0:
            self.due = self.replica()
            self.node.nudge()

    async def replicate(self, standby: str) -> None:
        """Let a standby have the newest replica, one at a time; once more if it starts anew."""
        node, sent, sent_s = self.node, dict[str, Any](), 0.0

        def is_due() -> bool:
            is_old = self.due != sent or node.lost(standby, sent_s)
            return self.due is not None and is_old and not node.suspects(standby)

        while True:
            await node.until(is_due)
            due, began_s = dict(self.due or {}), node.now()
            if await node.reach(standby, "replica", with_model=True, **due):
                sent, sent_s = due, began_s
            else:
                await node.sleep_until(began_s + self.settings["retry_initial"])

    def on_replica(self, leader: str, term: int, rounds: int, come: dict[str, int]) -> None:
        if self.heeds(Leader(term, leader, self.node.now())):
            self.node.storage.keep(rounds=rounds, come=come, kept=term)

    # -- a candidate ---------------------------------------------------------------------------

    def rank(self) -> Rank:
        get, number = self.node.storage.get, self.servers.index(self.node.name)
        return [get("kept", 0), get("rounds", 0), -number]

    def follows(self) -> bool:
        return bool(self.work) if self.leader.name == self.node.name else super().follows()

    def has_majority(self) -> bool:
        """Whether it believes that, with itself, more than half of all nodes are up."""
        return 2 * len(self.node.trusted(self.node.others)) + 2 > len(self.node.config.addresses)

    def stands(self) -> bool:
        """Whether it is the one to stand: who led last, was called, or is first alive."""
        if self.follows() or not self.has_majority():
            return False
        before = self.servers[: self.servers.index(self.node.name)]
        led = self.leader.name == self.node.name
        return led or self.called > 0 or not self.node.trusted(before)

    async def elected(self) -> int:
        """Stand whenever there is no leader: the term in which it leads then."""
        wait_s: float = self.settings["retry_initial"]
        while True:
            if not self.stands():
                await self.node.until(self.stands)
                wait_s = self.settings["retry_initial"]
            stood_s, election = self.node.now(), self.stand()
            if await self.wins(election):
                break
            await self.node.until(lambda: self.called > 0, self.node.now() + wait_s)
            wait_s = min(2 * wait_s, self.settings["retry_cap"])
        voters, number = len(self.node.config.addresses), self.node.storage.get("rounds", 0)
        self.node.note("lead", stood_s, round=number, asked=voters, answered=election.votes)
        return election.term

    def stand(self) -> Election:
        """Ask all for their votes in a term of its own that is newer than any it knows."""
        newer = max(self.voted, self.leader.term, self.called) + 1
        term = newer + (self.servers.index(self.node.name) - newer) % len(self.servers)
        self.called = 0
        self.node.storage.keep(voted=term)
        self.election = Election(term, self.node.trusted(self.node.others))
        for peer in list(self.election.pending):
            self.node.spawn(self.ask(peer, self.election))
        return self.election

    async def wins(self, election: Election) -> bool:
        """Whether it is elected, when that is decided."""
        await self.node.until(lambda: self.is_decided(election))
        return self.is_won(election)

    async def ask(self, peer: str, election: Election) -> None:
        """Count a node's vote."""
        reply = await self.node.reach(peer, "ballot", term=election.term, rank=self.rank())
        election.pending.remove(peer)
        if reply is not None:
            vote = reply.fields
            self.node.storage.keep(voted=max(self.voted, vote["newest"]))
            election.votes += vote["granted"]
            if vote["is_newer"] and self.election is election:
                self.election = None
            if vote["leader"]:
                self.heeds(Leader(*vote["leader"]))
        self.node.nudge()

    def is_won(self, election: Election) -> bool:
        """Whether a majority votes for it, and no server that is alive has a newer model."""
        is_owed = any(peer in self.servers for peer in election.pending)
        has_votes = 2 * election.votes > len(self.node.config.addresses)
        return self.election is election and has_votes and not is_owed

    def is_decided(self, election: Election) -> bool:
        return self.election is not election or self.is_won(election) or not election.pending
