"""What transfers should take: by the simulator, and by a closed form of slow start.

The closed form: Cardwell, Savage, Anderson, "Modeling TCP Latency", INFOCOM 2000, without loss.
"""

import math
from functools import partial

import numpy as np

from sim.world import Clock, Given, Network, Streams, Trace, Wiring
from sim.world.transport import Transport
from tests.reality.network.switch import FULL_PACKET_BYTES
from tests.reality.transfers.flows import Case, Flow, World, narrowest, round_trip_s

SEGMENT_BYTES = 1448
"""Of data in a full packet: 1500 less the headers of IP and TCP, with time stamps."""
SHORT_PACKET_BYTES = 60
"""One that carries no data: of a handshake, or an acknowledgement."""
FIRST_WINDOW = 10
"""Segments (RFC 6928)."""


def simulated_s(case: Case, transport: Transport) -> list[float]:
    """What each flow takes in the simulator, whose connections are always there."""
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


def slow_start_s(world: World, flow: Flow, *, is_new: bool = True) -> float:
    """What a flow takes alone, if its window doubles until the line is never idle.

    A handshake, if it `is_new`, takes a round trip.
    """
    up, down = world.links[flow.source].up_bytes_per_s, world.links[flow.target].down_bytes_per_s
    back = world.links[flow.target].up_bytes_per_s, world.links[flow.source].down_bytes_per_s
    ways_s = round_trip_s(world, flow)
    acknowledged_s = sum(SHORT_PACKET_BYTES / rate for rate in back)
    first_s = sum(FULL_PACKET_BYTES / rate for rate in (up, down))
    segment_s = FULL_PACKET_BYTES / narrowest(world, flow)

    taken_s = 0.0
    if is_new:
        taken_s = ways_s + acknowledged_s + sum(SHORT_PACKET_BYTES / rate for rate in (up, down))
    segments, window = flow.size_bytes / SEGMENT_BYTES, FIRST_WINDOW
    round_s = ways_s + first_s + acknowledged_s
    while segments > window and window * segment_s < round_s:
        taken_s += round_s
        segments -= window
        window *= 2
    last_s = world.delays_s[flow.source][flow.target] + FULL_PACKET_BYTES / max(up, down)
    return taken_s + segments * segment_s + last_s
