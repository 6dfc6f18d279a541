"""Staleness: the clients' lag at each look, however many metrics there are."""

from analysis.metrics.clients import staleness_over_time
from tests.analysis.made import plain, scores, together

SERIES = {"client_0": [0.0, 1.0], "client_1": [0.0, 3.0], "aggregate": [0.0, 2.0]}


def test_staleness_of_clients_at_each_look() -> None:
    made = scores(SERIES, staleness=SERIES)
    twice = together(made, scores(SERIES, staleness=SERIES, metric="loss"))
    for frame in (made, twice):
        found = staleness_over_time(frame)
        assert plain(found, "time_s", "mean", "worst", "std") == [
            (0.0, 0.0, 0.0, 0.0),
            (60.0, 2.0, 3.0, 1.0),
        ]
    assert list(found) == ["point", "protocol", "seed", "time_s", "mean", "worst", "std"]


def test_one_client_has_no_spread() -> None:
    found = staleness_over_time(scores({"client_0": [0.5]}, staleness={"client_0": [4.0]}))
    assert plain(found, "mean", "worst", "std") == [(4.0, 4.0, 0.0)]
