"""What transfers should take by the simulator."""

import math
from functools import partial

import numpy as np

from sim.world import Clock, Given, Network, Streams, Trace, Wiring
from sim.world.transport import Transport
from tests.reality.transfers.flows import Case


def simulated_s(case: Case, transport: Transport) -> list[float]:
    """What each flow takes."""
    world = case.world
    uplink, downlink = np.array(world.links).T.copy()
    names = tuple(map(str, range(len(world.links))))
    network = Network(
        Clock(),
        Trace("", 0),
        Streams(0),
        Wiring(
            names,
            Given(np.array(world.delays_s)),
            uplink,
            downlink,
            sharing="max_min",
            packet_loss=world.loss,
            transport=transport,
        ),
    )
    ended_s = [math.nan] * len(case.flows)

    def ends(number: int, _: object) -> None:
        ended_s[number] = network.clock.now

    for number, flow in enumerate(case.flows):
        sent = flow.source, flow.target, flow.size_bytes
        network.send(*sent, delivered=partial(ends, number))
    network.clock.run()
    return ended_s
