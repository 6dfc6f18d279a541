"""Slow start by hand, and beside what the kernel's TCP took."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from sim.world.links.windows import Degraded, Windows
from sim.world.transport import DATA_BYTES, FLUID, SlowStart, idle_s
from tests.sim import tiny

LASTING = SlowStart(kind="slow_start")
NEW = SlowStart(kind="slow_start", connections="new")


@pytest.mark.parametrize(
    ("packets", "idle"),
    [
        (1, 0),
        (10, 0),  # The first window is enough.
        (10.001, 80 - 10),
        (30, 80 - 10),
        (30.001, 80 - 10 + 80 - 20),
        (70, 80 - 10 + 80 - 20),
        (70.001, 80 - 10 + 80 - 20 + 80 - 40),
        (1e9, 80 - 10 + 80 - 20 + 80 - 40),  # A window of 80 packets fills the link.
    ],
)
def test_a_link_is_idle_until_the_window_fills_it(packets: float, idle: float) -> None:
    # A packet takes 1 s on the link, so that the first acknowledgement is there after 1 + 79 s.
    assert idle_s(packets * DATA_BYTES, 79.0, 1500.0) == pytest.approx(idle, abs=1e-9)


def test_pairs_may_be_asked_for_together() -> None:
    sizes = 1e6
    latency_s, bandwidth = np.array([0.0, 0.01, 0.1]), np.array([1e5, 1e6, 1e8])
    together = NEW.transfer_s(sizes, latency_s, latency_s, bandwidth)
    alone = [
        NEW.first_byte_s(sizes, one_way_s, one_way_s, rate)
        + sizes / NEW.usable(np.array([rate]))[0]
        for one_way_s, rate in zip(latency_s.tolist(), bandwidth.tolist(), strict=True)
    ]
    assert together.tolist() == alone
    # Without latency a link is never idle.
    assert together[0] == pytest.approx(sizes / (1e5 * 1448 / 1500))


@given(st.floats(1, 1e10), st.floats(1, 1e10), st.floats(0, 2), st.floats(1e3, 1e10))
def test_more_bytes_never_take_less(
    one: float, other: float, latency_s: float, bandwidth: float
) -> None:
    pair_s, rates = np.array([latency_s]), np.array([bandwidth])
    less, more = (
        LASTING.transfer_s(size, pair_s, pair_s, rates)[0] for size in sorted([one, other])
    )
    assert less <= more * (1 + 1e-12)
    assert less >= FLUID.transfer_s(min(one, other), pair_s, pair_s, rates)[0]


def test_of_a_large_transfer_headers_alone_are_left() -> None:
    pair_s, rates = np.array([0.1]), np.array([1e7])
    slow, fluid = (each.transfer_s(1e12, pair_s, pair_s, rates)[0] for each in (LASTING, FLUID))
    assert slow / fluid == pytest.approx(1500 / 1448, rel=1e-4)


def test_a_new_connection_takes_a_round_trip_more() -> None:
    network = [
        tiny.network([[0, 0.25], [0.5, 0]], [1e6, 1e6], transport=transport)
        for transport in (LASTING, NEW)
    ]
    for each in network:
        each.send(0, 1, 1_000_000)
        tiny.run(each.clock, 100.0)
    lasting, new = (each.trace.rows[0].duration_s for each in network)
    assert new - lasting == pytest.approx(0.75)


def test_a_link_that_is_slow_now_is_full_sooner() -> None:
    # 15 packets a second, a round trip of 2 s: 31 packets fill it, so windows of 10 and 20 don't.
    # At a tenth 4 do, so the first window does.
    network = tiny.network(1.0, [22_500.0] * 2, transport=LASTING)
    network.degrade("slow", Degraded(2, 0.1, 0.0, [([1], Windows([(0.0, 1e6)]))]))
    network.send(0, 1, 144_800)
    tiny.run(network.clock, 1000.0)
    ((_, taken_s, *_),) = tiny.events(network.trace, "transfer")
    assert taken_s == pytest.approx(1 + 100 * 1500 / 2250)
    assert idle_s(144_800, 2.0, 22_500.0) == pytest.approx(2 * 31 / 15 - 30 / 15)


def test_what_connections_are_is_one_of_two_words() -> None:
    with pytest.raises(ValidationError):
        SlowStart.model_validate({"kind": "slow_start", "connections": "some"})


# Of `python -m tests.reality.transfers alone lasting`: 4 Mbit/s up and down; Linux 6.18, CUBIC, a
# queue of one bandwidth x round trip and at least 20 packets. Medians of three, in seconds.
MEASURED = [
    (one_way_s, size_bytes, taken_s, NEW)
    for one_way_s, taken in {
        0.01: (0.055, 0.117, 0.397, 1.362, 5.340),
        0.04: (0.146, 0.264, 0.683, 1.533, 5.512),
        0.08: (0.265, 0.464, 0.867, 2.148, 5.841),
    }.items()
    for size_bytes, taken_s in zip((1e4, 4e4, 16e4, 64e4, 256e4), taken, strict=True)
]
OVERFLOWED = {(0.01, 16e4), (0.04, 16e4), (0.08, 64e4)}
"""Where slow start ends in a full queue, and what was dropped is sent again."""


@pytest.mark.parametrize(("one_way_s", "size_bytes", "taken_s", "transport"), MEASURED)
def test_it_takes_what_the_kernel_takes(
    one_way_s: float, size_bytes: float, taken_s: float, transport: SlowStart
) -> None:
    pair_s, rates = np.array([one_way_s]), np.array([5e5])
    ratio = transport.transfer_s(size_bytes, pair_s, pair_s, rates)[0] / taken_s
    if (one_way_s, size_bytes) in OVERFLOWED:
        assert 0.75 < ratio < 0.95
    else:
        assert 0.92 < ratio < 1.0
