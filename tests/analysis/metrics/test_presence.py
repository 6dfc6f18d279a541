"""From when to when nodes are members, and who believed what of them meanwhile, by hand."""

import math

import pandas as pd
import pytest

from analysis.metrics.common import CURVE
from analysis.metrics.presence import catching_up, presence, suspicions
from sim.record.errors import ResultError
from tests.analysis.made import (
    Event,
    crash,
    event,
    join,
    leave,
    plain,
    recover,
    scores,
    together,
    trace,
)

VALUES = [0.0, 0.5, 1.0]
THREE = {f"client_{number}": VALUES for number in range(3)} | {"aggregate": VALUES}
SPAN = ("node", "start_s", "stop_s", "by", "is_down")


def suspect(time_s: float, node: str, peer: str) -> Event:
    return event(time_s, 0.0, node, "suspect", peer)


def trust(time_s: float, node: str, peer: str) -> Event:
    return event(time_s, 0.0, node, "trust", peer)


def test_who_joins_who_leaves_and_who_never_came() -> None:
    never = [("client_2", look) for look in range(3)]
    there = scores(THREE, absent=[("client_0", 0), *never])
    happened = trace(join(30.0, "client_0"), leave(70.0, "client_0"), crash(5.0, "client_1"))
    found = presence(happened, there)
    columns = ("node", "from_s", "until_s")
    assert plain(found, *columns) == [
        ("client_0", 30.0, 70.0),
        ("client_1", 0.0, 120.0),
        ("client_2", 120.0, 120.0),
    ]
    faults = found[["joins", "leaves"]].astype("object")
    assert faults.where(faults.notna(), None).values.tolist() == [
        ["late", "end"],
        [None, None],
        [None, None],
    ]


def test_who_comes_and_goes_between_two_looks_was_there() -> None:
    absent = [("client_0", look) for look in range(3)]
    happened = trace(join(61.0, "client_0"), leave(62.0, "client_0"))
    found = presence(happened, scores(THREE, absent=absent))
    assert plain(found, "from_s", "until_s")[0] == (61.0, 62.0)


def test_membership_has_to_be_told() -> None:
    with pytest.raises(ResultError, match="scores: lacks the column member"):
        presence(trace(), scores(THREE).drop(columns="member"))


def test_late_and_false_suspicions() -> None:
    """Client 0 is down from 10 to 40 s: found out at 25 and 30 s; client 1 is believed wrongly."""
    happened = trace(
        crash(10.0, "client_0"),
        suspect(25.0, "client_1", "client_0"),
        suspect(30.0, "client_2", "client_0"),
        recover(40.0, "client_0"),
        trust(41.0, "client_1", "client_0"),
        trust(42.0, "client_2", "client_0"),
        suspect(50.0, "client_2", "client_1"),
    )
    found = suspicions(happened, scores(THREE))
    assert plain(found, *SPAN) == [
        ("client_0", 25.0, 30.0, 1, True),
        ("client_0", 30.0, 40.0, 2, True),
        ("client_0", 40.0, 41.0, 2, False),
        ("client_0", 41.0, 42.0, 1, False),
        ("client_1", 50.0, 120.0, 1, False),
    ]
    assert found["share"].tolist() == [0.5, 1.0, 1.0, 0.5, 0.5]


def test_who_goes_down_believes_nothing_any_longer() -> None:
    happened = trace(
        suspect(10.0, "client_0", "client_2"),
        suspect(10.0, "client_1", "client_2"),
        crash(20.0, "client_0"),
        recover(30.0, "client_0"),
        leave(60.0, "client_1"),
    )
    assert plain(suspicions(happened, scores(THREE)), *SPAN) == [
        ("client_2", 10.0, 20.0, 2, False),
        ("client_2", 20.0, 60.0, 1, False),
    ]


def test_each_run_has_its_own_and_most_have_none() -> None:
    both = together(scores(THREE), scores(THREE, seed=1))
    happened = trace(suspect(90.0, "client_0", "client_1"), seed=1)
    found = suspicions(happened, both)
    assert plain(found, "seed", *SPAN) == [(1, "client_1", 90.0, 120.0, 1, False)]
    none = suspicions(trace(), both)
    assert none.empty
    assert list(none.dtypes) == list(found.dtypes)


def newcomers(*, metric: str = "accuracy", seed: int = 0) -> pd.DataFrame:
    """At 0.8 others stay; client 0 joins after a minute, client 2 after three and never learns."""
    steady = [0.8] * 5
    values = {"client_0": [0.0, 0.1, 0.75, 0.77, 0.9], "client_1": steady, "client_2": [0.2] * 5}
    absent = [("client_0", 0), *(("client_2", look) for look in range(3))]
    return scores({**values, "client_3": steady}, absent=absent, metric=metric, seed=seed)


def test_how_long_newcomers_take() -> None:
    happened = trace(join(50.0, "client_0"), join(170.0, "client_2"))
    found = catching_up(happened, newcomers())
    columns = ("node", "joined_s", "value", "reached")
    # Within 5 % of 0.8 is 0.76; of client 2's others client 0 is one.
    assert plain(found, *columns) == [
        ("client_0", 50.0, 130.0, True),
        ("client_2", 170.0, 70.0, False),
    ]
    assert found["behind"].tolist() == pytest.approx([0.7, (0.8 + 0.8 + 0.77) / 3 - 0.2])
    assert plain(catching_up(happened, newcomers(), margin=0.1), *columns)[0] == (
        *("client_0", 50.0, 70.0, True),
    )


def test_of_a_loss_less_is_near() -> None:
    found = catching_up(trace(join(50.0, "client_0")), newcomers(metric="loss"))
    assert plain(found, "node", "value", "reached") == [("client_0", 10.0, True)]
    assert found["behind"].tolist() == pytest.approx([0.1 - 0.8])


def test_who_leaves_before_it_has_caught_up_is_censored() -> None:
    happened = trace(join(170.0, "client_2"), leave(200.0, "client_2"))
    found = catching_up(happened, newcomers())
    assert plain(found, "node", "value", "reached") == [("client_2", 30.0, False)]


def test_nobody_catches_up_with_nobody_or_with_what_has_diverged() -> None:
    in_turn = trace(join(50.0, "client_0"), join(50.0, "client_1"), join(55.0, "client_2"))
    found = catching_up(in_turn, scores(dict(THREE), absent=[(n, 0) for n in THREE]))
    assert found["node"].tolist() == ["client_2"]
    diverged = {"client_0": [0.5, 0.5], "client_1": [math.nan, math.nan]}
    found = catching_up(trace(join(30.0, "client_0")), scores(diverged, absent=[("client_0", 0)]))
    assert found["reached"].tolist() == [False]


def test_where_nobody_joins_there_are_no_rows() -> None:
    found = catching_up(trace(), newcomers())
    assert found.empty
    assert list(found) == [*CURVE, "node", "joined_s", "behind", "value", "reached"]
