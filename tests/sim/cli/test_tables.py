"""The closing tables as they are read, and their JSON, of folders of rows made by hand."""

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from analysis.comparison import compared
from analysis.loading import load
from sim.cli.tables import as_dict, closing_table
from sim.record.rows import ScoreRow, TraceRow
from sim.scenario import grid
from tests.analysis.folders import (
    RATE,
    Run,
    described,
    score,
    swept,
    trace,
    write_run,
    write_sweep,
)

LOSS = "network.message_loss"
BOTH = "{braintorrent: {}, fedavg: {deadline: 1 min}}"
CRASH = "faults={first: {kind: crash, node: server, at: 30 s}}"

RUN_TABLE = """\
churn: final accuracy, mean ± 95 % interval over 4 seeds

                      mean        worst aggre-         time to rounds rounds    bytes      progress
 protocol           client       client   gate            0.55   done   lost received   after crash
 ──────────────────────────────────────────────────────────────────────────────────────────────────
 braintorrent 0.650 ±0.205 0.550 ±0.205  0.500       1 min 3/4    750     25 586.4 MB +0.250 ±0.205
 fedavg       0.450 ±0.205 0.350 ±0.205      – not reached 1/4      0      0      0 B +0.050 ±0.205

rounds, bytes: per seed; time: by when half of the seeds were there"""

SWEEP_TABLE = """\
churn: final accuracy, mean ± 95 % interval over 3 seeds

       churn.     network.                      mean                      minus
 failure_rate message_loss protocol           client    aggregate        fedavg runs
 ───────────────────────────────────────────────────────────────────────────────────
        0 / h            0 braintorrent 0.890 ±0.025            – +0.100 ±0.000  3/3
                           fedavg       0.790 ±0.025 0.950 ±0.000             –  3/3
        0 / h         0.25 braintorrent 0.890 ±0.025            – +0.100 ±0.000  3/3
                           fedavg       0.790 ±0.025 0.950 ±0.000             –  3/3
      0.5 / h            0 braintorrent 0.890 ±0.025            – +0.100 ±0.000  3/3
                           fedavg       0.790 ±0.025 0.950 ±0.000             –  3/3
      0.5 / h         0.25 braintorrent            –            –             –  0/3
                           fedavg                  –            –             –  0/3

runs: those with a score, of all"""

Rows = tuple[Sequence[ScoreRow], Sequence[TraceRow]]


def table_text(folder: Path, width: int = 100) -> str:
    results = load(folder)
    console = Console(width=width)
    with console.capture() as capture:
        console.print(closing_table(results, compared(results)))
    return "\n".join(line.rstrip() for line in capture.get().splitlines())


def content(folder: Path) -> dict[str, Any]:
    results = load(folder)
    text = json.dumps(as_dict(results, compared(results)), allow_nan=False)
    return dict(json.loads(text))


def one_client(value: Callable[[Run], float]) -> Callable[[Run], Rows]:
    return lambda run: ([score(run, 0.0, "client_0", value(run))], [])


def busy(run: Run) -> Rows:
    """Of four seeds; two clients 0.2 apart, and much work of the first seed's braintorrent."""
    ours = run[1] == "braintorrent"
    last = (0.5 if ours else 0.3) + 0.1 * run[2]
    scores = [score(run, 0.0, name, 0.4) for name in ("client_0", "client_1")]
    scores += [score(run, 60.0, "client_0", last + 0.1), score(run, 60.0, "client_1", last - 0.1)]
    if ours:
        scores += [score(run, 60.0, "aggregate", 0.5)]
    if not ours or run[2]:
        return scores, []
    traces = [trace(run, 1.0, "client_0", "train")] * 3000
    traces += [trace(run, 2.0, "client_0", "train_lost")] * 100
    return scores, [*traces, trace(run, 3.0, "client_0", "transfer")._replace(bytes=2_345_678_901)]


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    changes = ("seeds=[0, 1, 2, 3]", "evaluation.target={metric: accuracy, value: 0.55}", CRASH)
    return write_run(tmp_path, described(*changes, protocols=BOTH), busy)


def test_the_table_of_a_run(run_folder: Path) -> None:
    assert table_text(run_folder) == RUN_TABLE


def test_a_narrow_terminal_gets_all_of_it(run_folder: Path) -> None:
    text = table_text(run_folder, width=80)
    assert max(map(len, text.splitlines())) <= 80 and "…" not in text
    assert all(shown in text for shown in ("±0.205", "586.4 MB", "3/4", "1/4"))


def test_json_of_a_run_says_what_its_intervals_are(run_folder: Path) -> None:
    found = content(run_folder)
    lines = found.pop("protocols")
    assert found == {
        **{"scenario": "churn", "metric": "accuracy", "interval": "95 % Student's t over seeds"},
        **{"target": 0.55, "crash_s": 30.0, "seeds": [0, 1, 2, 3], "baseline": "fedavg"},
        "cautions": [],
    }
    ours, theirs = lines
    # The tables' quantile for 3 degrees of freedom times the standard error of four steps of 0.1.
    half_width = 3.182446 * 0.1 * math.sqrt(5 / 3) / 2
    assert ours["mean_client"] == {
        **{"mean": pytest.approx(0.65), "count": 4},
        **{"low": pytest.approx(0.65 - half_width), "high": pytest.approx(0.65 + half_width)},
    }
    assert ours["difference"]["mean"] == pytest.approx(0.2) and theirs["difference"] is None
    assert ours["time_to_target_s"] == {"median": 60.0, "count": 4, "reached": 3}
    assert theirs["time_to_target_s"] == {"median": None, "count": 4, "reached": 1}
    work = ("local_rounds_done", "local_rounds_lost", "bytes_delivered")
    assert [ours[name] for name in work] == [750.0, 25.0, 2_345_678_901 / 4]
    assert theirs["aggregate"] is None


def test_one_seed_has_no_interval_and_no_columns_without_a_meaning(tmp_path: Path) -> None:
    scenario = described("seeds=[0]", "evaluation.target=null", protocols="{local: {}}")
    folder = write_run(tmp_path, scenario, one_client(lambda run: 0.25))
    text = table_text(folder)
    assert "final accuracy, 1 seed" in text and "0.250" in text
    assert not any(word in text for word in ("time to", "crash", "±", "runs", "per seed"))
    (line,) = content(folder)["protocols"]
    assert line["mean_client"] == {"mean": 0.25, "low": None, "high": None, "count": 1}
    assert line["time_to_target_s"] is line["progress_after_crash"] is None


def test_a_diverged_seed_and_a_failed_one_are_told(tmp_path: Path) -> None:
    scenario = described("seeds=[0, 1, 2]", protocols="{local: {}, braintorrent: {}}")
    values = {"local": (0.5, math.nan, 0.0), "braintorrent": (math.nan, math.inf, math.nan)}
    folder = write_run(
        tmp_path,
        scenario,
        one_client(lambda run: values[run[1]][run[2]]),
        failed=[("base", "local", 2)],
    )
    text = table_text(folder)
    rows = [line.split() for line in text.splitlines()]
    assert [(row[0], row[1], row[-1]) for row in rows if row and row[-1].endswith("/3")] == [
        ("local", "0.500", "1/3"),
        ("braintorrent", "–", "0/3"),
    ]
    assert "runs: those with a score, of all" in text
    local, other = content(folder)["protocols"]
    assert (local["seeds"], local["mean_client"]["count"]) == (3, 1)
    assert other["mean_client"] is other["worst_client"] is other["difference"] is None


def test_a_run_of_which_nothing_is_finished(tmp_path: Path) -> None:
    scenario = described("seeds=[0]", protocols="{local: {}}")
    folder = write_run(tmp_path, scenario, failed=[("base", "local", 0)])
    assert "0/1" in table_text(folder)
    (line,) = content(folder)["protocols"]
    assert set(line) - {"protocol", "seeds"} == {name for name in line if line[name] is None}


def test_the_table_of_a_sweep_over_two_paths(tmp_path: Path) -> None:
    def rows(run: Run) -> Rows:
        served = run[1] == "fedavg"
        scores = [score(run, 0.0, "client_0", 0.9 - 0.1 * served - 0.01 * run[2])]
        return scores + [score(run, 0.0, "aggregate", 0.95)] * served, []

    sweep = swept(f"{RATE}=0 / h,0.5 / h", f"{LOSS}=0,0.25", seeds=3, protocols=BOTH)
    folder = write_sweep(tmp_path, sweep, rows, unfinished=[sweep.points[-1].name])
    assert table_text(folder) == SWEEP_TABLE
    found = content(folder)
    assert (found["paths"], found["baseline"], len(found["lines"])) == ([RATE, LOSS], "fedavg", 8)
    first, last = found["lines"][0], found["lines"][-1]
    assert first["point"] == sweep.points[0].name
    assert (first["values"][LOSS], first["written"]) == (0.0, {RATE: "0 / h", LOSS: "0"})
    assert (first["protocol"], first["seeds"]) == ("braintorrent", 3)
    assert first["difference"]["mean"] == pytest.approx(0.1)
    assert (last["protocol"], last["seeds"], last["mean_client"]) == ("fedavg", 3, None)


def test_the_widest_table_of_a_sweep_fits_a_hundred_columns(tmp_path: Path) -> None:
    name = "a_rather_long_name_of_a_fault"
    churn = "{kind: churn, nodes: all, failure_rate: 1 / h, mean_time_to_repair: 1 min}"
    sweep = grid(
        "churn",
        [f"faults={{{name}: {churn}}}", "protocols.braintorrent_with_ten_peers={kind: local}"],
        [f"faults.{name}.failure_rate=0.123456789 / h", f"faults.{name}.mean_time_to_repair=1 min"],
        seeds=2,
    )
    text = table_text(write_sweep(tmp_path, sweep, one_client(lambda run: 0.5 + run[2] / 3)))
    assert max(map(len, text.splitlines())) <= 100
    assert "…" not in text


def test_a_protocol_alone_has_no_difference(tmp_path: Path) -> None:
    sweep = swept(f"{RATE}=1 / h", seeds=1, protocols="{local: {}}")
    text = table_text(write_sweep(tmp_path, sweep, one_client(lambda run: 0.5)))
    assert "minus" not in text and "aggregate" not in text and "±" not in text
    assert "local" in text and "0.500" in text and "1/1" in text
