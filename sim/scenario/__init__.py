"""From YAML to a validated, frozen scenario, and to the points of a sweep."""

from sim.scenario.changes import Changes, changes
from sim.scenario.loading import dump, load, schema, shipped
from sim.scenario.mistakes.whole import MANY_EVENTS, check_events, long_text
from sim.scenario.points import (
    Point,
    Sweep,
    dump_sweep,
    folder_record,
    grid,
    restricted,
    run_record,
    with_seeds,
)
from sim.scenario.scenario import Scenario, validated

__all__ = [
    "MANY_EVENTS",
    "Changes",
    "Point",
    "Scenario",
    "Sweep",
    "changes",
    "check_events",
    "dump",
    "dump_sweep",
    "folder_record",
    "grid",
    "load",
    "long_text",
    "restricted",
    "run_record",
    "schema",
    "shipped",
    "validated",
    "with_seeds",
]
