"""From when to when nodes are members, and who believed what of them meanwhile, by hand."""

import pytest

from analysis.metrics.presence import presence, suspicions
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
