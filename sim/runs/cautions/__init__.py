"""What makes a comparison unfair or a run pointless: one list, drawn from what happened.

Each caution is a function from the evidence of one point's runs to what it finds there.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping

from sim.record.rows import Caution
from sim.results.folder import RunTables
from sim.runs.build import Facts
from sim.runs.cautions import design, learning, transport
from sim.runs.cautions.evidence import Evidence, evidence
from sim.scenario import Scenario

CAUTIONS: tuple[Callable[[Evidence], Iterator[Caution]], ...] = (
    learning.diverged,
    learning.never_merged,
    learning.never_took_part,
    learning.unused_data,
    learning.never_left_chance,
    learning.failed_rounds,
    transport.missed_deadline,
    transport.late_updates,
    transport.given_up,
    transport.full_links,
    design.unequal_work,
    design.down,
    design.idle_faults,
    design.few_seeds,
)
"""The gravest first."""


def cautions(
    scenario: Scenario, runs: Iterable[RunTables], facts: Mapping[int, Facts]
) -> list[Caution]:
    """All that there is to say of one point's runs; `facts` by seed."""
    found = evidence(scenario, runs, facts)
    return [each for find in CAUTIONS for each in find(found)]
