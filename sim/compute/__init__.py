"""Real work by name: references to models, the graph that computes them, the engines that do it."""

from __future__ import annotations

from sim.compute.engines.engine import ComputeError, DataPlane, Engine, InProcessEngine, Models
from sim.compute.engines.workers import WorkerPoolEngine
from sim.compute.graph import Graph
from sim.compute.lineage import Lineage
from sim.compute.refs import ModelRef, ScoreRef

__all__ = [
    "ComputeError",
    "DataPlane",
    "Engine",
    "Graph",
    "Lineage",
    "ModelRef",
    "ScoreRef",
    "engine_for",
]


def engine_for(workers: int, plane: DataPlane, models: Models) -> Engine:
    """The engine with that many worker processes; 0: in this process."""
    if workers:
        return WorkerPoolEngine(workers, plane, models)
    return InProcessEngine(plane, models)
