"""A protocol in random worlds until enough has happened in them."""

from braintorrent.testing.trials import Trial
from braintorrent.testing.worlds import random_world
from sim.protocols import Protocol

LEAST, MOST = 4, 20


def keeps_promises(protocol: Protocol, seed: int, *wanted: str) -> bool:
    """Whether events of all these kinds happen within a few worlds; raises Broken if one fails.

    What faults there are changes which worlds are drawn, so none is counted on.
    """
    found: dict[str, None] = {}
    for number in range(MOST):
        rows = Trial(random_world(seed, number, 60.0), protocol, newcomers=True).watched()
        found |= dict.fromkeys(row.kind for row in rows)
        if number + 1 >= LEAST and all(kind in found for kind in wanted):
            return True
    return False
