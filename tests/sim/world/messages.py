"""What tests of the network ask: how messages ended, and what happens when."""

from typing import Any

import simpy

from sim.world.clock import Tie
from sim.world.links.windows import Degraded, Windows
from sim.world.network import Network, Transfer


def settled(network: Network) -> dict[str, int]:
    """How the messages ended; the end of a run checks that none is missing."""
    in_flight = network.end()
    tally = network.tally
    assert tally.sent == tally.delivered + sum(tally.lost.values()) + in_flight
    return {
        "sent": tally.sent,
        "delivered": tally.delivered,
        "in_flight": in_flight,
        **{cause: number for cause, number in tally.lost.items() if number},
    }


def at(network: Network, time_s: float, act: Any, tie: Tie = Tie.FAULT) -> None:
    event = network.clock.at(time_s, tie)
    assert event.callbacks is not None
    event.callbacks.append(lambda _: act())


def happened(event: simpy.Event) -> bool:
    return event.triggered


def send(network: Network, size_bytes: int, arrivals: list[float], **more: Any) -> Transfer:
    return network.send(
        0, 1, size_bytes, delivered=lambda _: arrivals.append(network.clock.now), **more
    )


class Told:
    """A message from client 0 to client 1, when it arrived, and when its failure was known."""

    def __init__(self, network: Network, size_bytes: int) -> None:
        self.at_s: list[float] = []
        self.delivered_s: list[float] = []
        self.transfer = network.send(
            0,
            1,
            size_bytes,
            delivered=lambda _: self.delivered_s.append(network.clock.now),
            failed=lambda _: self.at_s.append(network.clock.now),
            acknowledge=True,
            purpose="ask",
        )


def degraded(
    network: Network, share: float, latency_s: float, *struck: tuple[int, float, float]
) -> None:
    """`struck`: a node, from when to when."""
    rows = [([node], Windows([(from_s, to_s)])) for node, from_s, to_s in struck]
    network.degrade("slow", Degraded(len(network.wiring.names), share, latency_s, rows))
