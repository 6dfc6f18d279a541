"""From YAML to a validated, frozen scenario, and to the points of a sweep."""

from sim.record.errors import ScenarioError
from sim.scenario.points import Point, Sweep, dump_sweep, grid
from sim.scenario.scenario import Scenario, dump, load, schema, shipped, validated
from sim.scenario.selection import restricted

__all__ = [
    "Point",
    "Scenario",
    "ScenarioError",
    "Sweep",
    "dump",
    "dump_sweep",
    "grid",
    "load",
    "restricted",
    "schema",
    "shipped",
    "validated",
]
