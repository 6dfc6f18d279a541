"""Our flows beside SimGrid's: `python -m tests.independent.against_simgrid` prints how far apart.

SimGrid's times are in `simgrid.json`, which `simgrid_times.py` makes.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sim.world import Clock, Streams, Tie, Trace
from sim.world.links.flows import Sharing
from sim.world.links.latencies import Given
from sim.world.medium import Wiring
from sim.world.network import Network
from sim.world.transport import FLUID, Tcp, Transport
from tests.independent.simgrid_times import Flow, Hosts
from tests.sim.tiny import run

Floats = npt.NDArray[np.float64]
FILE = Path(__file__).with_name("simgrid.json")
TCP = Tcp(kind="tcp")
NARROWED = TCP.model_copy(update={"window": TCP.bandwidth_factor * 4 * 1024**2})
"""In SimGrid 3.32 the bandwidth factor is on the window, too, which counts no headers."""


@dataclass(frozen=True)
class Case:
    """What SimGrid was asked, and by model what it said: when each flow [n] finishes."""

    hosts: Hosts
    finish_s: Mapping[str, Floats]

    @property
    def is_alike(self) -> bool:
        """Whether no flow meets another that is longer on its way."""
        is_alone = self.hosts.name == "alone"
        return is_alone or len({flow.latency_s for flow in self.hosts.flows}) == 1


def cases() -> list[Case]:
    """All cases, in the order of the file."""
    return [_case(**each) for each in json.loads(FILE.read_text(encoding="utf-8"))]


def _case(
    *, flows: list[list[float]], finish_s: Mapping[str, list[float]], **hosts: object
) -> Case:
    sent = [Flow(int(one), int(other), int(size), *more) for one, other, size, *more in flows]
    times_s = {model: np.array(each) for model, each in finish_s.items()}
    return Case(Hosts(flows=sent, **hosts), times_s)  # type: ignore[arg-type]


def finish_s(hosts: Hosts, transport: Transport, sharing: Sharing = "max_min") -> Floats:
    """When each flow [n] finishes in our network."""
    clock, count = Clock(), len(hosts.uplink)
    ways_s = np.zeros((count, count))
    for flow in hosts.flows:
        ways_s[flow.source, flow.target] = ways_s[flow.target, flow.source] = flow.latency_s
    wiring = Wiring(
        tuple(f"client_{i}" for i in range(count)),
        Given(ways_s),
        np.array(hosts.uplink, dtype=np.float64),
        np.array(hosts.downlink, dtype=np.float64),
        sharing,
        transport=transport,
    )
    network = Network(clock, Trace("", 0), Streams(0), wiring)
    ends_s = np.full(len(hosts.flows), np.nan)

    def send(number: int, flow: Flow, _: object) -> None:
        def delivered(_: object) -> None:
            ends_s[number] = clock.now

        network.send(flow.source, flow.target, flow.size_bytes, delivered=delivered)

    for number, flow in enumerate(hosts.flows):
        clock.call_at(flow.start_s, Tie.COMPUTED, partial(send, number, flow))
    run(clock, 1e7)
    return ends_s


def ratios(case: Case, model: str, transport: Transport, sharing: Sharing = "max_min") -> Floats:
    """What each transfer [n] takes in our network, as a multiple of what it takes in SimGrid."""
    starts_s = np.array([flow.start_s for flow in case.hosts.flows])
    ours_s = finish_s(case.hosts, transport, sharing) - starts_s
    found: Floats = ours_s / (case.finish_s[model] - starts_s)
    return found


def _told(found: Floats) -> str:
    off = np.abs(found - 1.0)
    numbers = " ".join(f"{each:9.2e}" for each in np.quantile(off, (0.5, 0.95, 1.0)))
    return f"{numbers}  ({found.min():.3g} to {found.max():.3g} times)"


def main() -> None:
    """Print median, 95th percentile and largest relative difference of all transfers."""
    alone, *shared = cases()
    groups = {
        "alone": [alone],
        "shared, one latency": [case for case in shared if case.is_alike],
        "shared, many latencies": [case for case in shared if not case.is_alike],
    }
    pairs: list[tuple[str, Transport, Sharing]] = [
        ("max_min", FLUID, "max_min"),
        ("max_min", FLUID, "equal"),
        ("tcp", NARROWED, "max_min"),
        ("tcp", TCP, "max_min"),
        ("lv08", TCP, "max_min"),
        ("lv08", FLUID, "max_min"),
    ]
    for group, some in groups.items():
        print(f"{group}: {sum(len(case.hosts.flows) for case in some)} transfers")  # noqa: T201
        for model, transport, sharing in pairs:
            found = np.concatenate([ratios(case, model, transport, sharing) for case in some])
            ours = f"{transport.kind}{' narrowed' if transport is NARROWED else ''}, {sharing}"
            print(f"  {model:8} {ours:22} {_told(found)}")  # noqa: T201


if __name__ == "__main__":
    main()
