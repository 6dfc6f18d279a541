"""What makes a comparison unfair or a run pointless: one list, drawn from what happened.

Each caution is a function from the evidence of one point's runs to what it finds there.
"""

import itertools
from collections.abc import Callable

from sim.runs.cautions import design, learning, transport
from sim.runs.cautions.evidence import Evidence, Found, NotTold, caution, evidence

CAUTIONS: tuple[Callable[[Evidence], Found], ...] = (
    learning.diverged,
    learning.never_merged,
    learning.aborted,
    learning.stopped,
    learning.deserted,
    learning.never_took_part,
    learning.unused_data,
    learning.never_left_chance,
    learning.failed_rounds,
    learning.unused_work,
    transport.missed_deadline,
    transport.late_updates,
    transport.given_up,
    transport.full_memories,
    transport.full_links,
    design.doubtful_data,
    design.unequal_work,
    design.down,
    design.left,
    design.apart,
    design.idle_faults,
    design.idle_settings,
    design.few_seeds,
)
"""The gravest first."""


def cautions(found: Evidence) -> Found:
    """All that there is to say of one point's runs, and what was not looked for."""
    passed_over = []
    for find in CAUTIONS:
        try:
            yield from find(found)
        except NotTold:
            passed_over.append(find.__name__.replace("_", " "))
    if passed_over:
        text = f"the tables are thinned: nobody looked for {', '.join(passed_over)}"
        yield caution("thinned", None, text, itertools.chain(*found.runs.values()))


__all__ = ["cautions", "evidence"]
