"""What can go wrong: one file a fault, and the literal registry by which a scenario finds it."""

from sim.faults.availability import Availability
from sim.faults.churn import Churn
from sim.faults.client_dropout import ClientDropout
from sim.faults.crash import Crash
from sim.faults.degrade import Degrade
from sim.faults.disk_failure import DiskFailure
from sim.faults.fault import Fault
from sim.faults.join import Join
from sim.faults.leave import Leave
from sim.faults.partition import Partition
from sim.faults.slowdown import Slowdown
from sim.faults.targeted import Targeted

FAULTS: dict[str, type[Fault]] = {
    "crash": Crash,
    "churn": Churn,
    "client_dropout": ClientDropout,
    "slowdown": Slowdown,
    "partition": Partition,
    "degrade": Degrade,
    "join": Join,
    "leave": Leave,
    "targeted": Targeted,
    "availability": Availability,
    "disk_failure": DiskFailure,
}

__all__ = ["FAULTS", "Fault"]
