"""What the observer is told: which metrics of which models, and what the last look adds."""

import asyncio
from typing import Any

import pytest

from sim.compute import Lineage, ModelRef
from sim.protocols import Running
from sim.record.metrics import TEST, site_metric
from sim.record.rows import ScoreRow
from sim.runs.observer import Observer, score_rows
from tests.sim import tiny

LATENCY = [[0.0, 0.125], [0.125, 0.0]]


class Judged(Lineage):
    """Scores all models alike: 0.5 on all sites, i / 10 at site `i`; at the end one metric more."""

    def __init__(self, names: Lineage) -> None:
        self.__dict__ |= vars(names)

    def scored(
        self, model: ModelRef, dataset: str = TEST, *, urgent: bool = False
    ) -> asyncio.Future[Any]:
        found = {"dice": 0.5, **{site_metric("dice", site): site / 10 for site in range(2)}}
        if dataset == "final":
            found["hd95_mm"] = 3.0
        future = asyncio.get_running_loop().create_future()
        future.set_result(found)
        return future


async def observed(protocol: str, **goal: Any) -> list[ScoreRow]:
    described = tiny.scenario(
        LATENCY,
        (1.0, 1.0),
        {protocol: {}},
        task={"name": "brains", "training_subjects": 2, "test_subjects": 2},
        model={"name": "unet"},
        **({"stop_when": {"metric": "dice", **goal}} if goal else {}),
    )
    world, running = tiny.world(described, samples=[8, 8], steps=[1, 1])
    world.lineage = Judged(world.lineage)
    observer = Observer(
        world, running, 10.0, 20.0, described.stop_when, described.task.metrics, "final"
    )
    await world.clock.run_until(20.0)
    return await score_rows(observer.looks, protocol, 0)


def test_a_client_is_judged_on_its_own_site_too_and_an_average_is_not() -> None:
    rows = asyncio.run(observed("braintorrent"))
    start = {(row.node, row.metric): row.value for row in rows if row.time_s == 0.0}
    assert start == {
        ("client_0", "dice"): 0.5,
        ("client_0", "dice_own_site"): 0.0,
        ("client_1", "dice"): 0.5,
        ("client_1", "dice_own_site"): 0.1,
        ("aggregate", "dice"): 0.5,
    }


def test_the_pooled_model_has_no_site_of_its_own() -> None:
    rows = asyncio.run(observed("pooled"))
    assert {row.metric for row in rows if row.time_s == 0.0} == {"dice"}


def test_metrics_that_take_long_are_found_at_the_end_only() -> None:
    rows = asyncio.run(observed("local"))
    assert sorted({row.time_s for row in rows}) == [0.0, 10.0, 20.0]
    dear = [row for row in rows if row.metric == "hd95_mm"]
    assert {row.time_s for row in dear} == {20.0}
    assert [row.node for row in dear] == ["client_0", "client_1", "aggregate"]


def test_clients_scores_end_a_run_of_which_no_average_is_seen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen = Running.seen
    monkeypatch.setattr(Running, "seen", lambda running: list(seen(running))[:-1])
    assert {row.time_s for row in asyncio.run(observed("local", value=0.5))} == {0.0}


@pytest.mark.parametrize("every_time", [True, False])
def test_a_run_that_stops_early_has_them_where_it_stops(every_time: bool) -> None:
    rows = asyncio.run(observed("local", value=0.5 if every_time else 0.9))
    stopped_s = 0.0 if every_time else 20.0
    assert {row.time_s for row in rows if row.metric == "hd95_mm"} == {stopped_s}
    assert max(row.time_s for row in rows) == stopped_s
    # One row per node and metric: the look that ended the run is not there twice.
    at_end = [(row.node, row.metric) for row in rows if row.time_s == stopped_s]
    assert len(at_end) == len(set(at_end)) == 2 * 3 + 2
