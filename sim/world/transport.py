"""A reliable transport: when a transfer's bytes begin to come, how fast, and what loss does to it.

Nothing is lost for good: what didn't come through is sent again, which delays short messages and
slows long ones. Sources: Paxson, Allman, Chu, Sargent, RFC 6298, 2011 (when); Padhye, Firoiu,
Towsley, Kurose, "Modeling TCP Throughput: A Simple Model and its Empirical Validation", SIGCOMM
1998, equation 30 (how fast), which for little loss is Mathis, Semke, Mahdavi, Ott, "The Macroscopic
Behavior of the TCP Congestion Avoidance Algorithm", 1997. `tcp`: Velho, Schnorr, Casanova, Legrand,
"On the Validity of Flow-Level TCP Network Models for Grid and Cloud Simulations", ACM TOMACS 23(4),
2013, as SimGrid's model LV08 has it. `slow_start`: Cardwell, Savage, Anderson, "Modeling TCP
Latency", INFOCOM 2000, without loss.
"""

import math
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BeforeValidator, Discriminator, Field, Tag

from sim.record.errors import Refusal
from sim.record.settings import SHORTEST_S, Bytes, Settings

Floats = npt.NDArray[np.float64]
Each = Floats | float
"""Of several pairs, or of one."""

KIND = "the transport's kind"
SEGMENT_BYTES = 1460.0
PACKET_BYTES, DATA_BYTES = 1500.0, 1448.0
"""Of a full packet on an Ethernet: all, and without the headers of IP and TCP with time stamps."""
FIRST_WINDOW = 10
"""Packets (RFC 6928)."""
LEAST_DEVIATION_S, LONGEST_TIMEOUT_S = 0.2, 60.0
"""RFC 6298, 2.3 and 2.5. The first is Linux's; by 2.4 a time-out should also be a second at least,
which no common system follows."""


def timeout_s(round_trip_s: float) -> float:
    """How long a sender waits for an acknowledgement before it sends a packet again."""
    return round_trip_s + LEAST_DEVIATION_S


def resent_s(loss: float, luck: float, round_trip_s: float) -> float:
    """By how much a message of one packet is late; each time-out is twice the one before.

    `luck` in [0, 1): the chance that n copies in a row are lost is `loss` to the power of n.
    """
    late_s, wait_s = 0.0, timeout_s(round_trip_s)
    chance = loss
    while luck < chance:
        late_s += wait_s
        wait_s = min(2 * wait_s, LONGEST_TIMEOUT_S)
        chance *= loss
    return late_s


def fastest(loss: float, round_trip_s: float) -> float:
    """The bytes per second that one transfer gets at most, on idle links too."""
    if not loss:
        return math.inf
    recovering = round_trip_s * math.sqrt(2 * loss / 3)
    timed_out = min(1.0, 3 * math.sqrt(3 * loss / 8)) * loss * (1 + 32 * loss**2)
    return SEGMENT_BYTES / (recovering + timeout_s(round_trip_s) * timed_out)


def _endless_or_size(data: Any) -> str:
    return "endless" if data == "endless" else "size"


def _not_a_word(data: Any) -> Any:
    if isinstance(data, str) and data.isalpha():
        raise Refusal(f"{data!r} is not known here", "endless, or a size, e.g. '4 MiB'")
    return data


Window = Annotated[
    Annotated[Literal["endless"], Tag("endless")]
    | Annotated[Bytes, BeforeValidator(_not_a_word), Tag("size")],
    Discriminator(_endless_or_size),
]


class Transport(Settings):
    """What a transfer meets beside the sharing of links: here nothing but its latency and loss.

    A message without bytes fits into a packet, and pays its latency as it is under each of them.
    """

    kind: str

    def first_byte_s(
        self, size_bytes: float, latency_s: Each, back_s: Each, bandwidth: Each
    ) -> Each:
        """When the bytes of a transfer begin to come as fast as links let them, all [n].

        `back_s`: the latency back. `bandwidth`: of the slower of its two links, nobody else there.
        """
        return latency_s

    def usable(self, bandwidth: Floats) -> Floats:
        """What links of so many bytes per second [n] carry of models."""
        return bandwidth

    def at_most(self, loss: float, round_trip_s: float) -> float:
        """The bytes per second that one transfer gets at most, on idle links too."""
        return fastest(loss, round_trip_s)

    def transfer_s(
        self, size_bytes: float, latency_s: Floats, back_s: Floats, bandwidth: Floats
    ) -> Floats:
        """What a transfer takes on idle links without loss; as `first_byte_s`."""
        begun_s = self.first_byte_s(size_bytes, latency_s, back_s, bandwidth)
        seconds: Floats = begun_s + size_bytes / self.usable(bandwidth)
        return seconds


class Fluid(Transport):
    """Bytes flow like water: at full rate from the first on, however long the link."""

    kind: Literal["fluid"] = Field(default="fluid", description=KIND)


class Tcp(Transport):
    """Slow start, headers and the window, by factors that were fitted to packets (SimGrid's LV08).

    The factors stand for slow start and headers: nothing else models them here. A transfer's first
    byte is there after `latency_factor` times the latency, links carry `bandwidth_factor` of their
    bandwidth, and no transfer is faster than a window in a round trip.
    """

    kind: Literal["tcp"] = Field(description=KIND)
    latency_factor: Annotated[float, Field(ge=1, le=1000)] = Field(
        default=13.01, description="times a pair's latency until a transfer's first byte is there"
    )
    bandwidth_factor: Annotated[float, Field(gt=0, le=1)] = Field(
        default=0.97, description="part of a link's bandwidth that carries models"
    )
    window: Window = Field(
        default=4.0 * 1024**2, description="most bytes under way in a round trip, or endless"
    )

    def first_byte_s(
        self, size_bytes: float, latency_s: Each, back_s: Each, bandwidth: Each
    ) -> Each:
        return self.latency_factor * latency_s

    def usable(self, bandwidth: Floats) -> Floats:
        return self.bandwidth_factor * bandwidth

    def at_most(self, loss: float, round_trip_s: float) -> float:
        # Without latency, too, a window is a bound: links may get slower while bytes flow.
        windowed = self._window_bytes / max(round_trip_s, SHORTEST_S)
        return min(fastest(loss, round_trip_s), windowed)

    def transfer_s(
        self, size_bytes: float, latency_s: Floats, back_s: Floats, bandwidth: Floats
    ) -> Floats:
        flowing_s = size_bytes / self.usable(bandwidth)
        windows_s = size_bytes / self._window_bytes * (latency_s + back_s)
        seconds: Floats = self.latency_factor * latency_s + np.maximum(flowing_s, windows_s)
        return seconds

    @property
    def _window_bytes(self) -> float:
        return math.inf if self.window == "endless" else self.window


class SlowStart(Transport):
    """Slow start and headers worked out, as the kernel's TCP was measured to have them.

    A sender begins with ten segments in a round trip and doubles that with each, until a link is
    never idle. The time for which it is idle until then comes before a transfer's bytes, which then
    flow as if links had always been full.
    """

    kind: Literal["slow_start"] = Field(description=KIND)
    connections: Literal["lasting", "new"] = Field(
        default="lasting",
        description="whether a transfer finds a connection that has long been idle, or makes one, "
        "which takes a round trip",
    )

    def first_byte_s(
        self, size_bytes: float, latency_s: Each, back_s: Each, bandwidth: Each
    ) -> Each:
        round_trip_s = latency_s + back_s
        handshake_s = round_trip_s if self.connections == "new" else 0.0
        return latency_s + handshake_s + idle_s(size_bytes, round_trip_s, bandwidth)

    def usable(self, bandwidth: Floats) -> Floats:
        return bandwidth * (DATA_BYTES / PACKET_BYTES)


def idle_s(size_bytes: float, round_trip_s: Each, bandwidth: Each) -> Each:
    """How long a link is idle because a transfer's window is still too small for it, all [n].

    Window k has 10 x 2^k packets; the link sends them, then waits for the first acknowledgement.
    """
    packet_s = PACKET_BYTES / bandwidth
    round_s = round_trip_s + packet_s
    until_full = _doublings(round_s / (FIRST_WINDOW * packet_s))
    until_sent = _doublings(size_bytes / DATA_BYTES / FIRST_WINDOW + 1) - 1
    rounds = np.maximum(np.minimum(until_full, until_sent), 0)
    seconds: Each = rounds * round_s - FIRST_WINDOW * (np.ldexp(1.0, rounds) - 1) * packet_s
    return seconds


def _doublings(times: Each) -> npt.NDArray[np.intc]:
    """How often one must be doubled to be `times` at least: a logarithm that is never rounded."""
    fraction, exponent = np.frexp(times)
    doublings: npt.NDArray[np.intc] = exponent - (fraction == 0.5)
    return doublings


FLUID = Fluid()
TRANSPORTS: dict[str, type[Transport]] = {"fluid": Fluid, "tcp": Tcp, "slow_start": SlowStart}
