"""A reliable transport under loss, against the papers' formulas."""

import math

import pytest

from sim.world.transport import SEGMENT_BYTES, fastest, resent_s


@pytest.mark.parametrize("round_trip_s", [0.01, 0.1, 2.0])
def test_little_loss_is_mathis_formula(round_trip_s: float) -> None:
    """MSS / RTT * C / sqrt(p) with C = sqrt(3/2): every packet is acknowledged."""
    for loss in (1e-6, 1e-8, 1e-10):
        mathis = SEGMENT_BYTES / round_trip_s * math.sqrt(3 / 2) / math.sqrt(loss)
        # Time-outs of at least 1 s take a share in proportion to the loss.
        ratio = fastest(loss, round_trip_s) / mathis
        assert 1 - 3 * loss * max(1.0, round_trip_s) / round_trip_s < ratio < 1


def test_much_loss_is_what_time_outs_leave() -> None:
    """Worked out by hand from equation 30 of Padhye et al. with b = 1 and T0 = 1 s."""
    # Round trip 0.1 s, p = 0.06: sqrt(0.04) = 0.2; 3 sqrt(0.0225) = 0.45; 1 + 32 * 0.0036 = 1.1152.
    assert fastest(0.06, 0.1) == pytest.approx(1460 / (0.02 + 0.45 * 0.06 * 1.1152))
    # p = 0.96: 3 sqrt(0.36) = 1.8 is cut to 1.
    assert fastest(0.96, 0.1) == pytest.approx(1460 / (0.08 + 0.96 * (1 + 32 * 0.96**2)))


def test_no_loss_bounds_nothing_and_more_loss_slows() -> None:
    assert fastest(0.0, 0.1) == math.inf
    rates = [fastest(loss, 0.1) for loss in (1e-9, 1e-4, 0.01, 0.02, 0.1, 0.5, 0.99)]
    assert rates == sorted(rates, reverse=True) and rates[-1] > 0


@pytest.mark.parametrize("round_trip_s", [0.0, 0.5, 3.0])
def test_time_outs_double_up_to_a_minute(round_trip_s: float) -> None:
    first_s = max(1.0, round_trip_s)
    expected_s, wait_s = 0.0, first_s
    for copies in range(12):
        # Just rarer than `copies` lost in a row, and as rare as one more.
        assert resent_s(0.5, 0.5 ** (copies + 1), round_trip_s) == expected_s
        expected_s += wait_s
        wait_s = min(60.0, 2 * wait_s)
    assert resent_s(0.0, 0.0, round_trip_s) == 0.0
