"""Where one protocol overtakes another: what is drawn and said of it."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from analysis.figures import difference, failure_rate
from tests.analysis.figures.looked_at import a_sweep, drawn, keys
from tests.analysis.folders import RATE, Run

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
    assert figure.get_suptitle().endswith(
        "braintorrent is ahead of fedavg at equal time at all values"
    )
    assert not any("overtaking" in key for key in keys(figure))


def test_a_smaller_loss_is_ahead(tmp_path: Path) -> None:
    target = "training.learning_rate=1,3"
    results = a_sweep(tmp_path, target, values=lambda run: {"client_0": [1.0] * 3}, protocols=PEERS)
    figure = drawn(failure_rate(results))
    assert figure.get_suptitle().endswith("braintorrent equals fedavg at equal time at all values")
