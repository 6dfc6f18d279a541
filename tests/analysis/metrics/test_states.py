"""States by hand, each instant once; outages, and how long they take to be made up for."""

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.metrics.states import SHARES, outages, recovery_of_nodes, time_by_state, time_shares
from tests.analysis.made import (
    Event,
    crash,
    event,
    join,
    leave,
    lost,
    plain,
    recover,
    scores,
    sent,
    together,
    trace,
    train,
)

TWO = {"client_0": [0.0, 0.5, 1.0], "client_1": [0.0, 0.5, 1.0], "aggregate": [0.0, 0.5, 1.0]}
SERVED = {**TWO, "server": [0.0, 0.5, 1.0]}
SECONDS = ("span_s", "down_s", "up_s", "computing_s", "communicating_s", "idle_s")


def merge(time_s: float, duration_s: float, node: str) -> Event:
    return event(time_s, duration_s, node, "merge", peers=("client_1",))


def test_each_instant_counts_once() -> None:
    happened = trace(
        train(0.0, 40.0, "client_0"),
        sent(30.0, 20.0, "client_1", "client_0", 100),  # 10 s of it while client_0 trains.
        sent(45.0, 10.0, "client_1", "client_0", 100),  # Half of it beside the other.
        merge(60.0, 5.0, "client_0"),
        lost(70.0, 10.0, "client_0"),
        crash(80.0, "client_0"),
        recover(100.0, "client_0"),
    )
    found = time_by_state(happened, scores(TWO))
    # client_0: down 80-100; computes 0-40, 60-65, 70-80; else a model is under way 40-55.
    # client_1: sends 30-55.
    assert plain(found, "node", *SECONDS) == [
        ("client_0", 120.0, 20.0, 100.0, 55.0, 15.0, 30.0),
        ("client_1", 120.0, 0.0, 120.0, 0.0, 25.0, 95.0),
    ]
    assert found["idle_share"].tolist() == [0.3, 95.0 / 120.0]


def test_shares_are_means_over_clients_and_add_up_to_one() -> None:
    happened = trace(
        train(0.0, 60.0, "client_0"),
        sent(60.0, 30.0, "server", "client_0", 100),
        crash(60.0, "client_1"),
    )
    found = time_shares(happened, together(scores(SERVED), scores(TWO, seed=1)))
    # client_0: 60 s of 120 and 30 s; client_1: up for 60 s. The server is no client.
    assert list(found) == ["point", "protocol", "seed", *SHARES]
    assert plain(found, "seed", *SHARES) == [(0, 0.25, 0.125, 0.375, 0.25), (1, 0, 0, 1.0, 0)]


def test_what_runs_on_is_cut_at_the_end() -> None:
    happened = trace(train(0.0, 90.0, "client_0"), crash(100.0, "client_0"))
    found = time_by_state(happened, scores(TWO), until_s=60.0)
    assert plain(found, *SECONDS)[0] == (60.0, 0.0, 60.0, 60.0, 0.0, 0.0)
    found = time_by_state(happened, scores(TWO), until_s=1e9)
    assert plain(found, *SECONDS)[0] == (120.0, 20.0, 100.0, 90.0, 0.0, 10.0)


def test_a_transfer_to_a_node_that_is_down_is_no_work_of_its_own() -> None:
    happened = trace(
        crash(0.0, "client_0"), sent(10.0, 30.0, "client_1", "client_0", 100, "timeout")
    )
    found = time_by_state(happened, scores(TWO))
    assert plain(found, *SECONDS) == [
        (120.0, 120.0, 0.0, 0.0, 0.0, 0.0),
        (120.0, 0.0, 120.0, 0.0, 30.0, 90.0),
    ]
    assert math.isnan(found["idle_share"][0])


def test_a_run_in_which_nothing_happened_was_idle() -> None:
    both = together(scores(TWO), scores(TWO, seed=1))
    found = time_by_state(trace(train(0.0, 120.0, "client_0")), both)
    assert plain(found, "seed", "node", "idle_s") == [
        (0, "client_0", 0.0),
        (0, "client_1", 120.0),
        (1, "client_0", 120.0),
        (1, "client_1", 120.0),
    ]


def test_outages_are_crashes_with_what_ended_them() -> None:
    happened = together(
        trace(
            crash(10.0, "client_1", "churn"),
            recover(15.0, "client_1", "churn"),
            crash(20.0, "client_0", "boom"),
            crash(50.0, "client_1", "churn"),
            recover(50.0, "client_1", "churn"),
            crash(60.0, "client_1", "churn"),
        ),
        trace(crash(30.0, "client_1"), seed=1),
    )
    both = together(scores(TWO), scores(TWO, seed=1))
    found = outages(happened, both)
    columns = ("seed", "node", "fault", "crash_s", "down_s", "recovered")
    assert plain(found, *columns) == [
        (0, "client_0", "boom", 20.0, 100.0, False),
        (0, "client_1", "churn", 10.0, 5.0, True),
        (0, "client_1", "churn", 50.0, 0.0, True),
        (0, "client_1", "churn", 60.0, 60.0, False),
        (1, "client_1", "churn", 30.0, 90.0, False),
    ]
    assert found["recover_s"].isna().tolist() == [True, False, False, True, True]
    assert outages(trace(), both).empty


def test_who_leaves_is_out_for_good() -> None:
    happened = trace(
        crash(10.0, "client_0"),
        recover(15.0, "client_0"),
        leave(20.0, "client_0"),
        leave(25.0, "client_0", "again"),
        crash(30.0, "client_1"),
        leave(40.0, "client_1"),
    )
    columns = ("node", "fault", "crash_s", "down_s", "recovered", "left")
    assert plain(outages(happened, scores(TWO)), *columns) == [
        ("client_0", "churn", 10.0, 5.0, True, False),
        ("client_0", "end", 20.0, 100.0, False, True),
        ("client_1", "churn", 30.0, 10.0, False, False),
        ("client_1", "end", 40.0, 80.0, False, True),
    ]
    spent = time_by_state(happened, scores(TWO))
    assert plain(spent, "span_s", "down_s") == [(20.0, 5.0), (40.0, 10.0)]


def test_time_counts_from_the_join_to_the_leave() -> None:
    happened = trace(
        join(30.0, "client_0"),
        train(40.0, 20.0, "client_0"),
        train(60.0, 10.0, "client_1"),
        leave(100.0, "client_1"),
    )
    first = scores(TWO, absent=[("client_0", 0)])
    spent = time_by_state(happened, first)
    assert plain(spent, *SECONDS) == [
        (90.0, 0.0, 90.0, 20.0, 0.0, 70.0),
        (100.0, 0.0, 100.0, 10.0, 0.0, 90.0),
    ]
    shares = time_shares(happened, first)
    assert shares["computing"].tolist() == [(20 / 90 + 10 / 100) / 2]
    # Who joins only later has no time before.
    assert plain(time_by_state(happened, first, until_s=20.0), "span_s") == [0.0, 20.0]
    assert time_shares(happened, first, until_s=20.0)["waiting"].tolist() == [1.0]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["train", "transfer", "merge"]), st.integers(0, 119), st.integers(0, 60)
        ),
        max_size=12,
    ),
    st.lists(st.integers(0, 119), unique=True, max_size=4),
)
def test_states_are_those_of_each_second(
    busy: list[tuple[str, int, int]], flips: list[int]
) -> None:
    events: list[Event] = [
        event(float(start), float(length), "client_0", kind) for kind, start, length in busy
    ]
    down = np.zeros(120, dtype=np.bool_)
    for number, at in enumerate(sorted(flips)):
        events.append((crash if number % 2 == 0 else recover)(float(at), "client_0"))
        down[at:] = number % 2 == 0
    computing, talking = np.zeros(120, dtype=np.bool_), np.zeros(120, dtype=np.bool_)
    for kind, start, length in busy:
        (talking if kind == "transfer" else computing)[start : start + length] = True
    found = time_by_state(trace(*events), scores({"client_0": [0.0, 0.5, 1.0]})).iloc[0]
    assert found["down_s"] == down.sum()
    assert found["computing_s"] == (computing & ~down).sum()
    assert found["communicating_s"] == (talking & ~computing & ~down).sum()
    assert found["idle_s"] == (~talking & ~computing & ~down).sum()


def test_from_recovery_to_the_next_finished_round() -> None:
    happened = trace(
        train(0.0, 10.0, "client_0"),
        crash(15.0, "client_0"),
        recover(20.0, "client_0"),
        train(25.0, 7.0, "client_0"),
        train(32.0, 7.0, "client_0"),
        train(25.0, 1.0, "client_1"),
    )
    found = recovery_of_nodes(happened, scores(TWO))
    columns = ("node", "fault", "crash_s", "recover_s", "value", "reached")
    assert plain(found, *columns) == [("client_0", "churn", 15.0, 20.0, 12.0, True)]


def test_another_crash_or_the_end_censors() -> None:
    happened = trace(
        crash(10.0, "client_0"),
        recover(20.0, "client_0"),
        crash(25.0, "client_0"),
        recover(30.0, "client_0"),
        train(31.0, 9.0, "client_0"),
        crash(100.0, "client_1"),
        recover(110.0, "client_1"),
        crash(50.0, "client_1"),
        recover(60.0, "client_1"),
        train(61.0, 1.0, "client_1"),
    )
    found = recovery_of_nodes(happened, scores(TWO))
    assert plain(found, "node", "recover_s", "value", "reached") == [
        ("client_0", 20.0, 5.0, False),
        ("client_0", 30.0, 10.0, True),
        ("client_1", 60.0, 2.0, True),
        ("client_1", 110.0, 10.0, False),
    ]


def test_a_server_is_back_with_its_next_round() -> None:
    turn: Event = event(45.0, 15.0, "server", "round", round=1, asked=2, updates=2)
    happened = trace(
        crash(10.0, "server"), recover(40.0, "server"), turn, train(41.0, 1.0, "client_0")
    )
    found = recovery_of_nodes(happened, scores(SERVED))
    assert plain(found, "node", "value", "reached") == [("server", 20.0, True)]


def test_a_server_is_back_with_the_next_round_of_whoever_leads() -> None:
    happened = trace(
        crash(10.0, "server"),
        recover(40.0, "server"),
        crash(50.0, "standby_1"),
        recover(52.0, "standby_1"),
        event(45.0, 15.0, "standby_1", "round", round=1, asked=2, updates=2),
    )
    found = recovery_of_nodes(happened, scores(SERVED))
    assert plain(found, "node", "value", "reached") == [
        ("server", 20.0, True),
        ("standby_1", 8.0, True),
    ]
    found = outages(happened, scores(SERVED))
    assert plain(found, "node", "crash_s", "recover_s") == [
        ("server", 10.0, 40.0),
        ("standby_1", 50.0, 52.0),
    ]


def test_who_never_comes_back_has_no_recovery() -> None:
    assert recovery_of_nodes(trace(crash(10.0, "client_0")), scores(TWO)).empty
    assert recovery_of_nodes(trace(), scores(TWO)).empty
