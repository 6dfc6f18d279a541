"""One protocol in one tiny world, to be compared with what was worked out by hand."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from braintorrent.testing import tiny
from braintorrent.testing.counters import Counters
from braintorrent.testing.kinds import PROTOCOL, chosen
from braintorrent.testing.watched import Witness
from sim.compute import ModelRef
from sim.faults import Fault
from sim.protocols import Protocol, Running
from sim.record.rows import TraceRow
from sim.world import Streams, World

SERVER = {**tiny.LINKS, "aggregation_time": "0 s"}
Event = tuple[float, str, str]


class Merge(NamedTuple):
    """One weighted sum of models: when, by whom, and the weight of each model in it.

    A model is called `initial`, `client_1.0` if client 1's local round 0 made it, and `average.0`
    if it is the first such sum itself. Of who makes it in a callback `node` is empty.
    """

    time_s: float
    node: str
    weights: dict[str, float]


@dataclass(frozen=True)
class Played:
    """What happened in a tiny world; `world` and `running` as they are now."""

    merges: list[Merge]
    world: World
    running: Running

    @property
    def rows(self) -> list[TraceRow]:
        """The trace, in the order in which things ended."""
        return self.world.trace.rows

    @property
    def events(self) -> list[Event]:
        """(time_s, node, kind) of each row: a training or a transfer is told when it has ended."""
        return [(row.time_s + row.duration_s, row.node, row.kind) for row in self.rows]

    def of(self, *kinds: str) -> list[Event]:
        """The events of these kinds alone."""
        return [event for event in self.events if event[2] in kinds]

    def rounds(self, node: str) -> list[float]:
        """How many local rounds of each client are in the model that the node has stored.

        A local round adds 1 at its client's place, an average is one of these numbers.
        """
        (found,) = (each for each in self.world.nodes if each.name == node)
        lineage = self.world.lineage
        assert isinstance(lineage, Counters)
        return [float(rounds) for rounds in lineage.rounds(found.storage.model)]


def play(
    protocol: str | type[Protocol] | Protocol,
    settings: Mapping[str, Any] | None = None,
    *,
    until_s: float,
    round_s: Sequence[float],
    latency_s: float | Sequence[Sequence[float]] = 0.0,
    samples: Sequence[int] | None = None,
    faults: Mapping[str, Mapping[str, Any] | Fault] | None = None,
    streams: Streams | None = None,
    **sections: Any,
) -> Played:
    """Play a protocol, with `settings` as they are written in YAML, up to `until_s`.

    `round_s` [clients]: what a local round takes. `latency_s`: one way, for all or [n, n], clients
    first and then the servers, row to column. `samples` [clients]: 1 each if left out. `streams`:
    the luck of messages, see `scripted`. `sections`: other sections of a scenario as in YAML, and
    `links`, `merge_time`, `packet_loss`. Without them a model of 1024 bytes takes a second on every
    link, merging takes none, nothing is lost, and heartbeats are sent at 0, 5, 10, ...

    >>> played = play("local", until_s=4.0, round_s=[2.0, 3.0])
    >>> played.events
    [(2.0, 'client_0', 'train'), (3.0, 'client_1', 'train'), (4.0, 'client_0', 'train')]
    >>> played.rounds("client_0")
    [2.0, 0.0]

    Raises ScenarioError for a mistake in the settings, Broken where the protocol combines with
    weights that don't sum to 1, uses a model that was never sent, or does what else
    `check_protocol` finds as it happens.
    """
    kind = chosen(PROTOCOL, protocol, settings)
    if kind.needs_server:
        sections.setdefault("server", SERVER)
    described = tiny.scenario(
        _latencies(latency_s, len(round_s) + max("server" in sections, len(kind.servers))),
        round_s,
        {"it": kind},
        faults=dict(faults or {}),
        **sections,
    )
    world, running = tiny.world(
        described,
        samples=samples or [1] * len(round_s),
        steps=[1] * len(round_s),
        streams=streams or tiny.scripted(),
    )
    merges: list[Merge] = []
    Witness(world, tuple(described.faults.values())).merged = _noting(world, merges)
    tiny.run(world.clock, until_s)
    return Played(merges, world, running)


def _latencies(latency_s: float | Sequence[Sequence[float]], nodes: int) -> Any:
    if not isinstance(latency_s, (int, float)):
        return latency_s
    return [[0.0 if i == j else float(latency_s) for j in range(nodes)] for i in range(nodes)]


def _noting(world: World, merges: list[Merge]) -> Any:
    lineage = world.lineage
    assert isinstance(lineage, Counters)

    def note(node: str, models: Sequence[ModelRef], weights: Sequence[float]) -> None:
        shares: dict[str, float] = {}
        for model, weight in zip(models, weights, strict=True):
            shares[lineage.told(model)] = shares.get(lineage.told(model), 0.0) + weight
        merges.append(Merge(world.clock.now, node, shares))

    return note
