"""The closing tables as they are read, and their JSON, of folders of rows made by hand."""

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from scipy.special import stdtr

from analysis.comparison import Comparison, compared
from analysis.loading import load
from analysis.report.tables import tables_of
from analysis.results import Results
from analysis.tables.closing import closing_table
from analysis.tuning import tuned
from sim.cli.summary import INTERVAL, as_dict
from sim.cli.tables import closing_tables
from sim.record.rows import ScoreRow, TraceRow
from sim.scenario import grid
from tests.analysis.folders import (
    RATE,
    Run,
    described,
    score,
    swept,
    trace,
    tuned_by,
    write_run,
    write_sweep,
)

LOSS = "network.packet_loss"
LEARNING = "training.learning_rate"
VALIDATION = "accuracy_validation"
BOTH = "{braintorrent: {}, fedavg: {deadline: 1 min}}"
CRASH = "faults={first: {kind: crash, node: server, at: 30 s}}"

RUN_TABLE = """\
churn: final accuracy, mean ± 95 % interval over 4 seeds

                 received: received:    received:     trained:     trained: aggre-
 protocol      mean client     worst     own site  mean client     own site   gate server
 ────────────────────────────────────────────────────────────────────────────────────────
 braintorrent 0.650 ±0.205     0.550 0.650 ±0.205 0.585 ±0.185 0.585 ±0.185  0.500      –
 fedavg       0.450 ±0.205     0.350 0.450 ±0.205 0.400 ±0.205 0.400 ±0.205  0.500  0.300

received: the newest model from others, before any training on it
trained: what the last finished local round made of it
own site: on held-out data of each client's own kind
aggregate: the size-weighted mean of the trained models

accuracy minus that of fedavg, paired by seed

                            received:       trained:      received:       trained:         global
 protocol     at equal    mean client    mean client       own site       own site          model
 ────────────────────────────────────────────────────────────────────────────────────────────────
 braintorrent time     +0.200 ±0.000* +0.185 ±0.021* +0.200 ±0.000* +0.185 ±0.021* +0.200 ±0.000*
              epochs   +0.200 ±0.000* +0.180 ±0.025* +0.200 ±0.000* +0.180 ±0.025* +0.200 ±0.000*

global model: the server's, or the aggregate where there is no server
at equal: each at its last look not after the least of all, in time, local epochs per client (2) or
bytes received by all nodes (1 kB)
no row at equal bytes of braintorrent, since it or fedavg had received nothing, or learned nothing
of 10 differences 0.5 would have a 95 % interval without zero by chance; *: holds after Holm's
correction over all of them

work, mean over seeds

                      time to rounds rounds    bytes com-                 after
 protocol                0.55   done   lost received pute talk wait down  crash
 ──────────────────────────────────────────────────────────────────────────────
 braintorrent       1 min 3/4    752     25   2.3 GB  2 %  3 % 95 %  0 % +0.250
 fedavg       not reached 1/4      2      0     1 kB  2 %  2 % 97 %  0 % +0.050

time to 0.55: when half of the seeds had their mean client (received) there in accuracy on
validation data, and how many ever had, if only some
rounds: local ones of all clients; lost: ended by a crash or a dropout
compute, talk (a model comes or goes), wait (neither), down: shares of the clients' time
after crash: what the mean client gained from the last look before the crash of server at 30 s
"""

SWEEP_TABLE = """\
churn: final accuracy, mean ± 95 % interval over 3 seeds

       churn.    network.                 received:       global
 failure_rate packet_loss protocol      mean client        model runs
 ────────────────────────────────────────────────────────────────────
        0 / h           0 braintorrent 0.890 ±0.025            –  3/3
                          fedavg       0.790 ±0.025 0.950 ±0.000  3/3
        0 / h        0.25 braintorrent 0.890 ±0.025            –  3/3
                          fedavg       0.790 ±0.025 0.950 ±0.000  3/3
      0.5 / h           0 braintorrent 0.890 ±0.025            –  3/3
                          fedavg       0.790 ±0.025 0.950 ±0.000  3/3
      0.5 / h        0.25 braintorrent            –            –  0/3
                          fedavg                  –            –  0/3

received: the newest model from others, before any training on it
global model: the server's, or the aggregate where there is no server
runs: those with a score, of all

accuracy minus that of fedavg, paired by seed

       churn.    network.                            received:
 failure_rate packet_loss protocol     at equal    mean client
 ─────────────────────────────────────────────────────────────
        0 / h           0 braintorrent time     +0.100 ±0.000*
                                       epochs   +0.100 ±0.000*
        0 / h        0.25 braintorrent time     +0.100 ±0.000*
                                       epochs   +0.100 ±0.000*
      0.5 / h           0 braintorrent time     +0.100 ±0.000*
                                       epochs   +0.100 ±0.000*

at equal: each at its last look not after the least of all, in time, local epochs per client or
bytes received by all nodes
no row at equal bytes of braintorrent, since it or fedavg had received nothing, or learned nothing
of 6 differences 0.3 would have a 95 % interval without zero by chance; *: holds after Holm's
correction over all of them

work, mean over seeds

       churn.    network.              time to rounds rounds    bytes com-
 failure_rate packet_loss protocol         0.9   done   lost received pute talk wait down
 ────────────────────────────────────────────────────────────────────────────────────────
        0 / h           0 braintorrent       –      0      0      0 B    –    –    –    –
                          fedavg             –      0      0      0 B    –    –    –    –
        0 / h        0.25 braintorrent       –      0      0      0 B    –    –    –    –
                          fedavg             –      0      0      0 B    –    –    –    –
      0.5 / h           0 braintorrent       –      0      0      0 B    –    –    –    –
                          fedavg             –      0      0      0 B    –    –    –    –
      0.5 / h        0.25 braintorrent       –      –      –        –    –    –    –    –
                          fedavg             –      –      –        –    –    –    –    –

time to 0.9: when half of the seeds had their mean client (received) there in accuracy on validation
data, and how many ever had, if only some
rounds: local ones of all clients; lost: ended by a crash or a dropout
compute, talk (a model comes or goes), wait (neither), down: shares of the clients' time
"""

Rows = tuple[Sequence[ScoreRow], Sequence[TraceRow]]


def table_text(folder: Path, width: int = 100) -> str:
    results = tuned(load(folder))
    return printed(results, compared(results), width)


def printed(results: Results, found: Comparison, width: int = 100) -> str:
    console = Console(width=width)
    with console.capture() as capture:
        console.print(closing_tables(results, found))
    return "\n".join(line.rstrip() for line in capture.get().splitlines())


def content(folder: Path) -> dict[str, Any]:
    results = tuned(load(folder))
    text = json.dumps(as_dict(results, compared(results)), allow_nan=False)
    return dict(json.loads(text))


def one_client(value: Callable[[Run], float]) -> Callable[[Run], Rows]:
    return lambda run: ([score(run, 0.0, "client_0", value(run))], [])


def busy(run: Run) -> Rows:
    """Of four seeds; two clients 0.2 apart, and much work of the first seed's braintorrent."""
    ours = run[1] == "braintorrent"
    last = (0.5 if ours else 0.3) + 0.1 * run[2]
    scores = [
        score(run, time_s, name, value, stage=stage, metric=metric)
        for name, apart in (("client_0", 0.1), ("client_1", -0.1))
        for stage, less in (("received", 0.0), ("trained", 0.05 + 0.01 * run[2] * ours))
        for metric in ("accuracy", "accuracy_validation", "accuracy_own_site")
        for time_s, value in ((0.0, 0.4), (60.0, last + apart - less))
    ]
    # The one model for all is as good in all seeds.
    scores += [score(run, 0.0, "aggregate", 0.4), score(run, 60.0, "aggregate", 0.5)]
    if not ours:
        scores += [score(run, 0.0, "server", 0.4), score(run, 60.0, "server", 0.3)]
    traces = [trace(run, 20.0, "client_0", "train"), trace(run, 40.0, "client_1", "train")]
    traces += [trace(run, 30.0, "client_0", "transfer")._replace(bytes=1_000, peer="client_1")]
    if ours and run[2] == 0:
        traces += [trace(run, 1.0, "client_0", "train")] * 3000
        traces += [trace(run, 2.0, "client_0", "train_lost")] * 100
    if ours:
        whole = trace(run, 3.0, "client_0", "transfer")
        traces.append(whole._replace(bytes=2_345_678_901, peer="client_1"))
    return scores, sorted(traces, key=lambda row: row.time_s)


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    changes = ("seeds=[0, 1, 2, 3]", "evaluation.target={metric: accuracy, value: 0.55}", CRASH)
    return write_run(tmp_path, described(*changes, protocols=BOTH), busy)


def test_the_table_of_a_run(run_folder: Path) -> None:
    assert table_text(run_folder) == RUN_TABLE


def test_a_reference_has_not_gained_after_a_crash(tmp_path: Path) -> None:
    protocols = "{fedavg: {deadline: 1 min}, local: {}}"
    folder = write_run(tmp_path, described("seeds=[0, 1]", CRASH, protocols=protocols), busy)
    text = table_text(folder)
    rows = [line.split() for line in text.splitlines()[text[: text.index("work, ")].count("\n") :]]
    assert [row[-1] for row in rows if row and row[0] in ("fedavg", "local")] == ["−0.050", "–"]
    assert "before the crash of server at 30 s; not" in text
    # Of two seeds the caption says so, and the cells have the means alone.
    assert "final accuracy, mean of two seeds" in text and "±" not in text


def joined(run: Run) -> Rows:
    """Client 1 joins at 20 s: under braintorrent it has caught up at 30 s, else never."""
    ours = run[1] == "braintorrent"
    scores = [
        score(run, time_s, node, value, stage=stage)._replace(member=time_s > 20 or late == 0)
        for late, node in enumerate(("client_0", "client_1"))
        for stage in ("received", "trained")
        for time_s, value in ((0.0, 0.1), (30.0, 0.8 - 0.5 * late * (not ours)), (60.0, 1 - late))
    ]
    return scores, [trace(run, 20.0, "client_1", "join", cause="late")]


def test_when_newcomers_had_caught_up(tmp_path: Path) -> None:
    folder = write_run(tmp_path, described("seeds=[0, 1]", protocols=BOTH), joined)
    results = load(folder)
    found = compared(results)
    text = printed(results, found)
    rows = [line.split() for line in text[text.index("work, ") :].splitlines()]
    assert [row[-2:] for row in rows if row[:1] == ["braintorrent"]] == [["10", "s"]]
    assert [row[-2:] for row in rows if row[:1] == ["fedavg"]] == [["not", "reached"]]
    assert "caught up: when half of the clients that joined were no further below" in text
    assert "struck: client_1 joins at 20 s" in text
    ours, theirs = (one["newcomers_caught_up_s"] for one in as_dict(results, found)["protocols"])
    assert ours == {"median_s": 10.0, "count": 2, "reached": 2}
    assert theirs == {"median_s": None, "count": 2, "reached": 0}
    table = tables_of(results, found)["work"]
    assert [row[table.columns.index("caught up")] for row in table.rows] == [
        *("10 s (2 of 2)", "not reached (0 of 2)"),
    ]
    closing = closing_table(results)
    assert closing["caught_up"].tolist() == [2, 0]
    assert closing["time_to_catch_up_s"].tolist()[0] == 10.0


def test_a_narrow_terminal_gets_all_of_it(run_folder: Path) -> None:
    wide, narrow = (table_text(run_folder, width=width) for width in (100, 80))
    assert max(map(len, narrow.splitlines())) <= 80 and "…" not in narrow
    # Nothing is cut or folded, only dealt to more tables.
    assert set(wide.replace("─", "").split()) <= set(narrow.split())
    assert narrow.count(" protocol ") == 5 and wide.count(" protocol ") == 3
    assert narrow.count("braintorrent 0.650 ±0.205") == 1
    assert " braintorrent  0.500      –\n fedavg        0.500  0.300\n" in narrow


def test_json_of_a_run_says_what_its_intervals_are(run_folder: Path) -> None:
    found = content(run_folder)
    lines = found.pop("protocols")
    assert found == {
        **{"scenario": "churn", "metric": "accuracy", "interval": INTERVAL},
        **{"stages": ["received", "trained"], "headline": "mean"},
        "target": {"metric": "accuracy", "value": 0.55, "of": "mean", "stage": "received"},
        **{"crash_s": 30.0, "crash_node": "server", "seeds": [0, 1, 2, 3], "baseline": "fedavg"},
        "cautions": [],
        "struck": "",
    }
    ours, theirs = lines
    # The tables' quantile for 3 degrees of freedom times the standard error of four steps of 0.1.
    half_width = 3.182446 * 0.1 * math.sqrt(5 / 3) / 2
    assert ours["scores"]["mean"] == {
        **{"mean": pytest.approx(0.65), "count": 4},
        **{"low": pytest.approx(0.65 - half_width), "high": pytest.approx(0.65 + half_width)},
    }
    told = ours["differences"]
    # When fedavg has received all that it ever does, braintorrent has received nothing.
    assert list(told) == ["time", "local_epochs"] and theirs["differences"] == {}
    assert told["time"]["mean"]["mean"] == pytest.approx(0.2)
    # Steps of 0.01 have a standard error of 0.00645.
    trained = told["time"]["mean_trained"]
    assert (trained["mean"], trained["count"]) == (pytest.approx(0.185), 4)
    assert trained["p"] == pytest.approx(2 * stdtr(3, -0.185 / (0.01 * math.sqrt(5 / 3) / 2)))
    assert told["local_epochs"]["at"] == 2.0
    assert ours["time_to_target_s"] == {"median_s": 60.0, "count": 4, "reached": 3}
    assert theirs["time_to_target_s"] == {"median_s": None, "count": 4, "reached": 1}
    assert ours["shares_of_time"]["waiting"] == pytest.approx(1 - 2.5 / 60 - 0.025, abs=0.02)
    work = ("local_rounds_done", "local_rounds_lost", "bytes_delivered")
    assert [ours[name] for name in work] == [752.0, 25.0, 2_345_679_901]
    assert (ours["scores"]["server"], theirs["scores"]["server"]["mean"]) == (None, 0.3)


def test_one_seed_has_no_interval_and_no_columns_without_a_meaning(tmp_path: Path) -> None:
    scenario = described("seeds=[0]", "evaluation.target=null", protocols="{local: {}}")
    folder = write_run(tmp_path, scenario, one_client(lambda run: 0.25))
    text = table_text(folder)
    assert "final accuracy, 1 seed" in text and "0.250" in text
    assert not any(word in text for word in ("time to", "after crash", "±", "runs", "minus"))
    (line,) = content(folder)["protocols"]
    assert line["scores"]["mean"] == {"mean": 0.25, "low": None, "high": None, "count": 1}
    assert line["time_to_target_s"] is line["progress_after_crash"] is None


def test_whose_scores_and_time_are_told_where_some_clients_are_scored(tmp_path: Path) -> None:
    scenario = described("seeds=[0]", "evaluation.clients=1", protocols="{local: {}}")
    text = table_text(write_run(tmp_path, scenario))
    assert "final accuracy, 1 seed, 1 of 2 clients scored" in text
    assert "shares of the scored clients' time" in text


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
    assert (local["seeds"], local["scores"]["mean"]["count"]) == (3, 1)
    assert other["scores"]["mean"] is other["scores"]["worst"] is None
    assert other["differences"] == {}


def test_a_run_of_which_nothing_is_finished(tmp_path: Path) -> None:
    scenario = described("seeds=[0]", protocols="{local: {}}")
    folder = write_run(tmp_path, scenario, failed=[("base", "local", 0)])
    assert "0/1" in table_text(folder)
    (line,) = content(folder)["protocols"]
    values = [*line.pop("scores").values(), *line.pop("shares_of_time").values()]
    assert (line.pop("protocol"), line.pop("seeds"), line.pop("differences")) == ("local", 1, {})
    assert {*values, *line.pop("costs").values(), *line.values()} == {None}


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
    assert first["differences"]["time"]["mean"]["mean"] == pytest.approx(0.1)
    assert (last["protocol"], last["seeds"], last["scores"]["mean"]) == ("fedavg", 3, None)
    assert found["level_with_baseline"] == {}


def test_a_page_has_the_same_stars_as_a_terminal(tmp_path: Path) -> None:
    """Of scores on own sites, which a sweep's tables don't show, none counts."""

    def rows(run: Run) -> Rows:
        more = (0.12, 0.16, 0.22)[run[2]] * (run[1] == "braintorrent")
        metrics = ("accuracy", "accuracy_own_site")
        return [score(run, 0.0, "client_0", 0.5 + more, metric=name) for name in metrics], []

    folder = write_sweep(tmp_path, swept(f"{RATE}=0 / h,1 / h", seeds=3, protocols=BOTH), rows)
    _, page, _ = tables_of(results := load(folder), compared(results)).values()
    assert "of 4 differences 0.2 would" in page.caption
    assert "of 4 differences 0.2 would" in table_text(folder)


def test_a_heading_breaks_between_words(tmp_path: Path) -> None:
    sweep = swept("failure_detection.kind=perfect,none")
    folder = write_sweep(tmp_path, sweep, one_client(lambda run: 0.5))
    lines = [line.split()[:1] for line in table_text(folder).splitlines()]
    assert ["failure_detection."] in lines and ["kind"] in lines


def test_a_sweep_over_one_number_says_where_protocols_are_level(tmp_path: Path) -> None:
    """Braintorrent loses 0.1 from 0 to 2 per hour, and begins 0.05 ahead."""

    def rows(run: Run) -> Rows:
        ours = run[1] == "braintorrent"
        less = 0.1 * ours * run[0].endswith("2perh")
        return [score(run, 0.0, "client_0", 0.5 + 0.05 * ours - less + 0.01 * ours * run[2])], []

    sweep = swept(f"{RATE}=0 / h,2 / h", seeds=3, protocols=BOTH)
    folder = write_sweep(tmp_path, sweep, rows)
    # Means 0.06 and -0.04, each ± 2.484 standard deviations of 0.01: zero at 0.0352 and beyond 2.
    said = (
        "level with fedavg at equal time at a churn.failure_rate of: braintorrent: 1.2 / h "
        "(not told apart from"
    )
    assert f"{said} 0.703 / h to 1.7 / h)" in table_text(folder, width=200)
    ((one,),) = content(folder)["level_with_baseline"].values()
    assert one["at"] == pytest.approx(1.2 / 3600)


def test_a_tuned_sweep_shows_the_values_that_were_best(tmp_path: Path) -> None:
    """On validation data; on test data the others would have been better."""

    def rows(run: Run) -> Rows:
        best = run[0].endswith("0.1") == (run[1] == "fedavg" or run[2] == 0)
        on_test = [score(run, 0.0, "client_0", 0.4 if best else 0.9)]
        return [*on_test, score(run, 0.0, "client_0", 0.5 + best, metric=VALIDATION)], []

    sweep = swept(f"{RATE}=0 / h,1 / h", f"{LEARNING}=0.01,0.1", seeds=3, protocols=BOTH)
    folder = tuned_by(LEARNING, write_sweep(tmp_path, sweep, rows))
    text = table_text(folder)
    assert "0.400 ±0.000" in text and "0.900" not in text
    assert text.count("0.01 (2 of 3), end") == 2 and text.count("0.1 (3 of 3), end") == 2
    assert f"tuned: {LEARNING}, for each protocol and seed" in text
    found = content(folder)
    assert (found["paths"], found["tuned"]) == ([RATE], [LEARNING])
    assert found["grid_ends"] == {LEARNING: ["0.01", "0.1"]}
    assert found["lines"][0]["tuned"] == {"seeds": [0, 1, 2], LEARNING: ["0.1", "0.01", "0.01"]}


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
