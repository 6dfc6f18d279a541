"""A reliable transport, with and without loss, against the papers' formulas."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from sim.record.rows import TraceRow
from sim.world.links.flows import Sharing
from sim.world.network import Network
from sim.world.transport import (
    FLUID,
    SEGMENT_BYTES,
    SlowStart,
    Tcp,
    Transport,
    fastest,
    resent_s,
    timeout_s,
)
from tests.sim import tiny
from tests.sim.world.messages import at


@pytest.mark.parametrize("round_trip_s", [0.01, 0.1, 2.0])
def test_little_loss_is_mathis_formula(round_trip_s: float) -> None:
    """MSS / RTT * C / sqrt(p) with C = sqrt(3/2): every packet is acknowledged."""
    for loss in (1e-6, 1e-8, 1e-10):
        mathis = SEGMENT_BYTES / round_trip_s * math.sqrt(3 / 2) / math.sqrt(loss)
        # Time-outs take a share in proportion to the loss.
        ratio = fastest(loss, round_trip_s) / mathis
        assert 1 - 3 * loss * timeout_s(round_trip_s) / round_trip_s < ratio < 1


def test_much_loss_is_what_time_outs_leave() -> None:
    """Worked out by hand from equation 30 of Padhye et al. with b = 1 and T0 = 0.1 + 0.2 s."""
    # Round trip 0.1 s, p = 0.06: sqrt(0.04) = 0.2; 3 sqrt(0.0225) = 0.45; 1 + 32 * 0.0036 = 1.1152.
    assert fastest(0.06, 0.1) == pytest.approx(1460 / (0.02 + 0.3 * 0.45 * 0.06 * 1.1152))
    # p = 0.96: 3 sqrt(0.36) = 1.8 is cut to 1.
    assert fastest(0.96, 0.1) == pytest.approx(1460 / (0.08 + 0.3 * 0.96 * (1 + 32 * 0.96**2)))


def test_no_loss_bounds_nothing_and_more_loss_slows() -> None:
    assert fastest(0.0, 0.1) == math.inf
    rates = [fastest(loss, 0.1) for loss in (1e-9, 1e-4, 0.01, 0.02, 0.1, 0.5, 0.99)]
    assert rates == sorted(rates, reverse=True) and rates[-1] > 0


@pytest.mark.parametrize("round_trip_s", [0.0, 0.5, 3.0])
def test_time_outs_double_up_to_a_minute(round_trip_s: float) -> None:
    expected_s, wait_s = 0.0, round_trip_s + 0.2
    for copies in range(12):
        # Just rarer than `copies` lost in a row, and as rare as one more.
        assert resent_s(0.5, 0.5 ** (copies + 1), round_trip_s) == expected_s
        expected_s += wait_s
        wait_s = min(60.0, 2 * wait_s)
    assert resent_s(0.0, 0.0, round_trip_s) == 0.0


# -- tcp -------------------------------------------------------------------------------------------

TCP = Tcp(kind="tcp")
PLAIN = Tcp(kind="tcp", latency_factor=1.0, bandwidth_factor=1.0, window="endless")
MEGABIT = 1e6 / 8


def took_s(size_bytes: int, latency_s: float, bandwidth: float, loss: float = 0.0) -> float:
    """What one transfer by tcp takes on an idle link; both ends have that bandwidth."""
    network = tiny.network(latency_s, [bandwidth] * 2, transport=TCP, packet_loss=loss)
    network.send(0, 1, size_bytes)
    tiny.run(network.clock, 1e6)
    (row,) = network.trace.rows
    return row.duration_s


def test_a_short_transfer_on_a_long_link_is_all_slow_start() -> None:
    # 10 kB take 5 ms at 16 Mbit/s, and wait 13.01 * 150 ms for their first byte.
    expected_s = 13.01 * 0.15 + 10_000 / (0.97 * 16 * MEGABIT)
    assert took_s(10_000, 0.15, 16 * MEGABIT) == pytest.approx(expected_s, rel=1e-12)
    assert expected_s > 12 * (0.15 + 10_000 / (16 * MEGABIT))  # By the fluid model.


def test_a_long_transfer_on_a_short_link_loses_the_headers_alone() -> None:
    # 100 MB take 50 s at 16 Mbit/s; a window of 4 MiB in 2 ms would be 2 GB/s.
    fluid_s = 0.001 + 1e8 / (16 * MEGABIT)
    assert took_s(100_000_000, 0.001, 16 * MEGABIT) == pytest.approx(
        13.01 * 0.001 + 1e8 / (0.97 * 16 * MEGABIT), rel=1e-12
    )
    assert took_s(100_000_000, 0.001, 16 * MEGABIT) / fluid_s == pytest.approx(1 / 0.97, rel=1e-3)


def test_a_fat_long_link_is_no_faster_than_a_window_in_a_round_trip() -> None:
    # 4 MiB in 2 * 150 ms are 112 Mbit/s, however many there are.
    windowed = 4 * 1024**2 / 0.3
    for bandwidth in (1_000 * MEGABIT, 10_000 * MEGABIT):
        expected_s = 13.01 * 0.15 + 1e8 / windowed
        assert took_s(100_000_000, 0.15, bandwidth) == pytest.approx(expected_s, rel=1e-12)


def test_loss_bounds_a_transfer_by_tcp_as_any_other() -> None:
    # 1 % loss at a round trip of 100 ms: less than the link and less than the window.
    lossy = fastest(0.01, 0.1)
    assert lossy < 0.97 * 100 * MEGABIT < 4 * 1024**2 / 0.1
    expected_s = 13.01 * 0.05 + 1e6 / lossy
    assert took_s(1_000_000, 0.05, 100 * MEGABIT, 0.01) == pytest.approx(expected_s, rel=1e-12)
    assert TCP.at_most(1e-12, 0.1) == 4 * 1024**2 / 0.1  # So little that the window is less.


def test_two_transfers_that_share_a_link_share_what_it_carries_of_models() -> None:
    # Half of 16 B/s is 8 B/s; of these the second has 3, its window of 6 B in a round trip of 2 s.
    halved = Tcp.model_validate(
        {"kind": "tcp", "latency_factor": 2.0, "bandwidth_factor": 0.5, "window": "6 B"}
    )
    latency_s = [[0.0, 0.25, 1.0], [0.25, 0.0, 0.0], [1.0, 0.0, 0.0]]
    network = tiny.network(latency_s, [16.0] * 3, transport=halved, sharing="max_min")
    for peer, size_bytes in ((1, 65), (2, 30)):
        network.send(0, peer, size_bytes)
    tiny.run(network.clock, 100.0)
    # The first byte after 0.5 and 2 s. 12 B of the first are through at 2 s; 10 s later the second
    # is done, and the first has had 5 B/s, so 62 of its 65 B, and then all of the link.
    assert tiny.events(network.trace) == [
        (0.0, 12.0, "client_0", "transfer", "client_2", ""),
        (0.0, 12.375, "client_0", "transfer", "client_1", ""),
    ]


def test_what_fits_into_a_packet_pays_its_latency_alone() -> None:
    network = tiny.network(0.25, [16.0] * 2, transport=TCP)
    heard: list[float] = []
    network.send(0, 1, delivered=lambda _: heard.append(network.clock.now))
    ping = network.ping(1, np.array([0]))
    tiny.run(network.clock, 0.5)
    assert heard == [0.25] and ping.answered.all()


@pytest.mark.parametrize("size_bytes", [1_000, 1_000_000, 300_000_000])
def test_the_closed_form_is_what_an_idle_world_takes(size_bytes: int) -> None:
    one_way_s, rate = np.array([0.05]), np.array([2000 * MEGABIT])
    for transport in (FLUID, TCP, SlowStart(kind="slow_start")):
        foreseen_s = transport.transfer_s(size_bytes, one_way_s, one_way_s, rate).item()
        network = tiny.network(0.05, [2000 * MEGABIT] * 2, transport=transport)
        network.send(0, 1, size_bytes)
        tiny.run(network.clock, 1e4)
        assert network.trace.rows[0].duration_s == pytest.approx(foreseen_s, rel=1e-12)


def played(
    transport: Transport, sends: list[tuple[int, int, int]], sharing: Sharing, loss: float
) -> list[TraceRow]:
    """What a network of four records of messages (source, target, bytes), one each 0.1 s."""
    latency_s = 0.1 + 0.05 * np.arange(16).reshape(4, 4)
    network: Network = tiny.network(
        latency_s.tolist(),
        [900.0, 1100.0, 1300.0, 1700.0],
        transport=transport,
        sharing=sharing,
        packet_loss=loss,
    )
    for number, (source, hop, size_bytes) in enumerate(sends):
        target = (source + hop) % 4
        at(network, 0.1 * number, lambda s=source, t=target, b=size_bytes: network.send(s, t, b))
    tiny.run(network.clock, 60.0)
    network.end()
    return network.trace.rows


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(1, 3), st.integers(0, 3000)),
        min_size=1,
        max_size=8,
    ),
    st.sampled_from(["max_min", "equal", "none"]),
    st.sampled_from([0.0, 0.02, 0.5]),
)
@settings(max_examples=40, deadline=None)
def test_without_its_factors_it_is_the_fluid_model_to_the_last_bit(
    sends: list[tuple[int, int, int]], sharing: Sharing, loss: float
) -> None:
    assert played(PLAIN, sends, sharing, loss) == played(FLUID, sends, sharing, loss)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("latency_factor", 0.5),
        ("latency_factor", 1e4),
        ("bandwidth_factor", 0.0),
        ("bandwidth_factor", 1.5),
        ("window", "0 B"),
        ("window", "4 MiB/s"),
        ("window", 4),
        ("window", "none"),
    ],
)
def test_factors_that_no_transport_has_are_refused(setting: str, value: object) -> None:
    with pytest.raises(ValidationError):
        Tcp.model_validate({"kind": "tcp", setting: value})
