"""What code of your own is made of: a base for each kind, and what it meets in its world.

`from braintorrent.extend import Protocol, Running, Seconds`. A scenario names a class as
`my_code.Gossip`, and `--code my_code.py` says where it is.
"""

from pydantic import Field, model_validator

from models.metrics import Metric
from models.networks import ModelSettings as Network
from models.partitions import PartitionSettings as Partition
from models.tasks import TaskSettings
from models.tasks.settings import PartitionedSettings
from sim.compute import ModelRef
from sim.faults import Fault
from sim.protocols import Fastest, Protocol, Running, Seen
from sim.record.errors import Refusal
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
from sim.world import Behaviour, Node, Tie, Transfer, World

__all__ = [
    "Behaviour",
    "BytesPerSecond",
    "Count",
    "Duration",
    "Fastest",
    "Fault",
    "Field",
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
    "Seconds",
    "Seed",
    "Seen",
    "Selector",
    "TaskSettings",
    "Tie",
    "Transfer",
    "World",
    "model_validator",
    "selects",
]
