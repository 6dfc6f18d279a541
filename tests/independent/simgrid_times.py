"""Lets SimGrid say when flows finish: `/usr/bin/python3 tests/independent/simgrid_times.py FILE`.

It needs SimGrid alone (Debian: `apt-get install python3-simgrid`) and no part of this project; what
it writes is `simgrid.json` beside it, with which `against_simgrid.py` compares.
"""

import json
import math
import multiprocessing
import random
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

SEED = 18
LATENCIES_S = (0.001, 0.02, 0.085, 0.15, 0.3)
SIZES_BYTES = (2_000, 20_000, 200_000, 2_000_000, 14_000_000, 100_000_000)
BANDWIDTHS = (250_000, 2_500_000, 12_500_000, 125_000_000)
WHOLE = "network/optim:Full"
"""SimGrid 3.32 by default works out again only what a flow's begin or end may change; now and then
that misses some of it, and then links aren't full or hold more than they can."""
FAIR = ("network/weight-S:0", "network/crosstraffic:0")
PLAIN = ("network/latency-factor:1", "network/bandwidth-factor:1", "network/TCP-gamma:0")
MODELS: Mapping[str, Sequence[str]] = {
    "max_min": ("network/model:CM02", *FAIR, *PLAIN, WHOLE),
    "tcp": ("network/model:LV08", *FAIR, WHOLE),
    "lv08": ("network/model:LV08", WHOLE),
}
"""By name SimGrid's settings: flows alone; its TCP without what only it has; and as it comes."""


class Flow(NamedTuple):
    """`size_bytes` from one host to another, begun at `start_s`; the pair's latency is one way."""

    source: int
    target: int
    size_bytes: int
    start_s: float
    latency_s: float


@dataclass(frozen=True)
class Hosts:
    """Hosts with an uplink and a downlink each [n], bytes per second, and what they send."""

    name: str
    uplink: Sequence[int]
    downlink: Sequence[int]
    flows: Sequence[Flow]


def alone() -> Hosts:
    """Every latency, size and bandwidth, between two hosts that nobody else talks to."""
    uplink: list[int] = []
    flows = []
    for latency_s in LATENCIES_S:
        for bandwidth in BANDWIDTHS:
            for size_bytes in SIZES_BYTES:
                flows.append(Flow(len(uplink), len(uplink) + 1, size_bytes, 0.0, latency_s))
                uplink += [bandwidth, bandwidth]
    return Hosts("alone", uplink, [5 * each for each in uplink], flows)


def to_one(number: int, latency_s: float) -> Hosts:
    """Equal hosts that send to one of them at once, and that one to all of them."""
    pairs = [(each, number) for each in range(number)]
    pairs += [(number, each) for each in range(number)]
    flows = [Flow(*pair, 2_000_000, 0.0, latency_s) for pair in pairs]
    bandwidths = [2_500_000] * (number + 1)
    return Hosts(f"to one of {number}", bandwidths, bandwidths, flows)


def drawn(number: int, *, alike: bool) -> Hosts:
    """Hosts and flows by chance; `alike`: all pairs have one latency."""
    dice = random.Random(f"{SEED} {number}")
    hosts = dice.randint(3, 12)
    uplink, downlink = ([_between(dice, 3e5, 3e7) for _ in range(hosts)] for _ in range(2))
    every = dice.choice(LATENCIES_S)
    ways_s = {
        (one, other): every if alike else dice.choice(LATENCIES_S)
        for one in range(hosts)
        for other in range(one)
    }
    flows = []
    for _ in range(dice.randint(10, 60)):
        source, target = dice.sample(range(hosts), 2)
        way_s = ways_s[max(source, target), min(source, target)]
        flows.append(Flow(source, target, _between(dice, 1e3, 1e8), dice.randrange(80) / 4, way_s))
    return Hosts(f"drawn {number}", uplink, downlink, flows)


def _between(dice: random.Random, low: float, high: float) -> int:
    """A whole number, its logarithm uniform."""
    return round(low * math.exp(math.log(high / low) * dice.random()))


def every_case() -> list[Hosts]:
    """All that SimGrid is asked."""
    fixed = [alone(), *(to_one(number, 0.02) for number in (2, 7, 40))]
    likes = [drawn(number, alike=True) for number in range(24)]
    return [*fixed, *likes, *(drawn(number, alike=False) for number in range(24, 32))]


def finish_s(hosts: Hosts, model: str) -> list[float]:
    """When each flow's last byte is there, in a process of its own: SimGrid is set up only once."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("fork")) as one:
        return one.submit(_simulated, hosts, model).result()


def _simulated(hosts: Hosts, model: str) -> list[float]:
    import simgrid  # type: ignore[import-not-found,unused-ignore]

    settings = [f"--cfg={each}" for each in MODELS[model]]
    engine = simgrid.Engine(["simgrid", "--log=root.thres:error", *settings])
    zone = simgrid.NetZone.create_full_zone("world")

    def link(name: str, bandwidth: float, latency_s: float = 0.0) -> object:
        return zone.create_link(name, bandwidth).set_latency(latency_s).seal()

    nodes = [zone.create_host(f"host {i}", 1e9) for i in range(len(hosts.uplink))]
    ups = [link(f"up {i}", each) for i, each in enumerate(hosts.uplink)]
    downs = [link(f"down {i}", each) for i, each in enumerate(hosts.downlink)]
    # Acknowledgements take the way back, so both are there for whoever sends one way alone.
    ways_s = {}
    for flow in hosts.flows:
        ways_s[flow.source, flow.target] = ways_s[flow.target, flow.source] = flow.latency_s
    for (one, other), way_s in ways_s.items():
        way = link(f"way {one} {other}", 1e18, way_s)  # So wide that nobody shares it.
        route = [simgrid.LinkInRoute(each) for each in (ups[one], way, downs[other])]
        zone.add_route(nodes[one].netpoint, nodes[other].netpoint, None, None, route, False)
    zone.seal()
    ends_s = [math.nan] * len(hosts.flows)

    def send(number: int, flow: Flow) -> None:
        simgrid.this_actor.sleep_until(flow.start_s)
        simgrid.Comm.sendto(nodes[flow.source], nodes[flow.target], flow.size_bytes)
        ends_s[number] = simgrid.Engine.clock

    for number, flow in enumerate(hosts.flows):
        simgrid.Actor.create(f"flow {number}", nodes[0], send, number, flow)
    engine.run()
    return ends_s


def main(file: str) -> None:
    """Write a line for each case: the hosts, and by model when their flows finish."""
    lines = []
    for hosts in every_case():
        times_s = {model: finish_s(hosts, model) for model in MODELS}
        lines.append(json.dumps({**asdict(hosts), "finish_s": times_s}))
    Path(file).write_text("[\n" + ",\n".join(lines) + "\n]\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
