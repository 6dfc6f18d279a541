"""What is measured: worlds of a few hosts at 4 Mbit/s or 8, whose other lines are wide."""

from collections.abc import Mapping, Sequence

from tests.reality.network.hosts import Link
from tests.reality.transfers.flows import Case, Flow, World

RATE, TWICE = 5e5, 1e6
WIDE = 1e8
SIZES = (10_000, 40_000, 160_000, 640_000, 2_560_000)
SHARED_BYTES, LONG_BYTES = 1_000_000, 4_000_000
DELAYS_S = (0.01, 0.04, 0.08)


def _pair(delay_s: float, rate: float, loss: float = 0.0) -> World:
    """Two hosts, whose up and down are alike."""
    return World((Link(rate, rate),) * 2, ((0.0, delay_s), (delay_s, 0.0)), loss)


def _star(delays_s: Sequence[float], *, out: bool) -> World:
    """Host 0 and as many others, each that far from it; only its uplink, or downlink, is narrow."""
    middle = Link(TWICE, WIDE) if out else Link(WIDE, TWICE)
    from_middle_s = (0.0, *delays_s)
    rows = [[one + other for other in from_middle_s] for one in from_middle_s]
    return World((middle, *[Link(WIDE, WIDE)] * len(delays_s)), tuple(map(tuple, rows)))


def _alone() -> list[Case]:
    return [
        Case("new connection", _pair(delay_s, RATE), (Flow(0, 1, size),))
        for delay_s in DELAYS_S
        for size in SIZES
    ]


def _lasting() -> list[Case]:
    world = _pair(0.04, RATE)
    return [
        Case(name, world, (Flow(0, 1, size),), carried, idle_s)
        for size in SIZES[1:4]
        for name, carried, idle_s in (
            ("new connection", None, 0.0),
            ("lasting, one byte before", 1, 0.1),
            ("lasting, 640 kB just before", 640_000, 0.0),
            ("lasting, 640 kB 3 s before", 640_000, 3.0),
        )
    ]


def _shared() -> list[Case]:
    cases = []
    for out, name in ((True, "uplink"), (False, "downlink")):
        for delays_s in ((0.04,) * 2, (0.04,) * 4, (0.04,) * 7, (0.01, 0.02, 0.04, 0.08)):
            others = range(1, len(delays_s) + 1)
            unlike = "" if len(set(delays_s)) == 1 else " unlike"
            flows = [Flow(0, i, SHARED_BYTES) if out else Flow(i, 0, SHARED_BYTES) for i in others]
            world = _star(delays_s, out=out)
            cases.append(Case(f"{len(flows)}{unlike} over one {name}", world, tuple(flows)))
    return cases


def _lossy() -> list[Case]:
    return [
        Case(f"{loss:.1%} loss", _pair(delay_s, TWICE, loss), (Flow(0, 1, size),))
        for size, delays_s in ((SHARED_BYTES, DELAYS_S), (LONG_BYTES, DELAYS_S[1:2]))
        for loss in (0.001, 0.01, 0.02)
        for delay_s in delays_s
    ]


CASES: Mapping[str, tuple[Sequence[Case], int]] = {
    "alone": (_alone(), 3),
    "lasting": (_lasting(), 3),
    "shared": (_shared(), 5),
    "lossy": (_lossy(), 7),
}
"""Tables, and how often each of their cases is measured."""
