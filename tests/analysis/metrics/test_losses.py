"""Lost work: seconds, transfers and bytes by hand, and by cause."""

import math

import pytest

from analysis.metrics.work import lost_by_cause, work_lost
from sim.record.errors import ResultError
from tests.analysis.made import Event, event, lost, plain, scores, sent, together, trace, train

TWO = {"client_0": [0.0, 0.5], "client_1": [0.0, 0.5]}
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
