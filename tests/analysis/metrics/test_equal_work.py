"""Equal work: the score at the amount that the idlest protocol came to."""

import pandas as pd
import pytest

from analysis.metrics.clients import over_clients
from analysis.metrics.work import at_equal_work, cumulated, with_work
from sim.record.errors import ResultError
from tests.analysis.made import plain, scores, together, trace, train

TWO = {"client_0": [0.0, 0.4, 0.8], "client_1": [0.0, 0.2, 0.4]}


def _curves(rounds: dict[str, list[float]]) -> pd.DataFrame:
    """Of each protocol: when each of its client_0's local rounds begins; one takes 30 s."""
    parts = []
    for protocol, starts in rounds.items():
        looks = scores(TWO, protocol=protocol)
        events = [train(start, 30.0, "client_0") for start in starts]
        done = cumulated(trace(*events, protocol=protocol), looks, epochs_per_round=2)
        parts.append(with_work(over_clients(looks), done))
    return together(*parts)


def test_the_busier_protocol_is_taken_where_the_other_one_ended() -> None:
    # By the looks at 0, 60 and 120 s: swarm did 0, 2, 4 rounds, fedavg 0, 0, 1.
    curves = _curves({"swarm": [0.0, 30.0, 60.0, 90.0], "fedavg": [90.0]})
    found = at_equal_work(curves, ["mean", "worst"])
    assert list(found) == [
        "point", "protocol", "seed", "metric", "work", "time_s", "mean", "worst",
    ]  # fmt: skip
    # One round of two clients is half a round of each; swarm was there half-way to its first look.
    assert plain(found, "protocol", "work", "time_s") == [
        ("swarm", 0.5, 30.0),
        ("fedavg", 0.5, 120.0),
    ]
    assert found["mean"].tolist() == pytest.approx([0.15, 0.6])
    assert found["worst"].tolist() == pytest.approx([0.1, 0.4])


def test_work_may_be_counted_in_epochs() -> None:
    curves = _curves({"swarm": [0.0], "fedavg": [0.0, 30.0]})
    assert at_equal_work(curves, ["mean"], work="local_epochs")["work"].tolist() == [1.0, 1.0]


def test_a_protocol_that_did_nothing_is_compared_at_the_start() -> None:
    found = at_equal_work(_curves({"swarm": [0.0], "fedavg": []}), ["mean"])
    assert plain(found, "protocol", "work", "mean") == [("swarm", 0.0, 0.0), ("fedavg", 0.0, 0.0)]


def test_frames_without_work_are_refused() -> None:
    with pytest.raises(ResultError, match="lacks the column local_rounds"):
        at_equal_work(over_clients(scores(TWO)), ["mean"])
