"""What code of your own is made of: a base for each kind, and what it meets in its world.

`from braintorrent.extend import Protocol, Running, Seconds`. A scenario names a class as
`my_code.Gossip`, and `--code my_code.py` says where it is. A network is any function or class with
a parameter `outputs` that gives a `torch.nn.Module`, and needs nothing from here.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from pydantic import Field, model_validator

from models.metrics import Metric
from models.networks import ModelSettings as Network
from models.partitions import PartitionSettings as Partition
from models.partitions.settings import Ints
from models.tasks import TaskSettings
from models.tasks.settings import PartitionedSettings, SupervisedSettings, Tell
from sim.compute import ModelRef
from sim.faults import Fault
from sim.protocols import Fastest, Protocol, Running, Seen
from sim.record.errors import Refusal
from sim.record.metrics import Better, Bounds
from sim.record.settings import (
    BytesPerSecond,
    Count,
    Duration,
    PerSecond,
    Positive,
    PositiveSeconds,
    Seconds,
    Seed,
    Selector,
    selects,
)
from sim.world import Behaviour, Cut, Degraded, Node, Tie, Transfer, Windows, World

if TYPE_CHECKING:
    from models.tasks.supervised import Samples, supervised
    from models.tasks.task import HeldOut, Task

# These need PyTorch, which protocols and faults can do without.
_WITH_TORCH = {
    "HeldOut": "models.tasks.task",
    "Samples": "models.tasks.supervised",
    "Task": "models.tasks.task",
    "supervised": "models.tasks.supervised",
}

__all__ = [
    "Behaviour",
    "Better",
    "Bounds",
    "BytesPerSecond",
    "Count",
    "Cut",
    "Degraded",
    "Duration",
    "Fastest",
    "Fault",
    "Field",
    "HeldOut",
    "Ints",
    "Metric",
    "ModelRef",
    "Network",
    "Node",
    "Partition",
    "PartitionedSettings",
    "PerSecond",
    "Positive",
    "PositiveSeconds",
    "Protocol",
    "Refusal",
    "Running",
    "Samples",
    "Seconds",
    "Seed",
    "Seen",
    "Selector",
    "SupervisedSettings",
    "Task",
    "TaskSettings",
    "Tell",
    "Tie",
    "Transfer",
    "Windows",
    "World",
    "model_validator",
    "selects",
    "supervised",
]


def __getattr__(name: str) -> Any:
    if name in _WITH_TORCH:
        return getattr(import_module(_WITH_TORCH[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
