"""What a protocol is: settings that say what it needs, and behaviours for the nodes of a world."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt
import simpy
from pydantic import Field

from models.training import TrainingChanges, TrainingSettings
from sim.compute import ModelRef
from sim.record.rows import AGGREGATE, RECEIVED, SERVER, STAGES
from sim.record.settings import Settings
from sim.world import (
    FLUID,
    Behaviour,
    Latencies,
    Node,
    Tie,
    TopologySettings,
    Transport,
    World,
)

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
KIND = "the protocol's kind; the name in the scenario if left out"


MOST_PAIRED = 2_000
"""Among so many nodes all pairs are looked at for who is fastest."""


@dataclass(frozen=True)
class Fastest:
    """What is fastest in a protocol's world, each worked out only where somebody asks.

    `latencies`: one way; `uplink`, `downlink` [n] bytes per second: clients first, and last the
    server of a protocol that has one. `round_s` [clients]: a local round. `transport`: what
    transfers make of them. Without data models weigh nothing and rounds take no time.

    Among more than `MOST_PAIRED` clients who talk to each other it is what the nearest two could do
    if they had the best links: no pair is faster, so nothing is refused that some pair can do.
    """

    latencies: Latencies
    uplink: Floats
    downlink: Floats
    model_bytes: int
    round_s: Floats
    transport: Transport = FLUID

    @property
    def round_trip_s(self) -> float:
        """A message and its answer, between two that talk to each other."""
        return self._least(lambda there_s, back_s, _: there_s + back_s)

    @property
    def transfer_s(self) -> float:
        """A model."""
        return self._least(self._model_s)

    @property
    def fetch_s(self) -> float:
        """A model that is asked for first."""
        return self._least(
            lambda there_s, back_s, rates: self._model_s(there_s, back_s, rates) + back_s
        )

    @property
    def server_round_s(self) -> float:
        """An order, a local round and an update."""
        server, clients = len(self.round_s), np.arange(len(self.round_s))
        order_s = self._model_s(*self._between(server, clients))
        update_s = self._model_s(*self._between(clients, server))
        return float((order_s + self.round_s + update_s).min())

    def _model_s(self, there_s: Floats, back_s: Floats, rates: Floats) -> Floats:
        """Of a model's way [n]."""
        return self.transport.transfer_s(self.model_bytes, there_s, back_s, rates)

    def _between(self, sources: Ints | int, targets: Ints | int) -> tuple[Floats, Floats, Floats]:
        """The latencies there and back, and the bandwidth, between pairs [n]."""
        there_s, back_s = self.latencies.there_and_back(sources, targets)
        return there_s, back_s, np.minimum(self.uplink[sources], self.downlink[targets])

    def _least(self, seconds: Callable[[Floats, Floats, Floats], Floats]) -> float:
        """The least that any two need who talk to each other; 0 if there are none.

        `seconds`: what pairs need [n], by what `_between` tells of them.
        """
        return min((float(seconds(*each).min()) for each in self._who_talk()), default=0.0)

    def _who_talk(self) -> Iterator[tuple[Floats, Floats, Floats]]:
        """`_between` of all pairs that talk, some at a time."""
        clients = np.arange(len(self.round_s))
        if len(self.uplink) > len(clients):  # Clients talk to their server alone.
            yield self._between(len(clients), clients)
            yield self._between(clients, len(clients))
        elif len(clients) > MOST_PAIRED:
            nearest_s = np.array([self.latencies.shortest_s])
            best = min(self.uplink.max(), self.downlink.max())
            yield nearest_s, nearest_s, np.array([best])
        elif len(clients) > 1:
            yield from (self._between(one, np.delete(clients, one)) for one in clients.tolist())


class Protocol(Settings):
    """The settings of one kind of protocol, and what it asks of a world."""

    AS_OWN: ClassVar[str] = "a subclass of Protocol"
    needs_server: ClassVar[bool] = False
    is_reference: ClassVar[bool] = False
    """Whether it is there to measure the others by, and need not do as much work as they."""

    uses_network: ClassVar[bool] = True
    """Whether its nodes may talk to each other, or ask who is down."""

    uses_topology: ClassVar[bool] = False
    """Whether its clients talk to their neighbours in a topology alone."""

    kind: str
    training: TrainingChanges = Field(
        default=TrainingChanges(),
        description="in place of the scenario's training, any of "
        + ", ".join(TrainingChanges.model_fields),
    )

    def runs_on(self, clients: tuple[str, ...]) -> tuple[str, ...]:
        """The names of its nodes: the clients, and `servers`.

        Allowed are these, and `pooled`, one machine with all data.
        """
        return (*clients, *self.servers)

    @property
    def servers(self) -> tuple[str, ...]:
        """The names of its servers: `server` if it needs one, and any `standby_1` to 9."""
        return (SERVER,) if self.needs_server else ()

    @property
    def own_topology(self) -> TopologySettings | None:
        """Whom each client may talk to, in place of the scenario's; None if that counts."""
        return None

    @property
    def needs_detection(self) -> bool:
        """Whether it can't do without the nodes' finding out who is down."""
        return False

    @property
    def round_ends_s(self) -> float | None:
        """When a server round closes, whoever is missing; None if it has no such end."""
        return None

    @property
    def late_updates_count(self) -> bool:
        """Whether an update that comes when its server round has closed counts in a later one."""
        return False

    @property
    def skips_suspects(self) -> bool:
        """Whether its nodes pass over whom they suspect; not to is there to show what it costs."""
        return True

    @property
    def unused(self) -> Mapping[str, str]:
        """Settings that have no effect beside the others, each with why."""
        return {}

    def check(self, *, unreliable: bool) -> None:
        """Raise Refusal if the settings don't fit each other, or a world in which things fail."""

    def check_training(self, training: TrainingSettings) -> None:
        """Raise Refusal if its clients can't train so; `training` is what they are to train by."""

    def check_times(self, fastest: Fastest) -> None:
        """Raise Refusal if a time-out is shorter than what it waits for can ever take."""

    def events(self, duration_s: float) -> float:
        """About how many events its own waits cause within `duration_s`, if they may be short."""
        return 0.0

    @abstractmethod
    def run(self, world: World) -> Running:
        """The protocol in a world whose nodes have not started yet."""


class Seen(NamedTuple):
    """One model that there is to look at, as its protocol counts rounds.

    `stage`: RECEIVED or TRAINED; None for a reference's, which receives nothing from others.
    `site`: the number of the client whose data the node has; None for a node that has none, or all.
    `is_member`: whether it has joined, and not left.
    """

    node: str
    stage: str | None
    model: ModelRef
    local_round: int
    version: int
    staleness: float
    up: bool
    site: int | None = None
    is_member: bool = True


class Running(ABC):
    """A protocol in one world."""

    stages: ClassVar[tuple[str | None, ...]] = STAGES
    """Of its clients' models, those that there are to look at."""

    def __init__(self, world: World) -> None:
        self.world = world

    def until_news(self, node: Node, peers: Iterable[int], *events: simpy.Event) -> Behaviour:
        """Wait for the first of `events`, or until what the node believes of `peers` may change."""
        watch = self.world.detector.watch(node.index, peers)
        try:
            yield self.world.clock.first_of(watch.news, *events)
        finally:
            watch.end()  # A crash ends the wait, too.

    def suspects(self, node: Node, peer: int) -> bool:
        """Whether the node believes that one peer is down."""
        return bool(self.world.detector.suspects(node.index, np.array([peer]))[0])

    def lost(self, node: Node, peer: int, since_s: float) -> bool:
        """Whether one peer, as the node believes, has lost what it was given at `since_s`."""
        return bool(self.world.detector.lost(node.index, np.array([peer]), since_s)[0])

    def timeout(self, seconds: float | None) -> simpy.Event:
        """An event after so many seconds; one that never comes where there is no time-out."""
        clock = self.world.clock
        return clock.event() if seconds is None else clock.after(seconds, Tie.TIMEOUT)

    @abstractmethod
    def behaviour(self, node: Node) -> Behaviour:
        """What the node does from its start, or from its recovery, on."""

    def staleness(self) -> list[float]:
        """How far each client's current model lags behind, in rounds."""
        return [0.0] * len(self.world.clients)

    def seen(self) -> Iterator[Seen]:
        """What the observer looks at: models of each scored client, by stage; an average of all.

        A client that is down is seen with what it has stored, as is one that has left, or not
        joined yet; such a one lags behind nobody. The average is of the members' trained models by
        sample size, but for newcomers that have trained none; it is what everybody would receive if
        all merged now, so it counts as received. Clients must be among what it yields, and
        `aggregate` for `stop_when: {of: aggregate}`.
        """
        clients, staleness = self.world.clients, self.staleness()
        for stage in self.stages:
            for node in self.world.scored:
                model = node.storage.received if stage == RECEIVED else node.storage.model
                rounds, version, site = node.rounds, node.storage.rounds, node.machine.site
                behind = staleness[node.index] if node.is_member else 0.0
                told = (rounds, version, behind, node.up, site, node.is_member)
                yield Seen(node.name, stage, model, *told)
        # Of the last who left a model remains.
        present = [node for node in clients if node.is_member and not node.storage.is_newcomer]
        present = present or clients
        yield Seen(
            AGGREGATE,
            self.stages[0],
            self.world.averaged({node.index: node.storage.model for node in present}),
            sum(node.rounds for node in present),
            sum(node.storage.rounds for node in present),
            sum(staleness[node.index] for node in present) / len(present),
            any(node.up for node in present),
        )
