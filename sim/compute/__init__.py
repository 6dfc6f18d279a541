"""Real work by name: references to models, the graph that computes them, the engines that do it."""

from sim.compute.engines.engine import ComputeError, DataPlane, Engine, one_thread
from sim.compute.engines.pretence import Pretence
from sim.compute.engines.workshop import InProcessEngine
from sim.compute.graph import Graph, Lineage
from sim.compute.refs import ModelRef, Models, ScoreRef, ServerRule
from sim.compute.store.store import Store
from sim.compute.store.vectors import Vectors

__all__ = [
    "ComputeError",
    "DataPlane",
    "Engine",
    "Graph",
    "Lineage",
    "ModelRef",
    "Models",
    "Pretence",
    "ScoreRef",
    "ServerRule",
    "Store",
    "Vectors",
    "engine_for",
    "one_thread",
]


def engine_for(workers: int, plane: DataPlane, vectors: Vectors) -> Engine:
    """The engine with that many worker processes; 0: in this process."""
    if not workers:
        return InProcessEngine(plane, vectors)
    # A check, and a world without learning, need no processes.
    from sim.compute.engines.workers import WorkerPoolEngine

    return WorkerPoolEngine(workers, plane, vectors)
