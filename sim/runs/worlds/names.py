"""Names a world by what it reads: worlds of one name can't differ, and one of them is played.

Of two points of a sweep that differ in when the server crashes, a protocol without a server lives
in the same world. What a kind reads it declares itself: a protocol by `uses_network`,
`uses_topology`, `servers` and `runs_on`, a fault by `leaves_others_alone` and `strikes`. A user's
own kinds may read whatever there is.
"""

import hashlib
from collections.abc import Iterator
from functools import cached_property

from sim.faults import Fault
from sim.scenario import Scenario


class Reading:
    """What the worlds of one scenario read of it."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self._parts = {name: "\n".join(self._read(name)) for name in scenario.protocols}

    def world(self, protocol: str, seed: int, learner: str) -> str:
        """The name of the world of one protocol and seed, 64 hexadecimal digits.

        `learner` names all that the control plane knows of the learner, see `Data.learner_name`.
        """
        parts = (protocol, str(seed), learner, self._parts[protocol])
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def _read(self, name: str) -> Iterator[str]:
        scenario, protocol = self.scenario, self.scenario.protocols[name]
        nodes = protocol.runs_on(scenario.client_names)
        faults = {key: one for key, one in self._faults.items() if _acts_among(nodes, one)}
        network, detection = scenario.network, scenario.failure_detection
        kinds = protocol, *faults.values(), scenario.topology, detection, network.transport
        if not all(map(_is_ours, kinds)):
            yield self._everything
            return
        yield repr((protocol, scenario.training_of(name)))
        yield repr(faults)  # In their order, and by names: they are the causes in the trace.
        yield self._common
        if protocol.uses_network or scenario.evaluation.suspicions:
            # Where a server stands depends on which others there are.
            servers = scenario.node_names[scenario.clients.count :]
            yield repr((network, detection, servers))
        else:
            yield repr(network.regions)  # They say what time of day it is.
        if protocol.servers:
            yield repr(scenario.server)
        if protocol.uses_topology or any(fault.uses_topology for fault in faults.values()):
            yield repr(scenario.topology)

    @cached_property
    def _faults(self) -> dict[str, Fault]:
        return self.scenario.acting_faults

    @cached_property
    def _common(self) -> str:
        """What every world reads, and its observer."""
        scenario = self.scenario
        looks = scenario.evaluation, scenario.validated_stages, scenario.stop_when, scenario.output
        rising = scenario.task.directions, scenario.task.final_directions
        return repr((scenario.duration, scenario.clients, looks, rising))

    @cached_property
    def _everything(self) -> str:
        return self.scenario.model_dump_json()


def _is_ours(kind: object) -> bool:
    """Whether it is none of a user, which may inherit what ours say of themselves, and break it."""
    return type(kind).__module__.startswith("sim.")


def _acts_among(nodes: tuple[str, ...], fault: Fault) -> bool:
    """Whether a world of these nodes may differ from the same without the fault."""
    alone = _is_ours(fault) and fault.leaves_others_alone
    return not alone or len(fault.strikes(nodes)) > 0
