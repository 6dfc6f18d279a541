"""The page's tables: what runs came to, and the settings as a person writes them."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from analysis.comparison import compared
from analysis.loading import load
from analysis.report.tables import Table, readable, settings_tables, table, tables_of
from analysis.results import Results
from sim.record.rows import ScoreRow, TraceRow
from tests.analysis.figures.looked_at import a_run, a_sweep
from tests.analysis.folders import RATE, Run, described, score, trace, two_looks, write_run

CAPTION = "Accuracy at the end, models as received, mean of two seeds"


def work(run: Run) -> Sequence[TraceRow]:
    """Three rounds of 1 s, one of them lost, and 2 kB; only of fedavg."""
    if run[1] == "local":
        return ()
    return [
        trace(run, 1.0, "client_0", "train"),
        trace(run, 2.0, "client_1", "train"),
        trace(run, 3.0, "client_1", "train_lost", round=1, attempt=1, cause="churn"),
        TraceRow(run[1], run[2], 4.0, 1.0, "client_1", "transfer", "server", 2000),
    ]


def test_a_run(tmp_path: Path) -> None:
    results = a_run(
        tmp_path, events=work, changes=["evaluation.target={metric: accuracy, value: 0.42}"]
    )
    found, differences, done = tables_of(results, compared(results)).values()
    assert (found.caption, found.heads) == (CAPTION, 1)
    assert by_name(found) == [
        {
            **{"protocol": "local", "seeds": "2 of 2", "mean client": "0.325"},
            **{"minus fedavg's": "−0.100 (worse)", "worst client": "0.000"},
        },
        {
            **{"protocol": "fedavg", "seeds": "2 of 2", "mean client": "0.425"},
            **{"minus fedavg's": "–", "worst client": "0.000"},
        },
    ]
    # At equal time alone: local does no rounds and receives nothing.
    row = by_name(differences)[0]
    assert (row["at equal"], row["mean client, as received"]) == ("time", "−0.100*")
    assert differences.caption.startswith(
        "Accuracy minus fedavg's, paired by seed, mean of two seeds; "
    )
    assert by_name(done) == [
        {
            **{"protocol": "local", "time to target": "not reached (0 of 2)", "local rounds": "0"},
            **{"rounds lost": "0", "lost work": "–", "received": "0 B", "computing": "0.0 %"},
            **{"sending, receiving": "0.0 %", "waiting": "100.0 %", "down": "0.0 %"},
        },
        {
            **{"protocol": "fedavg", "time to target": "1 min (1 of 2)", "local rounds": "2"},
            **{"rounds lost": "1", "lost work": "33.3 %", "received": "2 kB"},
            # Of two clients over a minute: 3 s of training, and 1 s of sending.
            **{"computing": "2.5 %", "sending, receiving": "0.8 %", "waiting": "96.7 %"},
            "down": "0.0 %",
        },
    ]


def by_name(found: Table) -> list[dict[str, str]]:
    return [dict(zip(found.columns, row, strict=True)) for row in found.rows]


def test_both_stages_stand_beside_each_other(tmp_path: Path) -> None:
    def rows(run: Run) -> tuple[Sequence[ScoreRow], Sequence[TraceRow]]:
        more = 0.1 * (run[1] == "fedavg")
        received = score(run, 60.0, "client_0", 0.2 + more)
        return [received, score(run, 60.0, "client_0", 0.6 - more, stage="trained")], []

    results = load(write_run(tmp_path, described("seeds=[0, 1, 2]"), rows))
    scores, differences, _ = tables_of(results, compared(results)).values()
    assert by_name(scores)[1]["mean client"] == "0.300 ±0.000"
    assert by_name(scores)[1]["mean client, as trained"] == "0.500 ±0.000"
    row = by_name(differences)[0]
    assert (row["mean client, as received"], row["mean client, as trained"]) == (
        *("−0.100 ±0.000*", "+0.100 ±0.000*"),
    )


def test_a_sweep_s_rows_begin_with_what_is_varied(tmp_path: Path) -> None:
    results = a_sweep(tmp_path)
    found = table(results, compared(results))
    assert (found.columns[:2], found.heads) == (("churn failure rate", "protocol"), 2)
    assert [row[:2] for row in found.rows] == [
        ("1 / h", "local"),
        ("1 / h", "fedavg"),
        ("3 / h", "local"),
        ("3 / h", "fedavg"),
    ]


def test_without_a_server_the_first_protocol_is_the_reference(tmp_path: Path) -> None:
    results = a_run(tmp_path, changes=["protocols={local: {}, braintorrent: {}}"])
    found = table(results, compared(results))
    assert found.columns[3] == "minus local's"
    assert [row[3] for row in found.rows] == ["–", "+0.000"]


def test_a_protocol_alone_has_no_reference(tmp_path: Path) -> None:
    found = compared(a_run(tmp_path, changes=["protocols={fedavg: {deadline: 1 min}}"]))
    assert (found.baseline, found.differences) == (None, {})


def test_a_smaller_loss_is_better(tmp_path: Path) -> None:
    changes = ["evaluation.target={metric: loss, value: 0.1}"]
    folder = write_run(
        tmp_path,
        described(*changes),
        lambda run: ([score(run, 0.0, "client_0", float(run[1] == "fedavg"), metric="loss")], []),
    )
    results = load(folder)
    found = table(results, compared(results))
    assert found.rows[0][3] == "−1.000 (better)"


def test_without_the_reference_there_is_no_difference(tmp_path: Path) -> None:
    failed = [("base", "fedavg", seed) for seed in (0, 1)]
    results = load(write_run(tmp_path, described(), failed=failed))
    found = compared(results)
    assert (found.baseline, found.differences) == (None, {})
    assert "minus fedavg's" not in table(results, found).columns
    (row,) = table(results, found).rows
    assert row[:2] == ("local", "2 of 2")


def test_a_seed_that_failed_is_not_counted(tmp_path: Path) -> None:
    results = load(write_run(tmp_path, described(), two_looks, failed=[("base", "local", 1)]))
    rows = table(results, compared(results)).rows
    assert [row[1] for row in rows] == ["1 of 2", "2 of 2"]
    # (1 + 0) / 4 and (1 + 1) / 4 of the two clients; one seed has no interval.
    assert rows[0][2] == "0.375"


@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        ("1800.0 s", "30 min"),
        ("7200.0 s", "2 h"),
        ("90.0 s", "90 s"),
        ("2.5 s", "2.5 s"),
        ("0.02 s", "20 ms"),
        ("0.0 s", "0 s"),
        ("2500000.0 B/s", "20 Mbit/s"),
        ("125000000.0 B/s", "1 Gbit/s"),
        ("4000000.0 B", "4 MB"),
        ("0.0002777777777777778 / s", "1 per hour"),
        ("digits", "digits"),
        ([64, 32], "64, 32"),
        ([["client_0", "client_1"], ["server"]], "[client_0, client_1], [server]"),
        ([], "none"),
        ({}, "none"),
        (None, "none"),
        (True, "true"),
        (0.05, "0.05"),
    ],
)
def test_values(stored: object, shown: str) -> None:
    assert readable(stored) == shown


def rows(results: Results) -> dict[str, dict[str, str]]:
    """The values by part and name."""
    return {
        table.caption: {name: value for name, value in table.rows}
        for table in settings_tables(results)
    }


def test_every_setting_has_its_row_in_its_part(tmp_path: Path) -> None:
    results = a_run(tmp_path)
    parts = rows(results)
    assert parts["run"] == {"duration": "1 min", "seeds": "0, 1"}
    assert parts["clients"]["step_time.distribution"] == "lognormal"
    assert parts["protocols"]["fedavg.deadline"] == "1 min"
    assert parts["faults"]["churn.kind"] == "churn"
    assert "question" not in parts["run"] and "name" not in parts["run"]


def test_what_a_sweep_varies_says_so(tmp_path: Path) -> None:
    parts = rows(a_sweep(tmp_path))
    assert parts["faults"][RATE.removeprefix("faults.")] == "varied: 1 / h, 3 / h"
