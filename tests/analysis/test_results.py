"""Frames of a run and of a sweep: the rows that were written, chosen, typed and in order."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest

from analysis.loading import load, load_run
from analysis.metrics.states import outages
from sim.record.errors import ResultError
from sim.record.rows import ScoreRow, TraceRow
from tests.analysis.folders import (
    RATE,
    Run,
    described,
    edit_record,
    score,
    swept,
    trace,
    two_looks,
    write_run,
    write_sweep,
)
from tests.analysis.made import plain
from tests.tables import read_scores

RATES = f"{RATE}=0 / h,3600 / h"
LOW, HIGH = "churn.failure_rate-0perh", "churn.failure_rate-3600perh"


def test_scores_are_the_rows_that_were_written(tmp_path: Path) -> None:
    found = load_run(write_run(tmp_path, described()))
    frame = found.scores()
    assert list(frame) == ["point", *ScoreRow._fields]
    assert plain(frame) == [("base", *row) for row in read_scores(tmp_path)]
    traces = found.trace()
    assert list(traces) == ["point", *TraceRow._fields]
    assert traces["peer"].isna().all()  # A training has no other end.
    assert plain(traces.dropna(axis="columns"))[0] == (
        *("base", "local", 0, 1.0, 1.0, "client_0", "train", 0),
    )
    assert {str(traces[name].dtype) for name in ("round", "attempt", "asked")} == {"Int64"}


def test_text_is_in_the_scenario_s_order(tmp_path: Path) -> None:
    names = ("server", "client_10", "client_2", "aggregate", "client_0")

    def rows(run: Run) -> tuple[list[ScoreRow], list[TraceRow]]:
        return [score(run, 0.0, name, 0.5) for name in names], []

    found = load(write_run(tmp_path, described("clients.count=11"), rows))
    frame = found.scores(seeds=0)
    assert frame["protocol"].cat.ordered and frame["node"].cat.ordered
    order = list(frame.sort_values(["protocol", "node"])["node"])
    assert order == ["client_0", "client_2", "client_10", "server", "aggregate"] * 2
    assert list(frame.sort_values("protocol", kind="stable")["protocol"].unique()) == [
        "local",
        "fedavg",
    ]


def test_choices_read_only_what_is_asked(tmp_path: Path) -> None:
    found = load(write_sweep(tmp_path, swept(RATES)))
    frame = found.scores(
        points=HIGH, protocols="fedavg", seeds=[1], nodes=("client_1",), metric="loss"
    )
    assert plain(frame[["point", RATE, "protocol", "seed", "time_s", "node", "value"]]) == [
        (HIGH, 1.0, "fedavg", 1, 0.0, "client_1", 0.25),
        (HIGH, 1.0, "fedavg", 1, 60.0, "client_1", 0.5),
    ]
    few = found.trace(kinds=["train"], nodes="client_0", columns=["time_s", "point"])
    assert list(few) == ["point", "time_s"] and len(few) == 8
    assert found.trace(kinds="crash").empty
    # The order is the scenario's, whatever the order of the choice.
    both = found.scores(points=[HIGH, LOW])
    assert list(both["point"].unique()) == [LOW, HIGH]


def test_a_diverged_score_stays_what_it_is(tmp_path: Path) -> None:
    def rows(run: Run) -> tuple[list[ScoreRow], list[TraceRow]]:
        return [score(run, 0.0, "client_0", math.nan), score(run, 0.0, "client_1", math.inf)], []

    values = load(write_run(tmp_path, described(), rows)).scores(seeds=0)["value"]
    assert values.isna().tolist() == [True, False] * 2 and values[1] == math.inf


def test_a_network_s_own_events_have_no_node(tmp_path: Path) -> None:
    def rows(run: Run) -> tuple[Sequence[ScoreRow], list[TraceRow]]:
        return two_looks(run)[0], [trace(run, 1.0, "", "partition", cause="split")]

    frame = load(write_run(tmp_path, described(), rows)).trace(kinds="partition")
    assert frame["node"].isna().all() and (frame["cause"] == "split").all()


def test_values_are_put_to_any_frame_with_points(tmp_path: Path) -> None:
    found = load(write_sweep(tmp_path, swept(RATES)))
    frame = pd.DataFrame({"x": [1, 2], "point": [HIGH, LOW]})
    assert plain(found.with_values(frame)) == [(1, HIGH, 1.0), (2, LOW, 0.0)]
    assert list(found.with_values(found.scores())) == list(found.scores())
    assert found.with_values(frame, as_written=True)[RATE].tolist() == ["3600 / h", "0 / h"]
    with pytest.raises(ResultError, match="has no column point"):
        found.with_values(frame[["x"]])


def test_the_reference_is_the_server_s_protocol_else_the_first(tmp_path: Path) -> None:
    with_server = described(protocols="{local: {}, server: {kind: fedavg, deadline: 1 min}}")
    assert load(write_run(tmp_path / "a", with_server)).baseline == "server"
    alone = described(protocols="{swarm: {kind: braintorrent}, local: {}}")
    assert load(write_run(tmp_path / "b", alone)).baseline == "swarm"


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"points": "x"}, f"has no point 'x'; allowed: {LOW}, {HIGH}"),
        ({"protocols": ["local", "gossip"]}, "has no protocol 'gossip'; allowed: local, fedavg"),
        ({"seeds": 7}, "has no seed 7; allowed: 0, 1"),
        ({"nodes": "client_2"}, "has no node 'client_2'; allowed: client_0, client_1, server"),
        ({"metric": "dice"}, "has no metric 'dice'; allowed: accuracy, loss"),
        ({"columns": ["when"]}, f"has no column 'when'; allowed: point, {RATE}, protocol"),
    ],
)
def test_a_choice_that_is_not_there_is_one_line(
    tmp_path: Path, choice: dict[str, Any], message: str
) -> None:
    found = load(write_sweep(tmp_path, swept(RATES)))
    with pytest.raises(ResultError) as error:
        found.scores(**choice)
    assert str(error.value).startswith(f"{tmp_path}: {message}")


def test_kinds_are_checked(tmp_path: Path) -> None:
    found = load(write_run(tmp_path, described()))
    with pytest.raises(ResultError, match="has no kind 'trained'; allowed: train, train_lost"):
        found.trace(kinds="trained")


def test_tables_that_are_not_those_of_run_json_are_refused(tmp_path: Path) -> None:
    write_run(tmp_path / "more", described())
    write_run(tmp_path / "less", described("seeds=[0]"))
    for name in ("scores.parquet", "trace.parquet"):
        (tmp_path / "more" / name).write_bytes((tmp_path / "less" / name).read_bytes())
    found = load(tmp_path / "more")
    with pytest.raises(ResultError, match="more/scores.parquet: is not what was written; allowed"):
        found.scores(nodes="client_0")
    with pytest.raises(ResultError, match="more/trace.parquet: is not what was written; allowed"):
        found.trace()


def test_names_that_the_scenario_does_not_have_are_refused(tmp_path: Path) -> None:
    def rows(run: Run) -> tuple[list[ScoreRow], list[TraceRow]]:
        return [score(run, 0.0, "client_7", 0.5)], []

    with pytest.raises(ResultError, match="node: 'client_7' is not in the scenario; allowed: cl"):
        load(write_run(tmp_path, described(), rows)).scores()


def test_a_table_of_other_columns_is_refused(tmp_path: Path) -> None:
    write_run(tmp_path, described())
    edit_record(tmp_path / "run.json", sha256={})  # As if it had been written so.
    table = pq.read_table(tmp_path / "scores.parquet")
    pq.write_table(table.drop_columns(["up"]), tmp_path / "scores.parquet")
    with pytest.raises(ResultError, match="scores.parquet: lacks the column up"):
        load(tmp_path).scores()
    texts = table.set_column(2, "time_s", table.column("protocol"))
    pq.write_table(texts, tmp_path / "scores.parquet")
    with pytest.raises(ResultError, match="scores.parquet: cannot be read"):
        load(tmp_path).scores()


def test_a_frame_may_be_changed_by_who_asked_for_it(tmp_path: Path) -> None:
    found = load(write_run(tmp_path, described()))
    frame = found.scores()
    frame.loc[0, "value"] = 7.0
    frame.loc[0, "time_s"] = 7.0
    assert (frame.loc[0, "value"], found.scores().loc[0, "value"]) == (7.0, 0.0)


def test_a_trace_that_was_read_in_part_says_so(tmp_path: Path) -> None:
    found = load(write_run(tmp_path, described()))
    assert found.trace().attrs == {}
    some = found.trace(kinds=["train", "crash"], nodes="client_0")
    assert some.attrs == {"kinds": ("train", "crash"), "nodes": ("client_0",)}
    with pytest.raises(
        ResultError, match="trace: was read without leave, recover; needed: crash, leave"
    ):
        outages(found.trace(kinds="crash"), found.scores())
