"""One run's world: the nodes, and the shared things that a protocol and the faults act on."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from sim.compute import Lineage, ModelRef
from sim.record.metrics import LabelShares
from sim.record.settings import selects
from sim.world.clock import Clock
from sim.world.detection import Detector
from sim.world.network import Network
from sim.world.node import Node
from sim.world.random_streams import Streams
from sim.world.topologies import Topology
from sim.world.trace import Trace


@dataclass
class World:
    """What a protocol builds its behaviours from.

    `servers`: of a protocol that has one the server, and those that may take over from it.
    `topology`: whom each of the scenario's clients may talk to, for protocols that ask.
    `duration_s`: virtual seconds that the run may last. `model_bytes`: a model's size on the wire.
    `merge_s`, `aggregation_s`: virtual seconds that a client's merge and a server's aggregation
    take, for each model that goes in. `learning_rate`: the step size of its clients' training.
    `label_shares` [clients][classes]: how the clients' samples fall to classes, for faults that
    strike by them; None if there are none. `scored`: the clients whose models are looked at; all if
    left out.
    """

    clock: Clock
    network: Network
    trace: Trace
    streams: Streams
    lineage: Lineage
    clients: list[Node]
    servers: list[Node]
    topology: Topology
    duration_s: float
    model_bytes: int
    merge_s: float = 0.0
    aggregation_s: float = 0.0
    checkpoint_every: int = 1
    learning_rate: float = 1.0
    label_shares: LabelShares | None = None
    scored: list[Node] = field(default_factory=list)
    _drawn: Counter[tuple[str, str]] = field(default_factory=Counter, init=False)

    def __post_init__(self) -> None:
        self.scored = self.scored or self.clients

    @property
    def nodes(self) -> list[Node]:
        """Clients by index, then the servers."""
        return [*self.clients, *self.servers]

    @property
    def server(self) -> Node | None:
        """The server; None if the protocol has none."""
        return self.servers[0] if self.servers else None

    @property
    def detector(self) -> Detector:
        """Who believes whom to be down; of other nodes' lives a behaviour may know nothing else."""
        return self.network.detector

    def select(self, selector: str | tuple[str, ...]) -> list[Node]:
        """The nodes of this world that a selector means; a reference's own machine is none."""
        return [node for node in self.nodes if selects(selector, node.name)]

    def luck_key(self, kind: str, whom: Node | str, seed: int | None) -> str:
        """Names what a fault of that kind draws for a node, whatever the fault is called.

        So a node's life is the same in every scenario with such a fault; what else a fault strikes
        is named by a text of its own. Its second fault of the
        kind draws something else; `seed` sets what one draws apart from all order.
        """
        if seed is not None:
            return f"seed {seed}"
        name = whom if isinstance(whom, str) else whom.name
        number = self._drawn[kind, name]
        self._drawn[kind, name] += 1
        return str(number)

    def averaged(
        self, models: Mapping[int, ModelRef], weights: Mapping[int, float] | None = None
    ) -> ModelRef:
        """The average of clients' models, rows in the order of node index.

        By sample size, or by `weights` of at least zero, which needn't sum to 1.
        """
        indices = sorted(models)
        if len(indices) == 1:
            return models[indices[0]]
        if weights is None:
            weights = {index: self.clients[index].machine.samples for index in indices}
        total = sum(weights[index] for index in indices)
        return self.lineage.combined(
            tuple(models[index] for index in indices),
            tuple(weights[index] / total for index in indices),
        )
