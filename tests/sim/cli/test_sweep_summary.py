"""A sweep's summary: estimates worked out by hand, pairs by seed, and nothing dropped silently."""

import json
import math
from pathlib import Path

import pytest
from rich.console import Console

from sim.cli.display import sweep_table
from sim.cli.sweep_summary import (
    Estimate,
    Final,
    SweepSummary,
    as_dict,
    estimate,
    finals,
    read_summary,
    summarise_sweep,
)
from sim.record.rows import RunRecord, ScoreRow
from sim.results import folder as results
from sim.scenario import Sweep, grid

RATE = "faults.churn.failure_rate"
LOSS = "network.message_loss"

TABLE = """\
churn: final accuracy, mean ± 95 % interval over 3 seeds

       churn.     network.                      mean                      minus
 failure_rate message_loss protocol           client    aggregate        fedavg runs
 ───────────────────────────────────────────────────────────────────────────────────
        0 / h            0 braintorrent 0.890 ±0.025            - +0.100 ±0.000  3/3
                           fedavg       0.790 ±0.025 0.950 ±0.000             -  3/3
        0 / h         0.25 braintorrent 0.890 ±0.025            - +0.100 ±0.000  3/3
                           fedavg       0.790 ±0.025 0.950 ±0.000             -  3/3
      0.5 / h            0 braintorrent 0.890 ±0.025            - +0.100 ±0.000  3/3
                           fedavg       0.790 ±0.025 0.950 ±0.000             -  3/3
      0.5 / h         0.25 braintorrent            -            -             -  0/3
                           fedavg                  -            -             -  0/3

runs: those with a score, of all"""


def sweep(*vary: str, seeds: int = 3, protocols: tuple[str, ...] = ()) -> Sweep:
    return grid("churn", vary=vary, seeds=seeds, protocols=protocols)


def score(protocol: str, seed: int, time_s: float, node: str, value: float) -> ScoreRow:
    return ScoreRow(protocol, seed, time_s, node, 1, 1, 0.0, "accuracy", value, True)


def test_an_estimate_is_a_mean_with_student_s_interval() -> None:
    found = estimate([0.5, 0.7, 0.9])
    assert found is not None and found.count == 3
    assert found.mean == pytest.approx(0.7)
    # The tables' quantile for 2 degrees of freedom times the standard error.
    assert found.half_width == pytest.approx(4.302653 * 0.2 / math.sqrt(3), rel=1e-6)
    assert estimate([0.25]) == Estimate(0.25, None, 1)
    assert estimate([math.nan, 0.25, math.inf]) == Estimate(0.25, None, 1)
    assert estimate([]) is None and estimate([math.nan]) is None


def test_finals_are_of_each_run_s_last_look() -> None:
    rows = [
        score("braintorrent", 0, 60.0, "client_0", 0.5),
        score("braintorrent", 0, 60.0, "client_1", 0.75),
        score("braintorrent", 0, 60.0, "aggregate", 0.875),
        score("braintorrent", 0, 0.0, "client_0", 0.0),
        score("fedavg", 1, 0.0, "client_0", 0.1),
        score("fedavg", 1, 30.0, "server", 0.9),
        score("fedavg", 1, 30.0, "client_0", math.nan),
        score("pooled", 1, 30.0, "pooled", 0.25),
        score("pooled", 1, 30.0, "pooled", 0.25)._replace(metric="loss", value=7.0),
    ]
    found = finals(reversed(rows), "accuracy")
    assert found["braintorrent", 0] == Final(0.625, 0.875)
    assert math.isnan(found["fedavg", 1].mean_client) and found["fedavg", 1].aggregate is None
    assert found["pooled", 1] == Final(0.25, None)


def test_differences_are_taken_in_pairs_of_one_seed() -> None:
    runs = {("fedavg", seed): Final(value, None) for seed, value in enumerate((0.1, 0.5, 0.9))} | {
        ("braintorrent", seed): Final(value, 0.5) for seed, value in enumerate((0.2, 0.6))
    }
    summary = summarise_sweep(sweep(protocols=("braintorrent", "fedavg")), {"base": runs})
    braintorrent, fedavg = summary.lines
    assert summary.reference == "fedavg" and fedavg.difference is None
    assert braintorrent.difference is not None and braintorrent.difference.count == 2
    assert braintorrent.difference.mean == pytest.approx(0.1)
    assert braintorrent.difference.half_width == pytest.approx(0.0, abs=1e-12)
    assert braintorrent.aggregate == Estimate(0.5, 0.0, 2)
    assert braintorrent.mean_client is not None
    assert (braintorrent.mean_client.count, braintorrent.seeds) == (2, 3)


def test_what_is_missing_or_no_number_is_counted_and_null_in_json() -> None:
    runs = {("fedavg", 0): Final(math.nan, None), ("fedavg", 1): Final(0.5, math.nan)}
    summary = summarise_sweep(
        sweep(f"{RATE}=0 / h,1 / h", protocols=("fedavg",)), {"churn.failure_rate-0perh": runs}
    )
    first, second = summary.lines
    assert (first.mean_client, first.aggregate) == (Estimate(0.5, None, 1), None)
    assert (second.mean_client, second.seeds) == (None, 3)
    content = json.loads(json.dumps(as_dict(summary), allow_nan=False))
    assert content["lines"][1]["mean_client"] is None
    assert content["lines"][0]["values"] == {RATE: 0.0}
    assert content["lines"][0]["written"] == {RATE: "0 / h"}


def test_a_folder_s_failed_runs_have_no_scores(tmp_path: Path) -> None:
    swept = sweep("clients.count=2,3", seeds=1, protocols=("local",))
    for point, value in zip(swept.points, (0.25, 0.5), strict=True):
        folder = tmp_path / "runs" / point.name
        results.claim(folder, results.SCENARIO_FILE, "name: x\n")
        rows = [score("local", 0, 60.0, "client_0", value)]
        runs = [results.tables(RunRecord("local", 0, 60.0, 1, {}), rows, [])]
        results.write(folder, runs, ("local",), wall_s=1.0, workers=0)
    record = results.read_record(folder)
    record["runs"][0] |= {"status": "failed", "cause": "no memory"}
    (folder / "run.json").write_text(json.dumps(record), encoding="utf-8")
    first, second = read_summary(tmp_path, swept).lines
    assert (first.mean_client, second.mean_client) == (Estimate(0.25, None, 1), None)


def table_text(summary: SweepSummary) -> str:
    console = Console(width=100)
    with console.capture() as capture:
        console.print(sweep_table(summary))
    return "\n".join(line.rstrip() for line in capture.get().splitlines())


def test_the_table_reads_well_with_two_varied_paths() -> None:
    swept = sweep(f"{RATE}=0 / h,0.5 / h", f"{LOSS}=0,0.25", protocols=("braintorrent", "fedavg"))
    found = {
        point.name: {
            (protocol, seed): Final(0.9 - 0.1 * index - 0.01 * seed, 0.95 if index else None)
            for index, protocol in enumerate(("braintorrent", "fedavg"))
            for seed in (0, 1, 2)
        }
        for point in swept.points[:3]
    }
    text = table_text(summarise_sweep(swept, found))
    assert text == TABLE


def test_the_widest_table_fits_a_hundred_columns() -> None:
    name = "a_rather_long_name_of_a_fault"
    churn = "{kind: churn, nodes: all, failure_rate: 1 / h, mean_time_to_repair: 1 min}"
    swept = grid(
        "churn",
        [f"faults={{{name}: {churn}}}", "protocols.braintorrent_with_ten_peers={kind: local}"],
        [f"faults.{name}.failure_rate=0.123456789 / h", f"faults.{name}.mean_time_to_repair=1 min"],
        seeds=2,
    )
    runs = {
        (protocol, seed): Final(0.5 + seed / 3, 0.25)
        for protocol in swept.base.protocols
        for seed in (0, 1)
    }
    text = table_text(summarise_sweep(swept, {swept.points[0].name: runs}))
    assert max(map(len, text.splitlines())) <= 100
    assert "…" not in text


def test_without_a_server_protocol_there_is_no_difference() -> None:
    swept = sweep(protocols=("local",), seeds=1)
    text = table_text(summarise_sweep(swept, {"base": {("local", 0): Final(0.5, None)}}))
    assert "minus" not in text and "aggregate" not in text and "±" not in text
    assert "local" in text and "0.500" in text and "1/1" in text
