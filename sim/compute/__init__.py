"""Real work by name: references to models, the graph that computes them, the engines that do it."""

from sim.compute.engines import ComputeError, Engine, engine_for
from sim.compute.graph import Graph
from sim.compute.refs import ModelRef, ScoreRef

__all__ = ["ComputeError", "Engine", "Graph", "ModelRef", "ScoreRef", "engine_for"]
