"""What a fault is: settings that say which nodes they name, and what is done to a world."""

import math
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Self

from sim.record.errors import Path, Refusal
from sim.record.metrics import LabelShares
from sim.record.rows import is_server
from sim.record.settings import Distribution, Selector, Settings, selects
from sim.world import Node, TopologySettings, World

KIND = "the fault's kind"
SEED = "draws of its own; if left out, the node's own for faults of this kind"
LOSES_STORAGE = "whether a crash also loses what the node has stored"


class Fault(Settings):
    """The settings of one kind of fault, and what it does.

    Its schedule is fixed in advance (unless `is_scheduled` says otherwise), from streams named
    after it, and runs regardless of the protocol and of the other faults: a higher rate brings the
    same failures, earlier or more.
    """

    AS_OWN: ClassVar[str] = "a subclass of Fault"

    together: ClassVar[str] = ""
    """What two of the kind come to that act on one node at once, if it is to be said."""

    uses_topology: ClassVar[bool] = False
    """Whether whom it strikes depends on the scenario's topology."""

    leaves_others_alone: ClassVar[bool] = False
    """Whether a world with none of the nodes that it strikes is the same without it."""

    starts_first: ClassVar[bool] = False
    """Whether it says who is there at all, before other faults take anybody down at 0."""

    paths: ClassVar[tuple[str, ...]] = ()
    """Its settings that are paths of a user's files, relative to the scenario's file."""

    kind: str

    @abstractmethod
    def start(self, name: str, world: World) -> None:
        """Start the processes of the fault called `name` at time 0, before any node starts."""

    @property
    def crash_s(self) -> float | None:
        """When it takes a node down, if that is fixed: tables tell what came after."""
        return None

    @property
    def is_scheduled(self) -> bool:
        """Whether it is fixed in advance when it acts; else that depends on what nodes do."""
        return True

    @property
    def window_s(self) -> tuple[float, float]:
        """From when to when it acts, if that is fixed; else all the time."""
        return 0.0, math.inf

    @property
    def present_s(self) -> tuple[float, float]:
        """Between which times those it strikes may be members, if it makes them join or leave."""
        return 0.0, math.inf

    @property
    def delays_s(self) -> float:
        """By how much longer messages of a node take while it acts."""
        return 0.0

    def strikes(self, nodes: Sequence[str]) -> Sequence[str]:
        """Those of `nodes`, on which a protocol runs, to which it can do anything."""
        return nodes

    def events(self, duration_s: float, nodes: Sequence[str]) -> float:
        """About how many events it takes within `duration_s`, if they may become very many."""
        return 0.0

    def named(self) -> Iterator[tuple[Path, str]]:
        """The nodes, ranges and groups that the settings name, each with the path of its name."""
        return iter(())

    def check(self, nodes: Sequence[str]) -> None:
        """Raise Refusal if the fault makes no sense among these nodes, clients first."""

    def pinned(self) -> Self:
        """These settings, naming the user's files by their content if the fault reads any.

        Raises Refusal if they can't be read.
        """
        return self

    def check_files(self, nodes: Sequence[str]) -> None:
        """Raise Refusal if the user's files can't be read, or make no sense among these nodes."""

    def check_topology(self, topology: TopologySettings) -> None:
        """Raise Refusal if the fault makes no sense in the scenario's topology."""

    def check_data(self, label_shares: LabelShares | None) -> None:
        """Raise Refusal if the fault makes no sense with what the clients learn from.

        `label_shares`: how their samples fall to classes; None if the task has no classes.
        """

    def unused(self, *, serverless: bool) -> Mapping[str, str]:
        """Settings without effect, each with why; `serverless`: if clients learn from peers."""
        return {}

    def seems(self, topology: TopologySettings, duration_s: float) -> str | None:
        """What it does in the scenario's topology and time, where that isn't what it seems to."""
        return None


class OfNodes(Fault):
    """A fault of the nodes that its setting `nodes` means."""

    if TYPE_CHECKING:
        nodes: Selector
        """Each kind has it among its other settings, and says there what it means."""

    def strikes(self, nodes: Sequence[str]) -> Sequence[str]:
        return [node for node in nodes if selects(self.nodes, node)]

    def named(self) -> Iterator[tuple[Path, str]]:
        return listed("nodes", self.nodes)


def check_clients(selector: str | tuple[str, ...], what: str, allowed: str) -> None:
    """Raise Refusal, saying `what`, if the setting `nodes` means a server, too."""
    parts = (selector,) if isinstance(selector, str) else selector
    if any(part == "all" or is_server(part) for part in parts):
        raise Refusal(what, allowed, ("nodes",))


def drawn_s(kind: str, at: Distribution, node: Node, seed: int | None, world: World) -> float:
    """When a fault of that kind strikes a node, in seconds: the node's own luck, as churn's is."""
    key = world.luck_key(kind, node, seed)
    return float(at.draw(world.streams.stream(kind, key, node.name), 1)[0])


def listed(setting: str, selector: str | tuple[str, ...]) -> Iterator[tuple[Path, str]]:
    """`named` of a setting that is a selector: it names nodes where it lists them."""
    if isinstance(selector, tuple):
        for index, node in enumerate(selector):
            yield (setting, index), node
