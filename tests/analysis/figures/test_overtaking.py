"""Where one protocol overtakes another: known crossings, their range, and what is said of them."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from analysis.figures import difference, failure_rate
from analysis.figures.overtaking import Crossing, crossings
from analysis.statistics import Interval
from tests.analysis.figures.looked_at import a_sweep, drawn, keys
from tests.analysis.folders import RATE, Run

NAN, INF = math.nan, math.inf


def known(*rows: tuple[float, float]) -> list[Interval]:
    """Means with half widths."""
    return [Interval(mean, mean - half, mean + half, 1.0, 3, 0) for mean, half in rows]


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (known((-2, 1), (2, 1)), [Crossing(2.0, 1.0, 3.0)]),
        (known((-2, 3), (2, 1)), [Crossing(2.0, -INF, 10 / 3)]),
        (known((-2, 3), (2, 3)), [Crossing(2.0, -INF, INF)]),
        (known((1, 2), (2, 1)), []),
        ([Interval(one, NAN, NAN, NAN, 1, 0) for one in (-1, 1)], [Crossing(2.0, NAN, NAN)]),
    ],
)
def test_between_two_values(found: Sequence[Interval], expected: Sequence[Crossing]) -> None:
    same = [tuple(map(str, vars(one).values())) for one in crossings([0.0, 4.0], found)]
    assert same == [tuple(map(str, vars(one).values())) for one in expected]


def test_several() -> None:
    found = crossings([0.0, 4.0, 8.0], known((-2, 1), (2, 1), (-2, 1)))
    assert [one.at for one in found] == [2.0, 6.0]


PEERS = "{braintorrent: {}, local: {}, fedavg: {deadline: 1 min}}"


def turning(run: Run) -> Mapping[str, Sequence[float]]:
    """Braintorrent is 0.1 behind at 1 / h, 0.1 ahead at 3 / h."""
    more = (-0.1 if "rate-1per" in run[0] else 0.1) * (run[1] == "braintorrent")
    return {"client_0": [0.0, 0.0, 0.5 + more]}


def test_it_is_drawn_and_said(tmp_path: Path) -> None:
    results = a_sweep(tmp_path, values=turning, protocols=PEERS)
    for draw in (failure_rate, difference):
        figure = drawn(draw(results))
        # Two seeds have no interval.
        assert figure.get_suptitle().endswith("braintorrent overtakes fedavg at 2 per hour")
        assert keys(figure)[-1] == "overtaking (band: 95 %)"


def test_nobody_overtakes(tmp_path: Path) -> None:
    results = a_sweep(tmp_path, f"{RATE}=3 / h,5 / h", values=turning, protocols=PEERS)
    figure = drawn(failure_rate(results))
    assert figure.get_suptitle().endswith("braintorrent is ahead of fedavg at all values")
    assert not any("overtaking" in key for key in keys(figure))


def test_a_smaller_loss_is_ahead(tmp_path: Path) -> None:
    target = "evaluation.target.value=1,3"
    results = a_sweep(tmp_path, target, values=lambda run: {"client_0": [1.0] * 3}, protocols=PEERS)
    figure = drawn(failure_rate(results))
    assert figure.get_suptitle().endswith("braintorrent equals fedavg at all values")
