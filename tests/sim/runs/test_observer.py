"""What the observer demands and is told: which metrics of which models, and what ends a run."""

import asyncio
from collections import Counter
from typing import Any, ClassVar

import pytest

from braintorrent.testing.counters import Counters
from sim.compute import Lineage, ModelRef
from sim.protocols import Running
from sim.record.metrics import TEST, VALIDATION, site_metric
from sim.record.rows import ScoreRow
from sim.runs.observer import Observer, score_rows
from tests.sim import tiny

LATENCY = [[0.0, 0.125], [0.125, 0.0]]


class Judged(Counters):
    """Scores all models alike: 0.5 on all sites, i / 10 at site `i`; at the end one metric more.

    On validation data 0 is the initial model's, 0.3 an average's, and 0.6 + i / 5 that of what
    client i has trained. `questions`: how often, by data set and what made the model.
    """

    VALUES: ClassVar = {"initial": 0.0, "combined": 0.3, "trained": 0.6}

    def __init__(self, names: Lineage) -> None:
        self.__dict__ |= vars(names)
        self.questions = Counter[tuple[str, str]]()
        self.found: list[dict[str, float]] = []

    def demanded(self, model: ModelRef, dataset: str = TEST, *, urgent: bool = False) -> str:
        self.questions[dataset, model.kind] += 1
        found = {"dice": 0.5, **{site_metric("dice", site): site / 10 for site in range(2)}}
        if dataset == "final":
            found["hd95_mm"] = 3.0
        if dataset == VALIDATION:
            site = model.arguments[0] if model.kind == "trained" else 0
            found["dice"] = self.VALUES[model.kind] + site / 5
        self.found.append(found)
        return str(len(self.found) - 1)

    async def scores(self, name: str) -> dict[str, float]:
        return self.found[int(name)]


async def watched(
    protocol: str, goal: dict[str, Any] | None = None, faults: Any = None, **evaluation: Any
) -> tuple[Judged, list[ScoreRow]]:
    """20 seconds under the protocol, seen every 10, and what was scored for it."""
    described = tiny.scenario(
        LATENCY,
        (1.0, 1.0),
        {protocol: {}},
        task={"name": "brains", "training_subjects": 2, "test_subjects": 2},
        model={"name": "unet"},
        duration="20 s",
        evaluation={"every": "10 s", **evaluation},
        stop_when={"metric": "dice", **goal} if goal else None,
        faults=faults or {},
    )
    world, running = tiny.world(described, samples=[8, 8], steps=[1, 1])
    world.lineage = judged = Judged(world.lineage)
    observer = Observer(world, running, described)
    await world.clock.run_until(20.0)
    return judged, await score_rows(observer.looks, judged.scores, protocol, 0)


def observed(protocol: str, goal: dict[str, Any] | None = None, **setting: Any) -> list[ScoreRow]:
    return asyncio.run(watched(protocol, goal, **setting))[1]


def test_a_client_is_judged_on_its_own_site_too_and_an_average_is_not() -> None:
    rows = observed("braintorrent")
    start = {(row.node, row.metric): row.value for row in rows if row.time_s == 0.0}
    assert start == {
        ("client_0", "dice"): 0.5,
        ("client_0", "dice_own_site"): 0.0,
        ("client_1", "dice"): 0.5,
        ("client_1", "dice_own_site"): 0.1,
        ("aggregate", "dice"): 0.5,
    }


def test_the_pooled_model_has_no_site_of_its_own() -> None:
    rows = observed("pooled")
    assert {row.metric for row in rows if row.time_s == 0.0} == {"dice"}


def test_metrics_that_take_long_are_found_at_the_end_only() -> None:
    rows = observed("local")
    assert sorted({row.time_s for row in rows}) == [0.0, 10.0, 20.0]
    dear = [row for row in rows if row.metric == "hd95_mm"]
    assert {row.time_s for row in dear} == {20.0}
    assert [row.node for row in dear] == ["client_0", "client_1", "aggregate"]


def test_clients_scores_end_a_run_of_which_no_average_is_seen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen = Running.seen
    monkeypatch.setattr(Running, "seen", lambda running: list(seen(running))[:-1])
    assert {row.time_s for row in observed("local", {"value": 0.0})} == {0.0}


@pytest.mark.parametrize("every_time", [True, False])
def test_a_run_that_stops_early_has_them_where_it_stops(every_time: bool) -> None:
    rows = observed("local", {"value": 0.0 if every_time else 0.9})
    stopped_s = 0.0 if every_time else 20.0
    assert {row.time_s for row in rows if row.metric == "hd95_mm"} == {stopped_s}
    assert max(row.time_s for row in rows) == stopped_s
    # One row per node and metric: the look that ended the run is not there twice.
    at_end = [(row.node, row.metric) for row in rows if row.time_s == stopped_s]
    assert len(at_end) == len(set(at_end)) == 2 * 4 + 3


@pytest.mark.parametrize(
    ("protocol", "goal", "stopped_s"),
    [
        ("braintorrent", {"value": 0.3}, 10.0),
        ("braintorrent", {"value": 0.5}, 20.0),  # The test data would have ended it at once.
        ("braintorrent", {"value": 0.65, "stage": "trained"}, 10.0),
        ("braintorrent", {"value": 0.65, "stage": "trained", "of": "worst"}, 20.0),
        ("braintorrent", {"value": 0.3, "of": "aggregate"}, 0.0),  # An average from the start.
        ("local", {"value": 0.65}, 10.0),
        ("local", {"value": 0.65, "stage": "trained"}, 10.0),
        ("local", {"value": 0.65, "of": "worst"}, 20.0),
        ("local", {"value": 0.65, "of": "aggregate"}, 20.0),
        ("pooled", {"value": 0.3, "stage": "trained"}, 10.0),
    ],
)
def test_a_goal_is_of_one_stage_on_validation_data_and_a_reference_counts_at_either(
    protocol: str, goal: dict[str, Any], stopped_s: float
) -> None:
    assert max(row.time_s for row in observed(protocol, goal)) == stopped_s


@pytest.mark.parametrize(
    ("faults", "stopped_s"),
    [
        ({}, 10.0),
        ({"new": {"kind": "join", "nodes": ["client_0"], "at": "15 s"}}, 10.0),
        ({"new": {"kind": "join", "nodes": ["client_1"], "at": "15 s"}}, 20.0),
        ({"new": {"kind": "join", "nodes": ["client_1"], "at": "9 s"}}, 10.0),
        ({"end": {"kind": "leave", "nodes": ["client_0"], "at": "5 s"}}, 10.0),
        ({"end": {"kind": "leave", "nodes": ["client_1"], "at": "5 s"}}, 20.0),
    ],
)
def test_a_goal_is_about_those_that_are_there(faults: Any, stopped_s: float) -> None:
    # When all are there client 1 is the best, 0.8, and the mean is 0.7; client 0 has 0.6.
    goal = {"value": 0.65, "stage": "trained"}
    rows = asyncio.run(watched("local", goal, faults=faults))[1]
    assert max(row.time_s for row in rows) == stopped_s
    members = {row.node for row in rows if row.time_s == 10.0 and row.member}
    assert ("client_1" in members) == (stopped_s == 10.0)
    assert {row.node for row in rows if row.time_s == 10.0} > {"client_0", "client_1"}


def test_nothing_is_scored_on_validation_data_that_nobody_looks_at() -> None:
    judged, rows = asyncio.run(watched("braintorrent"))
    assert {dataset for dataset, _ in judged.questions} == {"test", "final"}
    assert not [row for row in rows if "validation" in row.metric]


@pytest.mark.parametrize("stage", ["received", "trained"])
def test_a_target_has_the_models_of_its_stage_scored_on_validation_data(stage: str) -> None:
    target = {"metric": "dice", "value": 0.9, "stage": stage}
    rows = observed("braintorrent", target=target)
    found = {row[3:5] for row in rows if row.metric == "dice_validation"}
    clients = {("client_0", stage), ("client_1", stage)}
    assert found == clients | ({("aggregate", "received")} if stage == "received" else set())
    assert {row.time_s for row in rows if row.metric == "dice_validation"} == {0.0, 10.0, 20.0}
    assert not [row for row in rows if "validation_" in row.metric or "@" in row.metric]


def test_a_stage_that_is_left_out_demands_nothing() -> None:
    both, _ = asyncio.run(watched("braintorrent"))
    trained, rows = asyncio.run(watched("braintorrent", stages=["trained"]))
    assert {row.stage for row in rows} == {"trained"}
    assert both.questions == {
        ("test", "initial"): 4, ("test", "combined"): 1 + 2 + 1, ("test", "trained"): 2,
        ("final", "combined"): 2 + 1, ("final", "trained"): 2,
    }  # fmt: skip
    assert trained.questions == {
        ("test", "initial"): 2, ("test", "trained"): 2, ("final", "trained"): 2
    }  # fmt: skip
    assert len(observed("local", stages=["trained"])) == len(observed("local"))
