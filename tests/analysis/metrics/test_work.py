"""Work counted at its end, lost by cause, and equal for all: zero where nothing is done."""

import math

import pandas as pd
import pytest

from analysis.metrics.clients import over_clients
from analysis.metrics.work import (
    at_equal_work,
    cumulated,
    epochs_per_round,
    lost_by_cause,
    not_after,
    round_lengths,
    with_work,
    work_lost,
)
from sim.record.errors import ResultError
from tests.analysis.made import (
    Event,
    crash,
    event,
    lost,
    plain,
    scores,
    sent,
    together,
    trace,
    train,
)

TWO = {"client_0": [0.0, 0.5, 1.0], "client_1": [0.0, 0.5, 1.0], "aggregate": [0.0, 0.5, 1.0]}


def test_rounds_and_bytes_at_each_look() -> None:
    happened = trace(
        train(0.0, 60.0, "client_0"),
        train(0.0, 61.0, "client_1"),
        lost(61.0, 9.0, "client_1"),
        sent(10.0, 10.0, "client_0", "client_1", 100),
        sent(60.0, 30.0, "client_1", "client_0", 300),
        sent(60.0, 30.0, "client_1", "client_0", 999, "loss"),
        crash(70.0, "client_1"),
    )
    found = cumulated(happened, scores(TWO))
    columns = ("time_s", "clients", "local_rounds", "local_rounds_lost", "bytes_received")
    assert plain(found, *columns) == [
        (0.0, 2, 0, 0, 0),
        (60.0, 2, 1, 0, 100),
        (120.0, 2, 2, 1, 400),
    ]
    each = cumulated(happened, scores(TWO), by_node=True)
    assert "clients" not in each
    columns = ("time_s", "node", "local_rounds", "bytes_received", "bytes_sent")
    assert plain(each, *columns) == [
        (0.0, "client_0", 0, 0, 0),
        (0.0, "client_1", 0, 0, 0),
        (60.0, "client_0", 1, 0, 100),
        (60.0, "client_1", 0, 100, 0),
        (120.0, "client_0", 1, 300, 100),
        (120.0, "client_1", 1, 100, 300),
    ]


def test_a_round_that_ends_at_a_look_is_in_it_however_it_is_rounded() -> None:
    # A trace has a beginning and a duration; here their sum is a bit beyond the instant meant.
    look_s, start_s = 60.1, 16.2
    duration_s = look_s - start_s
    assert start_s + duration_s > look_s
    looks = scores({"client_0": [0.0, 0.5]})
    looks["time_s"] = [0.0, look_s]
    found = cumulated(trace(train(start_s, duration_s, "client_0")), looks)
    assert plain(found, "local_rounds") == [0, 1]


def test_a_client_that_never_trains_and_a_run_without_a_trace_have_zeros() -> None:
    both = together(scores(TWO), scores(TWO, seed=1))
    found = cumulated(trace(train(0.0, 1.0, "client_1")), both, by_node=True)
    last = found[found["time_s"] == 120.0]
    assert plain(last, "seed", "node", "local_rounds") == [
        (0, "client_0", 0),
        (0, "client_1", 1),
        (1, "client_0", 0),
        (1, "client_1", 0),
    ]
    empty = cumulated(trace(), scores(TWO))
    assert plain(empty, "time_s", "local_rounds") == [(0.0, 0), (60.0, 0), (120.0, 0)]


def test_several_metrics_count_once() -> None:
    both = together(scores(TWO), scores(TWO, metric="loss"))
    found = cumulated(trace(train(0.0, 1.0, "client_1")), both, epochs_per_round={"high": 3.0})
    assert plain(found, "local_rounds", "local_epochs") == [(0, 0.0), (1, 3.0), (1, 3.0)]


def test_a_trace_that_was_read_in_part_is_refused() -> None:
    happened = trace(train(0.0, 1.0, "client_0"))
    happened.attrs = {"kinds": ("train", "transfer")}
    with pytest.raises(ResultError, match="trace: was read without train_lost, look; needed: tr"):
        cumulated(happened, scores(TWO))
    happened.attrs = {"nodes": ("client_0",)}
    with pytest.raises(ResultError, match="trace: was read for some nodes; needed: all"):
        cumulated(happened, scores(TWO))
    happened.attrs = {}
    with pytest.raises(ResultError, match="trace: lacks the column peer"):
        cumulated(happened.drop(columns="peer"), scores(TWO))
    with pytest.raises(ResultError, match="trace: has runs that the scores do not have"):
        cumulated(happened, scores(TWO, seed=1))
    with pytest.raises(ResultError, match="scores: has no rows"):
        cumulated(happened, scores(TWO).iloc[:0])


def test_epochs_per_round_are_the_scenario_s() -> None:
    assert epochs_per_round({"training": {"local_epochs": 2}}) == 2.0
    with pytest.raises(ResultError, match="training: counts in local_steps"):
        epochs_per_round({"training": {"local_steps": 5}})
    own = {"fast": {"training": {"learning_rate": 1.0}}, "slow": {"training": {"local_epochs": 9}}}
    with pytest.raises(ResultError, match="protocols.slow.training: has a length of rounds of its"):
        epochs_per_round({"training": {"local_epochs": 2}, "protocols": own})


UNLIKE = {"client_0": [0.0, 0.4, 0.8], "client_1": [0.0, 0.2, 0.4]}


def _curves(rounds: dict[str, list[float]]) -> pd.DataFrame:
    """Of each protocol: when each of its client_0's local rounds begins; one takes 30 s."""
    parts = []
    for protocol, starts in rounds.items():
        looks = scores(UNLIKE, protocol=protocol)
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
        at_equal_work(over_clients(scores(UNLIKE)), ["mean"])


MESSAGE: Event = event(5.0, 0.0, "client_0", "message_lost", "client_1", cause="partition")


def test_what_was_done_and_what_was_lost() -> None:
    happened = trace(
        train(0.0, 6.0, "client_0"),
        train(0.0, 3.0, "client_1"),
        lost(10.0, 1.0, "client_0", "churn"),
        lost(10.0, 2.0, "client_1", "dropout-1"),
        sent(6.0, 1.0, "client_0", "client_1", 100),
        sent(7.0, 1.0, "client_0", "client_1", 100, "receiver_down"),
        sent(8.0, 0.0, "client_1", "client_0", 50, "loss"),
        MESSAGE,
    )
    found = work_lost(happened, scores(TWO))
    assert found.iloc[0].to_dict() == {
        "point": "high",
        "protocol": "swarm",
        "seed": 0,
        "train_s": 9.0,
        "train_lost_s": 3.0,
        "lost_share": 0.25,
        "local_rounds": 2,
        "local_rounds_lost": 2,
        "transfers": 1,
        "transfers_lost": 2,
        "bytes_received": 100,
        "bytes_lost": 150,
        "messages_lost": 1,
    }
    causes = lost_by_cause(happened, scores(TWO))
    assert plain(causes, "what", "cause", "count", "seconds", "bytes") == [
        ("message", "partition", 1, 0.0, 0),
        ("train", "churn", 1, 1.0, 0),
        ("train", "dropout-1", 1, 2.0, 0),
        ("transfer", "loss", 1, 0.0, 50),
        ("transfer", "receiver_down", 1, 1.0, 100),
    ]


def test_runs_that_did_nothing_are_there() -> None:
    both = together(scores(TWO), scores(TWO, protocol="local"), scores(TWO, seed=1))
    happened = together(
        trace(train(0.0, 1.0, "client_0")), trace(lost(0.0, 1.0, "client_0"), seed=1)
    )
    found = work_lost(happened, both)
    columns = ("protocol", "seed", "local_rounds", "local_rounds_lost", "bytes_lost")
    assert plain(found, *columns) == [
        ("swarm", 0, 1, 0, 0),
        ("swarm", 1, 0, 1, 0),
        ("local", 0, 0, 0, 0),
    ]
    assert found["lost_share"].tolist()[:2] == [0.0, 1.0]
    assert math.isnan(found["lost_share"][2])
    assert plain(lost_by_cause(happened, both), "seed", "cause") == [(1, "churn")]


def test_no_trace_at_all_is_no_loss() -> None:
    found = work_lost(trace(), scores(TWO))
    assert plain(found, "local_rounds", "train_lost_s") == [(0, 0.0)]
    assert lost_by_cause(trace(), scores(TWO)).empty


def test_no_scores_are_refused() -> None:
    with pytest.raises(ResultError, match="scores: has no rows"):
        work_lost(trace(), scores(TWO).iloc[:0])


def test_the_last_look_that_is_not_after_the_least_of_all() -> None:
    amounts: dict[tuple[str, int], list[float]] = {
        ("swarm", 0): [0, 10, 20, 30],
        ("fedavg", 0): [0, 4, 15, 15],
        ("local", 0): [0, 1, 2, 3],
        ("swarm", 1): [0, 1, 1 + 1e-12, 8],
        ("fedavg", 1): [0, 0.5, 1, 1],
    }
    rows = [
        (protocol, seed, 60.0 * look, done)
        for (protocol, seed), series in amounts.items()
        for look, done in enumerate(series)
    ]
    curves = pd.DataFrame(rows, columns=["protocol", "seed", "time_s", "bytes"]).assign(point="p")
    found = not_after(curves, "bytes", ["swarm", "fedavg"])
    # Of seed 0 fedavg does least, 15: swarm's last look before that is at 10. Local isn't asked.
    assert plain(found, "protocol", "seed", "time_s", "bytes", "least") == [
        ("fedavg", 0, 180.0, 15.0, 15.0),
        ("fedavg", 1, 180.0, 1.0, 1.0),
        ("local", 0, 180.0, 3.0, 15.0),
        ("swarm", 0, 60.0, 10.0, 15.0),
        ("swarm", 1, 120.0, 1 + 1e-12, 1.0),
    ]
    every = not_after(curves, "bytes")
    assert every.loc[every["protocol"] == "swarm", "bytes"].tolist() == [0.0, 1 + 1e-12]
    with pytest.raises(ResultError, match="curves: lacks the column rounds"):
        not_after(curves, "rounds")


@pytest.mark.parametrize(
    ("common", "own", "expected"),
    [
        ({"local_epochs": 2}, {}, ("local epochs", {"a": 2.0, "b": 2.0})),
        ({"local_epochs": 2}, {"local_epochs": 5}, ("local epochs", {"a": 2.0, "b": 5.0})),
        ({"local_steps": 8}, {"learning_rate": 1}, ("local steps", {"a": 8.0, "b": 8.0})),
        ({"local_epochs": 2}, {"local_steps": 8}, ("local rounds", {"a": 1.0, "b": 1.0})),
    ],
)
def test_local_work_is_counted_in_what_all_protocols_have(
    common: dict[str, int], own: dict[str, int], expected: tuple[str, dict[str, float]]
) -> None:
    settings = {"training": common, "protocols": {"a": {}, "b": {"training": own}}}
    assert round_lengths(settings) == expected
