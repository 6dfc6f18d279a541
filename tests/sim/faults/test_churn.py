"""Churn: lives by any law, from equilibrium, in groups, by the hour of day, tied to the data."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from braintorrent.testing.counters import Counters
from sim.faults.churn import Churn
from sim.faults.shared.daily import Daily
from sim.faults.shared.laws import Laws
from sim.faults.shared.presets import PRESETS
from sim.record.settings import DAY_S
from sim.runs.build import Facts, build
from sim.world import Streams, World
from tests.sim import tiny

HOUR_S = 3600.0
Lives = dict[str, list[tuple[str, float]]]


def churn(**parameters: Any) -> dict[str, Any]:
    return {"kind": "churn", **parameters}


def laws(**parameters: Any) -> Laws:
    found = Churn.model_validate(churn(nodes="clients", **parameters)).laws
    assert found is not None
    return found


def world(
    faults: dict[str, Any],
    samples: Sequence[int] = (100, 100, 100),
    label_shares: Sequence[Sequence[float]] | None = None,
    **clients: Any,
) -> World:
    """Clients that learn alone, a second a round."""
    number = len(samples)
    described = tiny.scenario(
        np.zeros((number, number)).tolist(),
        [1.0] * number,
        {"local": {}},
        clients={"count": number, "step_time": "1 s", **clients},
        faults=faults,
        failure_detection={"kind": "none"},
    )
    facts = Facts(tuple(samples), (1,) * number, sum(samples), number, 256, label_shares)
    made, _ = build(described, "local", 0, Counters(number), facts)
    return made


def lived(faults: dict[str, Any], until_s: float = 300.0, **more: Any) -> Lives:
    """The crashes and recoveries of each client."""
    made = world(faults, **more)
    tiny.run(made.clock, until_s)
    found: Lives = {node.name: [] for node in made.clients}
    for time_s, _, node, kind, _, _ in tiny.events(made.trace, "crash", "recover"):
        found[node].append((kind, time_s))
    return found


def alternating(one: Laws, number: int, stretch: float = 1.0) -> Iterator[tuple[float, float]]:
    """When the life of that number begins to be down, and until when, again and again."""
    down_s, times = one.life(Streams(0), ("churn", "0", f"client_{number}"), stretch)
    now_s = down_s
    if down_s:
        yield 0.0, down_s
    for up_s, down_s in times:
        fails_s = one.daily.end_s(up_s, now_s, 0.0) if one.daily else now_s + up_s
        now_s = fails_s + down_s
        yield fails_s, now_s


def up_at(one: Laws, instants_s: Sequence[float], lives: int) -> list[float]:
    """Of so many lives, the share that is up at each of these ascending instants."""
    up = np.zeros(len(instants_s))
    for number in range(lives):
        outages = alternating(one, number)
        fails_s, back_s = next(outages)
        for place, now_s in enumerate(instants_s):
            while back_s <= now_s:
                fails_s, back_s = next(outages)
            up[place] += now_s < fails_s
    return [float(share) for share in up / lives]


# -- laws --------------------------------------------------------------------------------------


def test_constant_times_are_kept_to_the_instant() -> None:
    fault = churn(nodes=["client_1"], time_to_failure="4 s", time_to_repair="2 s")
    assert lived({"wear": fault}, 16.0) == {
        "client_0": [],
        "client_1": [
            ("crash", 4.0), ("recover", 6.0),
            ("crash", 10.0), ("recover", 12.0),
            ("crash", 16.0),
        ],
        "client_2": [],
    }  # fmt: skip


def test_the_short_forms_are_exponential_laws() -> None:
    def exponential(mean: str) -> dict[str, str]:
        return {"distribution": "exponential", "mean": mean}

    short = lived(
        {"wear": churn(nodes="clients", failure_rate="2 / min", mean_time_to_repair="9 s")}
    )
    long = lived(
        {
            "wear": churn(
                nodes="clients",
                time_to_failure=exponential("30 s"),
                time_to_repair=exponential("9 s"),
            )
        }
    )
    for node, changes in short.items():
        assert len(changes) > 5
        assert [time_s for _, time_s in changes] == pytest.approx([at for _, at in long[node]])


SCALED: dict[str, Callable[[float], dict[str, Any]]] = {
    "constant": lambda s: {"distribution": "constant", "value": f"{s!r} s"},
    "uniform": lambda s: {"distribution": "uniform", "low": "0 s", "high": f"{s!r} s"},
    "exponential": lambda s: {"distribution": "exponential", "mean": f"{s!r} s"},
    "lognormal": lambda s: {"distribution": "lognormal", "median": f"{s!r} s", "sigma": 1.7},
    "weibull": lambda s: {"distribution": "weibull", "shape": 0.6, "scale": f"{s!r} s"},
    "gamma": lambda s: {"distribution": "gamma", "shape": 0.4, "mean": f"{s!r} s"},
}


@pytest.mark.parametrize(
    ("setting", "name"),
    [*(("time_to_failure", name) for name in SCALED), ("time_to_repair", "lognormal")],
)
@settings(max_examples=6, deadline=None)
@given(
    scales=st.tuples(*[st.floats(1.0, 1e6)] * 2).map(sorted),
    begins=st.sampled_from(["up", "equilibrium"]),
    swing=st.sampled_from([0.0, 0.9]),
)
def test_a_shorter_scale_brings_every_failure_no_later(
    setting: str, name: str, scales: list[float], begins: str, swing: float
) -> None:
    other = SCALED["weibull"](5_000.0)
    both = {"time_to_failure": other, "time_to_repair": other}
    daily = {"peak": "15 h", "swing": swing}
    made = [
        laws(**(both | {setting: SCALED[name](scale)}), begins=begins, daily=daily)
        for scale in scales
    ]
    for number in range(2):
        often, rare = ([*islice(alternating(one, number), 20)] for one in made)
        begin_down = [times[0][0] == 0 for times in (often, rare)]
        if begin_down[0] != begin_down[1]:
            assert begin_down[0] == (setting == "time_to_failure")
            continue
        for (early_s, _), (late_s, _) in zip(often, rare, strict=True):
            assert early_s <= late_s * (1 + 1e-12)


def test_another_law_of_repair_leaves_the_times_up_alone() -> None:
    found = [
        [*islice(one.life(Streams(0), ("churn", "0", "client_0"), 1.0)[1], 100)]
        for one in (laws(failure_rate="1 / h", time_to_repair=law(60.0)) for law in SCALED.values())
    ]
    assert len({tuple(up_s for up_s, _ in times) for times in found}) == 1
    assert len({tuple(down_s for _, down_s in times) for times in found}) == len(SCALED)


def test_the_most_extreme_laws_can_be_lived_by() -> None:
    fault = churn(
        nodes="clients",
        time_to_failure={"distribution": "weibull", "shape": 0.01, "scale": "1e12 s"},
        time_to_repair={"distribution": "lognormal", "median": "1e12 s", "sigma": 10.0},
        daily={"peak": "15 h", "swing": 1.0},
        spread=10.0,
    )
    for begins in ("up", "equilibrium"):
        found = lived({"wear": fault | {"begins": begins}}, 1e12, step_time="1e11 s")
        assert all(len(changes) < 100 for changes in found.values())


# -- equilibrium -------------------------------------------------------------------------------


LIVES: dict[str, dict[str, Any]] = {
    "phones": {"preset": "phones", "daily": {"peak": "0 h", "swing": 0.0}},
    "exponential": {"mean_time_to_failure": "100 s", "mean_time_to_repair": "25 s"},
    "uniform-gamma": {
        "time_to_failure": SCALED["uniform"](200.0),
        "time_to_repair": SCALED["gamma"](60.0),
    },
    "lognormal-constant": {
        "time_to_failure": SCALED["lognormal"](60.0),
        "time_to_repair": SCALED["constant"](90.0),
    },
}


@pytest.mark.parametrize(
    ("name", "lives"),
    [("phones", 400), *(pytest.param(name, 3_000, marks=pytest.mark.slow) for name in LIVES)],
)
def test_in_equilibrium_the_share_that_is_up_is_the_same_at_any_time(name: str, lives: int) -> None:
    one = laws(**LIVES[name], begins="equilibrium")
    instants_s = [0.0, 0.3 * one.cycle_s, 2.5 * one.cycle_s]
    expected = one.up.mean_s / one.cycle_s
    far = 3.3 * math.sqrt(expected * (1 - expected) / lives)  # 99.9 %
    assert all(abs(share - expected) < far for share in up_at(one, instants_s, lives))
    soon = up_at(replace(one, begins="up"), [0.1 * one.cycle_s], lives)
    assert abs(soon[0] - expected) > far


def test_who_begins_down_has_never_begun() -> None:
    fault = churn(nodes="clients", time_to_failure="1 s", time_to_repair="1e9 s")
    made = world({"wear": fault | {"begins": "equilibrium", "loses_storage": True}})
    tiny.run(made.clock, 100.0)
    assert [event[:4] for event in tiny.events(made.trace)] == [
        (0.0, 0.0, f"client_{i}", "crash") for i in range(3)
    ]
    assert [node.attempts for node in made.clients] == [0, 0, 0]


def test_who_joins_later_does_not_begin_down() -> None:
    fault = churn(nodes="clients", time_to_failure="1 s", time_to_repair="30 s")
    faults = {
        "wear": fault | {"begins": "equilibrium"},
        "come": {"kind": "join", "nodes": "client_1", "at": "100 s"},
    }
    made = world(faults)
    tiny.run(made.clock, 200.0)
    first = next(row for row in tiny.events(made.trace) if row[2] == "client_1")
    assert first[3] == "join" and first[0] >= 100.0


def test_how_lives_begin_leaves_all_later_times_alone() -> None:
    luck = ("churn", "0", "client_0")
    new = laws(preset="phones", begins="up").life(Streams(0), luck, 1.0)[1]
    down_s, found = laws(preset="phones").life(Streams(0), luck, 1.0)
    if not down_s:
        assert next(found)[1] == next(new)[1]
    assert [*islice(found, 50)] == [*islice(new, 50)]


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_is_what_its_source_says(preset: str) -> None:
    found = laws(preset=preset)
    share = found.up.mean_s / found.cycle_s
    if preset == "phones":
        assert share == pytest.approx(0.195, abs=0.001)
    else:
        assert found.up.mean_s == pytest.approx(365.25 * DAY_S / 20, rel=0.01)
        assert found.down.mean_s == pytest.approx(6 * HOUR_S, rel=0.02)
    assert get_args(get_args(Churn.model_fields["preset"].annotation)[0]) == tuple(PRESETS)


def test_what_a_preset_says_can_be_overridden() -> None:
    given = laws(preset="phones", mean_time_to_failure="1 h", begins="up")
    assert (given.up.mean_s, given.begins) == (3600.0, "up")
    assert (given.down, given.daily) == (laws(preset="phones").down, laws(preset="phones").daily)


# -- the hour of day ---------------------------------------------------------------------------


@given(
    up_s=st.floats(0.0, 1e6),
    since_s=st.floats(0.0, 1e6),
    local_s=st.floats(0.0, DAY_S),
    swing=st.floats(0.0, 1.0),
)
@settings(max_examples=50, deadline=None)
def test_a_time_up_ends_where_the_hazard_has_summed_up_to_it(
    up_s: float, since_s: float, local_s: float, swing: float
) -> None:
    daily = Daily.model_validate({"peak": "15 h", "swing": swing})
    end_s = daily.end_s(up_s, since_s, local_s)
    assert end_s >= since_s
    turns = 2 * math.pi * (np.array([since_s, end_s]) + local_s - 15 * HOUR_S) / DAY_S
    aged_s = end_s - since_s + swing * DAY_S / (2 * math.pi) * float(np.diff(np.sin(turns))[0])
    assert aged_s == pytest.approx(up_s, abs=1e-6)


def test_failures_come_by_the_hour_where_a_node_stands() -> None:
    # From the peak at 6 h on, 12 hours count for 12 h, whatever the swing; from 0 h to 12 h around
    # the peak for 12 h + swing x 24 h / pi; from 12 h to 24 h for as much less.
    more_h = 0.5 * 24 / math.pi
    fault = churn(
        nodes="clients", time_to_repair="1 d", daily={"peak": "6 h", "swing": 0.5},
        time_to_failure=f"{12 + more_h} h",
    )  # fmt: skip
    groups = {
        "noon": {"nodes": "client_1", "local_time": "12 h"},
        "morning": {"nodes": "client_2", "local_time": "6 h"},
    }
    found = lived({"wear": fault}, DAY_S, groups=groups, step_time="1000 s")
    times_h = [found[f"client_{i}"][0][1] / HOUR_S for i in range(3)]
    assert times_h[0] == pytest.approx(12.0)
    # At 24 h there, 12 h after noon, 2 more_h are missing, by 1.5 and less from 0 h on.
    daily = Daily.model_validate({"peak": "6 h", "swing": 0.5})
    up_s = (12 + more_h) * HOUR_S
    assert times_h[1:] == [daily.end_s(up_s, 0.0, local * HOUR_S) / HOUR_S for local in (12, 6)]
    assert times_h[0] < times_h[2] < times_h[1]


def test_the_share_that_is_up_follows_the_day() -> None:
    # Of exponential times dA/dt = (1 - A) / D - m(t) A / U, by small steps from equilibrium.
    up_s, down_s, swing, lives = 2 * HOUR_S, 4 * HOUR_S, 0.8, 300
    one = laws(
        mean_time_to_failure="2 h",
        mean_time_to_repair="4 h",
        begins="equilibrium",
        daily={"peak": "15 h", "swing": swing},
    )
    instants_s = [DAY_S + hour * HOUR_S for hour in range(0, 24, 3)]
    step_s, share, expected = 60.0, up_s / (up_s + down_s), {}
    for now_s in np.arange(0.0, 2 * DAY_S, step_s).tolist():
        expected[now_s] = share
        hazard = 1 + swing * math.cos(2 * math.pi * (now_s - 15 * HOUR_S) / DAY_S)
        share += step_s * ((1 - share) / down_s - hazard * share / up_s)
    for now_s, found in zip(instants_s, up_at(one, instants_s, lives), strict=True):
        assert abs(found - expected[now_s]) < 3.3 * math.sqrt(found * (1 - found) / lives)
    shares = [expected[now_s] for now_s in instants_s]
    assert max(shares) > 1.5 * min(shares)


@pytest.mark.slow
def test_phones_are_online_by_the_hour_as_the_trace_has_it() -> None:
    instants_s = [5 * DAY_S + (hour + 0.5) * HOUR_S for hour in range(24)]
    shares = np.array(up_at(laws(preset="phones"), instants_s, 3_000))
    assert shares.mean() == pytest.approx(0.20, abs=0.01)
    # 28 to 29 % at night and 17 % from 15 to 16 h.
    assert shares[:6].mean() / shares[14:17].mean() == pytest.approx(28.5 / 17, rel=0.1)
    wave = np.sum(shares * np.exp(2j * np.pi * (np.arange(24) + 0.5) / 24))
    lowest_h = 24 * np.angle(-wave) / (2 * np.pi) % 24
    assert lowest_h == pytest.approx(15.5, abs=0.5)


# -- groups ------------------------------------------------------------------------------------

OFTEN = {"mean_time_to_failure": "30 s", "mean_time_to_repair": "10 s"}


def test_a_group_fails_and_is_repaired_as_one() -> None:
    groups = {"north": {"count": 2}}
    fault = churn(groups=[["north"], ["client_3", "client_2"]], **OFTEN)
    found = lived({"outage": fault}, samples=[1] * 5, groups=groups)
    assert len(found["client_0"]) > 10
    assert found["client_0"] == found["client_1"] != found["client_2"] == found["client_3"]
    assert found["client_4"] == []


def test_groups_and_whatever_else_move_nobody_elses_draws() -> None:
    alone = churn(nodes="clients", **OFTEN)
    before = lived({"wear": alone})
    group = churn(groups=[["client_0", "client_1"]], **OFTEN, spread=1.0, begins="equilibrium")
    both = lived({"outage": group, "wear": alone})
    assert both["client_2"] == before["client_2"]
    outage = lived({"outage": group})
    assert outage["client_0"] == outage["client_1"] != before["client_0"]
    # Another group beside it, before it or with more nodes, leaves its life as it was.
    more = group | {"groups": [["client_2"], ["client_0"]]}
    assert lived({"outage": more})["client_0"] == outage["client_0"]
    # The second of a client's churns is the same where the first never fails.
    never = churn(nodes="clients", failure_rate="0 / h", mean_time_to_repair="1 s")
    hardly = never | {"failure_rate": "1e-6 / h"}
    assert lived({"a": never, "b": alone}) == lived({"a": hardly, "b": alone}) != before
    # What a node has of its own is the same whoever else has more to say.
    daily = alone | {"nodes": ["client_0"], "daily": {"peak": "0 h", "swing": 1.0}, "spread": 2.0}
    apart = lived({"a": daily, "b": alone | {"nodes": ["client_1", "client_2"]}})
    assert {**apart, "client_0": []} == {**before, "client_0": []}
    assert apart["client_0"] != before["client_0"]


# -- what differs between clients --------------------------------------------------------------


def stretches(samples: Sequence[int], spread: float, **parameters: Any) -> list[float]:
    """By how much longer each client's first time up is than the same life's is without spread."""
    fault = churn(nodes="clients", time_to_failure="10 s", time_to_repair="1e6 s", spread=spread)
    found = lived({"wear": fault | parameters}, 1e5, samples=samples, step_time="1e4 s")
    return [found[f"client_{i}"][0][1] / 10 for i in range(len(samples))]


def test_spread_stretches_each_life_by_a_lognormal_factor() -> None:
    once = stretches([1] * 40, 0.5)
    logs = np.log(once) / 0.5
    assert abs(logs.mean()) < 2.58 / math.sqrt(40) and 0.7 < logs.std() < 1.3
    assert np.log(stretches([1] * 40, 1.0)) == pytest.approx(np.log(once) * 2)
    assert stretches([1] * 40, 0.0) == [1.0] * 40


def test_tied_lives_are_the_same_in_the_order_of_the_samples() -> None:
    samples = [30, 10, 50, 20, 40]
    free = stretches(samples, 1.0)
    most = stretches(samples, 1.0, tied_to="samples")
    least = stretches(samples, 1.0, tied_to="samples", fails_sooner="least")
    assert sorted(free) == sorted(most) == sorted(least) != free
    assert [samples[i] for i in np.argsort(most)] == [50, 40, 30, 20, 10]
    assert [samples[i] for i in np.argsort(least)] == [10, 20, 30, 40, 50]


def test_tied_lives_are_lived_to_the_instant_by_others() -> None:
    fault = churn(nodes="clients", **OFTEN, spread=1.0)
    free = lived({"wear": fault}, samples=[1, 2, 3])
    tied = lived({"wear": fault | {"tied_to": "samples"}}, samples=[1, 2, 3])
    assert sorted(free.values()) == sorted(tied.values())


def test_lives_are_tied_to_the_class_of_which_there_is_least() -> None:
    # Of class 0 there are 4 + 0 + 12 samples, of class 1 36 + 20 + 28, of class 2 none at all.
    shares = [[0.1, 0.9, 0.0], [0.0, 1.0, 0.0], [0.3, 0.7, 0.0]]
    fault = churn(nodes="clients", time_to_failure="10 s", time_to_repair="1e6 s", spread=1.0)
    tied = {"wear": fault | {"tied_to": "rarest_class"}}
    found = lived(tied, 1e5, samples=[40, 20, 40], label_shares=shares, step_time="1e4 s")
    first_s = {node: changes[0][1] for node, changes in found.items()}
    assert sorted(first_s, key=lambda node: first_s[node]) == ["client_2", "client_0", "client_1"]


def test_the_failures_of_laws_and_groups_are_foreseen() -> None:
    nodes = ("client_0", "client_1", "client_2", "server")
    fault = churn(groups=[["client_0", "server"]], time_to_failure="9 s", time_to_repair="1 s")
    one = Churn.model_validate(fault)
    assert one.strikes(nodes) == ["client_0", "server"]
    assert list(one.named()) == [(("groups", 0, 0), "client_0"), (("groups", 0, 1), "server")]
    assert one.events(1000.0, nodes) == 2 * 2 * 100
