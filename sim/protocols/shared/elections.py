"""Elections among servers: for which term, by whose votes, and whom a node follows.

A server is elected for a term, by the votes of a majority of all voters, and who hears of a newer
term no longer heeds the leader of an older one: Ongaro, Ousterhout, "In Search of an Understandable
Consensus Algorithm", USENIX ATC 2014 (Raft). As the ballots of Lamport, "The Part-Time Parliament",
ACM Transactions on Computer Systems 16, 1998, terms are dealt out among the servers: of k servers
the j-th leads in none but j, j + k, j + 2 k, ... So no term has two leaders, even if a node forgets
with its storage whom it voted for.
"""

from abc import abstractmethod
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import simpy

from sim.protocols.shared.participants import Clients, ServerProtocol
from sim.world import Node, Tie, Transfer, World

Ints = npt.NDArray[np.int64]
Rank = tuple[int, int, int]
"""Whose copy of the model is newer: its term, its round, and of equals the first server's."""


class Leader(NamedTuple):
    """Who leads in a term, and a time at which it did."""

    term: int
    node: int
    since_s: float


@dataclass
class Terms:
    """What a node has in stable storage: the newest term that it voted in, and whom it follows.

    `has_lapsed`: whether that leader is known to lead no longer. `kept`: of a server, the term of
    its copy of the model.
    """

    leader: Leader
    has_lapsed: bool = False
    voted: int = 0
    kept: int = 0


class Ballot(NamedTuple):
    """A candidate's message to all: vote for me in this term."""

    term: int
    rank: Rank


class Vote(NamedTuple):
    """The answer to a ballot.

    `is_newer`: whether the voter's own copy of the model is. `newest`: the newest term that it has
    voted in. `leader`: whom it follows, if it believes that one to be alive.
    """

    term: int
    granted: bool
    is_newer: bool
    newest: int
    leader: Leader | None


@dataclass
class Election:
    """A candidate's count; `pending`: who hasn't answered; `voters`: how many there were."""

    term: int
    stood_s: float
    pending: dict[int, None]
    voters: int
    votes: int = 1


class Elections(Clients):
    """Clients under several servers, of which one leads; elected by those that were there first."""

    def __init__(self, settings: ServerProtocol, world: World) -> None:
        super().__init__(settings, world)
        self.nodes = world.nodes
        self.everyone = np.arange(len(self.nodes))
        # In the memory of servers: what one runs while it leads, as long as it does; a candidate's
        # election; for which term one was asked for its vote that has a newer model.
        self.leading: dict[int, list[simpy.Process]] = {}
        self._elections: dict[int, Election] = {}
        self._called: dict[int, int] = {}

    @abstractmethod
    def step_down(self, node: Node) -> None:
        """The node leads no longer."""

    def rank(self, node: Node) -> Rank:
        """How new a server's copy of the model is."""
        return self.terms(node).kept, node.storage.rounds, -node.index

    def begin(self, node: Node) -> None:
        """A server has started: it stands in no election."""
        self._elections.pop(node.index, None)
        self._called.pop(node.index, None)

    def _is_server(self, index: int) -> bool:
        return index >= len(self.world.clients)

    # -- what clients do -----------------------------------------------------------------------

    def server_of(self, node: Node) -> Node:
        return self.nodes[self.terms(node).leader.node]

    def order_arrives(self, transfer: Transfer) -> None:
        """See Clients; who no longer leads is told so, and isn't heeded."""
        node, term = self.nodes[transfer.target], transfer.payload.term
        if self.heeds(node, Leader(term, transfer.source, transfer.start_s)):
            super().order_arrives(transfer)

    def is_pointless(self, node: Node) -> bool:
        """See Clients; another leader takes what is late, or nobody."""
        is_old = node.storage.unreported.order.term < self.terms(node).leader.term
        return super().is_pointless(node) or (is_old and not self.settings.late_updates_count)

    # -- who leads -----------------------------------------------------------------------------

    def terms(self, node: Node) -> Terms:
        """What the node has stored of terms; at first all follow the first server."""
        first, is_new = self.world.servers[0].index, node.storage.incarnation == 0
        default = Terms(Leader(0 if is_new else -1, first, 0.0), has_lapsed=not is_new)
        terms: Terms = node.storage.notes.setdefault("terms", default)
        return terms

    def _follows(self, node: Node) -> bool:
        """Whether the node believes that there is a leader."""
        terms = self.terms(node)
        if terms.leader.node == node.index:
            return node.index in self.leading
        # Who has started anew leads no longer.
        lost = self.lost(node, terms.leader.node, terms.leader.since_s)
        return not (terms.has_lapsed or lost)

    def heeds(self, node: Node, leader: Leader) -> bool:
        """Let the node follow who says that it leads, unless it knows of a newer term; tell so."""
        terms = self.terms(node)
        if leader.term < terms.leader.term:
            self.announce(node, np.array([leader.node]))
            return False
        if leader.term > terms.leader.term:
            if node.index in self.leading:
                self.step_down(node)
            self._elections.pop(node.index, None)
            terms.leader, terms.has_lapsed = leader, False
            terms.voted = max(terms.voted, leader.term)
            node.nudge()
        return True

    def announce(self, node: Node, peers: Ints) -> None:
        """Tell those of `peers` [n] whom the node doesn't suspect whom it follows."""
        for peer in peers[~self.world.detector.suspects(node.index, peers)].tolist():
            self.world.network.send(
                node.index,
                peer,
                payload=self.terms(node).leader,
                delivered=self._announced,
                purpose="leader",
            )

    def _announced(self, transfer: Transfer) -> None:
        self.heeds(self.nodes[transfer.target], transfer.payload)

    # -- elections -----------------------------------------------------------------------------

    def elected(self, node: Node) -> Generator[simpy.Event, Any, int]:
        """What a server does until it is elected; the term in which it leads then."""
        wait_s = self.settings.retry_initial
        servers = [server.index for server in self.world.servers if server is not node]
        others = np.delete(self.everyone, node.index)
        while True:
            while not self._stands(node):
                # Of clients there are thousands; their votes count if there is no leader.
                peers = servers if self._follows(node) else others
                yield from self.until_news(node, peers, node.mail())
                wait_s = self.settings.retry_initial
            election = self._ask_for_votes(node)
            if (yield from self._wins(node, election)):
                break
            backed_off = node.clock.after(wait_s, Tie.TIMEOUT)
            wait_s = min(2 * wait_s, self.settings.retry_cap)
            while not backed_off.processed and node.index not in self._called:
                yield node.clock.first_of(backed_off, node.mail())
        node.trace.record(
            election.stood_s,
            node.name,
            "lead",
            duration_s=node.clock.now - election.stood_s,
            round=node.storage.rounds,
            asked=election.voters,
            answered=election.votes,
        )
        return election.term

    def voters(self, node: Node) -> Ints:
        """Who has a vote, as the node knows [n]: who was there from the beginning and hasn't left.

        Who joins has none. Otherwise the smaller side of a network that has fallen apart could let
        clients join, of which the other side can't hear, until it is a majority too. Who leaves
        takes a vote and a voter from its own side: that makes no majority.
        """
        network = self.world.network
        is_voter = network.founders(self.everyone) & network.members(node.index, self.everyone)
        return self.everyone[is_voter]

    def has_majority(self, node: Node) -> bool:
        """Whether the node believes that, with itself, more than half of all voters are up."""
        voters = self.voters(node)
        others = voters[voters != node.index]
        away = np.count_nonzero(self.world.detector.suspects(node.index, others))
        return bool(2 * away < len(voters))

    def _stands(self, node: Node) -> bool:
        """Whether a server is the one to stand: who led last, was called, or is first alive."""
        if self._follows(node) or not self.has_majority(node):
            return False
        if node.index in self._called or self.terms(node).leader.node == node.index:
            return True
        before = np.arange(len(self.world.clients), node.index)
        return bool(self.world.detector.suspects(node.index, before).all())

    def _ask_for_votes(self, node: Node) -> Election:
        terms, servers = self.terms(node), len(self.world.servers)
        called = self._called.pop(node.index, 0)
        known = max(terms.voted, terms.leader.term, called) + 1
        number = node.index - len(self.world.clients)
        terms.voted = known + (number - known) % servers
        voters = self.voters(node)
        others = voters[voters != node.index]
        asked = others[~self.world.detector.suspects(node.index, others)].tolist()
        election = Election(terms.voted, node.clock.now, dict.fromkeys(asked), len(voters))
        self._elections[node.index] = election
        for peer in asked:
            self.world.network.send(
                node.index,
                peer,
                payload=Ballot(election.term, self.rank(node)),
                delivered=self._asked,
                failed=lambda lost: self._unanswered(lost.source, lost.target, lost.payload.term),
                purpose="ballot",
            )
        return election

    def _wins(self, node: Node, election: Election) -> Generator[simpy.Event, Any, bool]:
        """Whether a majority votes for it, and no server that is alive has a newer model."""
        while self._elections.get(node.index) is election:
            is_owed = any(self._is_server(peer) for peer in election.pending)
            if 2 * election.votes > election.voters and not is_owed:
                del self._elections[node.index]
                return True
            if not election.pending:
                del self._elections[node.index]
                break
            yield from self.until_news(node, election.pending, node.mail())
            pending = np.fromiter(election.pending, np.int64)
            lost = self.world.detector.lost(node.index, pending, election.stood_s)
            for peer in pending[lost].tolist():
                del election.pending[peer]
        return False

    def _asked(self, transfer: Transfer) -> None:
        """A node is asked for its vote."""
        node, ballot = self.nodes[transfer.target], transfer.payload
        terms = self.terms(node)
        if transfer.source == terms.leader.node and ballot.term > terms.leader.term:
            terms.has_lapsed = True  # Who stands for election doesn't lead.
        follows = self._follows(node)
        is_newer = self._is_server(node.index) and self.rank(node) > ballot.rank
        granted = not follows and not is_newer and ballot.term > terms.voted
        if granted:
            terms.voted = ballot.term
            self._elections.pop(node.index, None)
        elif is_newer and not follows:
            self._called[node.index] = ballot.term
        node.nudge()
        leader = terms.leader if follows else None
        self.world.network.send(
            node.index,
            transfer.source,
            payload=Vote(ballot.term, granted, is_newer, terms.voted, leader),
            delivered=self._answered,
            failed=lambda lost: self._unanswered(lost.target, lost.source, lost.payload.term),
            purpose="vote",
        )

    def _answered(self, transfer: Transfer) -> None:
        """A candidate has got an answer."""
        node, vote = self.nodes[transfer.target], transfer.payload
        terms, election = self.terms(node), self._elections.get(node.index)
        terms.voted = max(terms.voted, vote.newest)
        if election is not None and election.term == vote.term:
            election.pending.pop(transfer.source, None)
            election.votes += vote.granted
            if vote.is_newer:
                del self._elections[node.index]
            node.nudge()
        if vote.leader is not None:
            self.heeds(node, vote.leader)

    def _unanswered(self, candidate: int, peer: int, term: int) -> None:
        """An answer won't come."""
        election = self._elections.get(candidate)
        if election is not None and election.term == term:
            election.pending.pop(peer, None)
            self.nodes[candidate].nudge()
