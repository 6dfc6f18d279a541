"""One file per fault, and the literal registry by which a scenario's `kind` finds it.

A fault's schedule is fixed in advance, from streams named after it, and runs regardless of the
protocol and of the other faults. `client_dropout` has no process: it is keyed by the client's
attempts, so that the node itself draws it (`sim.world.node.Machine.dropouts`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sim.faults.churn import churn
from sim.faults.crash import crash
from sim.faults.partition import partition
from sim.faults.slowdown import slowdown
from sim.world.node import Node
from sim.world.world import World

# Called with (name, settings, the nodes concerned, world); starts the fault's processes.
FAULTS: dict[str, Callable[[str, Any, Sequence[Node], World], None]] = {
    "crash": crash,
    "churn": churn,
    "slowdown": slowdown,
    "partition": partition,
}
