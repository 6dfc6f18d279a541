"""Real work by name: references to models, the graph that computes them, the engines that do it."""

import os
from typing import Final, Literal

from sim.compute.engines.engine import ComputeError, DataPlane, Engine, one_thread
from sim.compute.engines.pretence import Pretence
from sim.compute.engines.workshop import InProcessEngine
from sim.compute.graph import Graph
from sim.compute.lineage import Lineage, Naming
from sim.compute.refs import ModelRef, Models, ScoreRef, ServerRule
from sim.compute.store.store import Store
from sim.compute.store.vectors import Vectors
from sim.compute.unlearned import Unlearned

__all__ = [
    "AUTO",
    "ComputeError",
    "DataPlane",
    "Engine",
    "Graph",
    "Lineage",
    "ModelRef",
    "Models",
    "Naming",
    "Pretence",
    "ScoreRef",
    "ServerRule",
    "Store",
    "Unlearned",
    "Vectors",
    "Workers",
    "cores",
    "engine_for",
    "one_thread",
]

AUTO: Final = "auto"
Workers = int | Literal["auto"]
"""How many processes do operations: 0 for none beside this one, AUTO for one a core where that has
them done sooner, else none.
"""


def engine_for(workers: Workers, plane: DataPlane, vectors: Vectors) -> Engine:
    """The engine with that many worker processes; see `Workers`."""
    if not workers:
        return InProcessEngine(plane, vectors)
    # A check, and a world without learning, need no processes.
    if workers == AUTO:
        from sim.compute.engines.auto import AutoEngine

        return AutoEngine(cores(), plane, vectors)
    from sim.compute.engines.workers import WorkerPoolEngine

    return WorkerPoolEngine(workers, plane, vectors)


def cores() -> int:
    """Those that this process may use: a container may own fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
