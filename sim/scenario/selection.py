"""Narrowing a scenario to some of its protocols and seeds.

A room of its own because what is left is a scenario like any other: it is written to the result
folder, and running it again from there gives the same bytes.
"""

from collections.abc import Iterable, Sequence

from sim.record.errors import ScenarioError
from sim.scenario.scenario import Scenario


def restricted(scenario: Scenario, protocols: Sequence[str], seeds: Sequence[int]) -> Scenario:
    """Return the scenario with the chosen protocols and seeds only, in the scenario's own order.

    Choosing none keeps all. Raises ScenarioError for a choice that the scenario doesn't have.
    """
    _require("--protocol", protocols, scenario.protocols)
    _require("--seed", seeds, scenario.seeds)
    kept = {
        name: settings
        for name, settings in scenario.protocols.items()
        if not protocols or name in protocols
    }
    numbers = tuple(seed for seed in scenario.seeds if not seeds or seed in seeds)
    return scenario.model_copy(update={"protocols": kept, "seeds": numbers})


def _require(option: str, chosen: Sequence[object], available: Iterable[object]) -> None:
    allowed = list(available)
    for value in chosen:
        if value not in allowed:
            raise ScenarioError(
                f"{option} {value}: not in the scenario; allowed: {', '.join(map(str, allowed))}"
            )
