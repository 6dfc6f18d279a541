"""What tests of the network ask: how messages ended, and what happens when."""

from typing import Any

import simpy

from sim.world.clock import Tie
from sim.world.network import Network


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
