"""What packet loss does to a reliable transport: it delays short messages and slows long ones.

Nothing is lost for good: what didn't come through is sent again. Sources: Paxson, Allman, Chu,
Sargent, RFC 6298, 2011 (when); Padhye, Firoiu, Towsley, Kurose, "Modeling TCP Throughput: A Simple
Model and its Empirical Validation", SIGCOMM 1998, equation 30 (how fast), which for little loss
is Mathis, Semke, Mahdavi, Ott, "The Macroscopic Behavior of the TCP Congestion Avoidance
Algorithm", 1997.
"""

import math

SEGMENT_BYTES = 1460.0
SHORTEST_TIMEOUT_S, LONGEST_TIMEOUT_S = 1.0, 60.0
"""RFC 6298, 2.4 and 2.5."""


def timeout_s(round_trip_s: float) -> float:
    """How long a sender waits for an acknowledgement before it sends a packet again."""
    return max(SHORTEST_TIMEOUT_S, round_trip_s)


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
