"""The summary, on rows made by hand."""

import json
import math
from types import SimpleNamespace
from typing import cast

import pytest
from rich.console import Console

from sim.cli.display import bytes_text, summary_table, time_text
from sim.cli.summary import Spread, Summary, as_dict, summarise
from sim.record.rows import ScoreRow, TraceRow
from sim.scenario import Scenario


def scenario(
    *protocols: str,
    seeds: tuple[int, ...] = (0,),
    target: float | None = 0.8,
    metric: str = "accuracy",
    crash_s: float | None = None,
) -> Scenario:
    crash = {"late": SimpleNamespace(kind="crash", at=9e9)} if crash_s is not None else {}
    if crash_s is not None:
        crash["first"] = SimpleNamespace(kind="crash", at=crash_s)
    aim = SimpleNamespace(metric=metric, value=target) if target is not None else None
    fake = SimpleNamespace(
        name="tiny",
        protocols=dict.fromkeys(protocols),
        seeds=seeds,
        evaluation=SimpleNamespace(target=aim),
        task=SimpleNamespace(metrics=("accuracy",)),
        faults={"noise": SimpleNamespace(kind="churn"), **crash},
    )
    return cast(Scenario, fake)


def looks(
    protocol: str, seed: int, values: dict[float, dict[str, float]], metric: str = "accuracy"
) -> list[ScoreRow]:
    return [
        ScoreRow(protocol, seed, time_s, node, 0, 0, 0.0, metric, value, True)
        for time_s, nodes in values.items()
        for node, value in nodes.items()
    ]


def clients(*values: float) -> dict[str, float]:
    return {f"client_{index}": value for index, value in enumerate(values)}


def trace(kind: str, protocol: str = "fedavg", size_bytes: int = 0) -> TraceRow:
    return TraceRow(protocol, 0, 1.0, 1.0, "client_0", kind, "", size_bytes, "")


def test_final_scores_are_of_the_last_look_and_spread_over_seeds() -> None:
    rows = [
        *looks("fedavg", 0, {0.0: clients(0.1, 0.1), 60.0: clients(0.5, 0.7) | {"server": 0.9}}),
        *looks("fedavg", 1, {0.0: clients(0.1, 0.1), 30.0: clients(0.7, 0.9)}),
        *looks("fedavg", 1, {30.0: clients(7.0, 7.0)}, metric="loss"),
    ]
    (line,) = summarise(scenario("fedavg", seeds=(0, 1)), rows, []).protocols
    assert line.mean_client and line.worst_client
    assert line.mean_client.mean == pytest.approx(0.7)
    assert line.mean_client.std == pytest.approx(0.2 / math.sqrt(2))
    assert line.mean_client.count == 2
    assert line.worst_client.mean == pytest.approx(0.6)
    assert line.aggregate is None


def test_aggregate_is_its_own_row_and_the_pooled_model_the_only_client() -> None:
    rows = [
        *looks("braintorrent", 0, {0.0: clients(0.2, 0.4) | {"aggregate": 0.6}}),
        *looks("pooled", 0, {0.0: {"pooled": 0.9}}),
    ]
    first, pooled = summarise(scenario("braintorrent", "pooled"), rows, []).protocols
    assert first.mean_client
    assert first.mean_client.mean == pytest.approx(0.3)
    assert first.aggregate == Spread(0.6, None, 1)
    assert pooled.mean_client == pooled.worst_client == Spread(0.9, None, 1)


def test_the_target_counts_from_the_first_look_that_reaches_it() -> None:
    rows = [
        *looks("local", 0, {0.0: clients(0.1), 60.0: clients(0.8), 120.0: clients(0.7)}),
        *looks("local", 1, {0.0: clients(0.1), 60.0: clients(0.5), 120.0: clients(0.7)}),
    ]
    (line,) = summarise(scenario("local", seeds=(0, 1)), rows, []).protocols
    assert line.time_to_target_s == Spread(60.0, None, 1)
    (line,) = summarise(scenario("local", seeds=(0, 1), target=0.9), rows, []).protocols
    assert line.time_to_target_s is None


def test_a_loss_is_better_when_lower() -> None:
    rows = looks("local", 0, {0.0: clients(2.0, 2.2), 60.0: clients(0.4, 1.0)}, metric="loss")
    aim = scenario("local", target=0.75, metric="loss", crash_s=10.0)
    (line,) = summarise(aim, rows, []).protocols
    assert line.worst_client
    assert line.worst_client.mean == 1.0
    assert line.time_to_target_s == Spread(60.0, None, 1)
    assert line.progress_after_crash is not None
    assert line.progress_after_crash.mean == pytest.approx(1.4)


@pytest.mark.parametrize(
    ("crash_s", "expected"), [(59.0, 0.6), (60.0, 0.4), (90.0, 0.4), (120.0, None), (500.0, None)]
)
def test_progress_after_the_crash_starts_at_the_last_look_before_it(
    crash_s: float, expected: float | None
) -> None:
    rows = looks("local", 0, {0.0: clients(0.1), 60.0: clients(0.3), 120.0: clients(0.7)})
    summary = summarise(scenario("local", crash_s=crash_s), rows, [])
    progress = summary.protocols[0].progress_after_crash
    assert summary.crash_s == crash_s
    assert (progress and progress.mean) == (pytest.approx(expected) if expected else None)


def test_work_is_counted_per_protocol_and_averaged_over_seeds() -> None:
    traces = [
        *[trace("train")] * 3,
        trace("train_lost"),
        trace("transfer", size_bytes=1000),
        trace("transfer_lost", size_bytes=500),
        trace("train", protocol="local"),
    ]
    rows = [
        row
        for name in ("fedavg", "local")
        for seed in (0, 1)
        for row in looks(name, seed, {0.0: clients(0.1)})
    ]
    fedavg, local = summarise(scenario("fedavg", "local", seeds=(0, 1)), rows, traces).protocols
    assert (fedavg.local_rounds_done, fedavg.local_rounds_lost) == (1.5, 0.5)
    assert fedavg.bytes_delivered == 500.0
    assert (local.local_rounds_done, local.bytes_delivered) == (0.5, 0.0)


def test_a_diverged_client_makes_nan_that_json_shows_as_null() -> None:
    rows = looks("local", 0, {0.0: clients(1.0, math.nan, 0.5)}, metric="loss")
    summary = summarise(scenario("local", metric="loss"), rows, [])
    line = as_dict(summary)["protocols"][0]
    assert line["mean_client"]["mean"] is None
    assert line["worst_client"]["mean"] is None
    assert json.loads(json.dumps(as_dict(summary), allow_nan=False))["seeds"] == [0]


def table_text(summary: Summary, width: int = 100) -> str:
    console = Console(width=width)
    with console.capture() as capture:
        console.print(summary_table(summary))
    return capture.get()


def test_the_widest_table_fits_a_hundred_columns() -> None:
    names = ("braintorrent", "fedavg")
    rows = [
        row
        for name, last in zip(names, (0.95, 0.3), strict=True)
        for seed in (0, 1, 2)
        for row in looks(
            name,
            seed,
            {0.0: clients(0.1), 900.0: clients(last - seed / 9, 0.9) | {"aggregate": 0.5}},
        )
    ]
    traces = [trace("train", name) for name in names] * 4000
    traces += [trace("transfer", name, 2_345_678_901) for name in names]
    summary = summarise(scenario(*names, seeds=(0, 1, 2), target=0.85, crash_s=600.0), rows, traces)
    text = table_text(summary)
    assert max(map(len, text.splitlines())) <= 100
    for shown in ("±0.056", "15.0 min, 2/3", "not reached", "1,333", "781.9 MB", "+0.769 ±0.056"):
        assert shown in text
    assert "…" not in text


def test_columns_without_a_meaning_in_the_scenario_are_left_out() -> None:
    rows = looks("[red]", 0, {0.0: clients(0.25)})
    text = table_text(summarise(scenario("[red]", target=None), rows, []))
    assert "time to" not in text and "crash" not in text and "±" not in text
    assert "[red]" in text


def test_times_and_sizes_read_as_people_say_them() -> None:
    assert [time_text(s) for s in (0.0, 59.9, 60.0, 3600.0, 7200.0)] == [
        *("0.0 s", "59.9 s", "1.0 min", "60.0 min", "2.0 h")
    ]
    assert [bytes_text(b) for b in (12, 1500, 2e6, 3.25e9, 4e12)] == [
        *("12 B", "1.5 kB", "2.0 MB", "3.2 GB", "4.0 TB")
    ]
