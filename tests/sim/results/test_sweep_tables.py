"""The tables over all points: their columns, order and bytes, and what can't be read."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from sim.record import tables
from sim.record.errors import ScenarioError
from sim.record.folder import RUNS_FILE, SCENARIO_FILE
from sim.record.rows import RunRecord, ScoreRow
from sim.results import folder as results
from sim.results.sweep_tables import write_tables
from sim.scenario import Sweep, dump_sweep, grid
from tests.analysis.folders import edit_record
from tests.tables import read_scores

RATE = "faults.churn.failure_rate"
TEXT = "dictionary<values=string, indices=int32, ordered=0>"
PROTOCOLS = ("fedavg", "local")


def sweep(*vary: str, seeds: int = 2) -> Sweep:
    return grid("churn", vary=vary, seeds=seeds, protocols=PROTOCOLS)


def finish(folder: Path, swept: Sweep, looks: int = 2) -> Path:
    """Leave a finished result folder for each point; each point has counters of its own."""
    for index, point in enumerate(swept.points):
        place = folder / "runs" / point.name
        runs = [
            results.run_tables(
                RunRecord(protocol, seed, 60.0, 10 + seed, {"sent": index, f"only_{index}": 7}),
                [
                    ScoreRow(
                        *(protocol, seed, float(look), node, "received", look),
                        *(1, 0.5, "accuracy", index / 8, True),
                    )
                    for look in range(looks)
                    for node in ("client_0", f"client_{index + 1}")
                ],
            )
            for protocol in PROTOCOLS
            for seed in swept.base.seeds
        ]
        results.claim(place, SCENARIO_FILE, "name: x\n")
        results.write(place, point.scenario, runs, wall_s=1.0, workers=0)
    return folder


def read(path: Path) -> list[dict[str, Any]]:
    with path.open("rb") as file:
        rows: list[dict[str, Any]] = pq.read_table(file).to_pylist()
    return rows


def types(path: Path) -> Mapping[str, str]:
    return {field.name: str(field.type) for field in pq.read_schema(path)}


def test_the_scores_of_all_points_behind_their_values(tmp_path: Path) -> None:
    swept = sweep(f"{RATE}=0 / h,3.6 / h", "clients.count=2,3", "protocols.fedavg.close_at=0.5")
    write_tables(finish(tmp_path, swept), swept)
    assert list(types(tmp_path / "scores.parquet").items())[:5] == [
        ("point", TEXT),
        (RATE, "double"),
        ("clients.count", "double"),
        ("protocols.fedavg.close_at", "double"),
        ("protocol", TEXT),
    ]
    rows = read(tmp_path / "scores.parquet")
    assert len(rows) == 4 * 16
    for index, point in enumerate(swept.points):
        place = tmp_path / "runs" / point.name
        own = [row for row in rows if row["point"] == point.name]
        assert rows[index * 16 : (index + 1) * 16] == own
        assert {(row[RATE], row["clients.count"]) for row in own} == {
            (point.values[RATE], point.values["clients.count"])
        }
        stored = [tuple(row[name] for name in ScoreRow._fields) for row in own]
        assert stored == read_scores(place)


def test_one_row_per_run_with_all_counters(tmp_path: Path) -> None:
    swept = sweep("clients.count=2,3")
    finish(tmp_path, swept)
    place = tmp_path / "runs" / "clients.count-3" / "run.json"
    last, *others = reversed(json.loads(place.read_text())["runs"])
    edit_record(place, runs=[last | {"status": "failed", "cause": "no memory"}, *others])
    write_tables(tmp_path, swept)
    assert list(types(tmp_path / RUNS_FILE).items()) == [
        ("point", TEXT),
        ("clients.count", "double"),
        ("protocol", TEXT),
        ("seed", "int64"),
        ("status", TEXT),
        ("cause", TEXT),
        ("virtual_s", "double"),
        ("events", "int64"),
        ("only_0", "int64"),
        ("only_1", "int64"),
        ("sent", "int64"),
    ]
    rows = [tuple(row.values()) for row in read(tmp_path / RUNS_FILE)]
    assert rows == [
        ("clients.count-2", 2.0, "fedavg", 0, "finished", "", 60.0, 10, 7, 0, 0),
        ("clients.count-2", 2.0, "fedavg", 1, "finished", "", 60.0, 11, 7, 0, 0),
        ("clients.count-2", 2.0, "local", 0, "finished", "", 60.0, 10, 7, 0, 0),
        ("clients.count-2", 2.0, "local", 1, "finished", "", 60.0, 11, 7, 0, 0),
        ("clients.count-3", 3.0, "fedavg", 0, "finished", "", 60.0, 10, 0, 7, 1),
        ("clients.count-3", 3.0, "fedavg", 1, "finished", "", 60.0, 11, 0, 7, 1),
        ("clients.count-3", 3.0, "local", 0, "finished", "", 60.0, 10, 0, 7, 1),
        ("clients.count-3", 3.0, "local", 1, "failed", "no memory", 60.0, 11, 0, 7, 1),
    ]


def test_values_that_are_not_all_numbers_are_text(tmp_path: Path) -> None:
    swept = sweep("evaluation.target.value=1,0.5", "faults.churn.loses_storage=true,false")
    write_tables(finish(tmp_path, swept), swept)
    assert types(tmp_path / RUNS_FILE)["faults.churn.loses_storage"] == TEXT
    assert {row["faults.churn.loses_storage"] for row in read(tmp_path / RUNS_FILE)} == {
        *("true", "false")
    }
    mixed = sweep("clients.step_time=2 s,{distribution: exponential, mean: 1 s}", "duration=1 h")
    write_tables(finish(tmp_path / "mixed", mixed), mixed)
    first = read(tmp_path / "mixed" / RUNS_FILE)[0]
    assert (first["clients.step_time"], first["duration"]) == ("2 s", 3600.0)


def test_a_quantity_in_place_of_a_distribution_is_a_number_with_a_unit(tmp_path: Path) -> None:
    swept = sweep("network.latency=50 ms,1 s", f"{RATE}=3.6 / h")
    write_tables(finish(tmp_path, swept), swept)
    assert [row["network.latency"] for row in read(tmp_path / RUNS_FILE)[::4]] == [0.05, 1.0]
    for file in ("scores.parquet", RUNS_FILE):
        schema = pq.read_schema(tmp_path / file)
        assert schema.field("network.latency").metadata[b"unit"] == b"s"
        assert schema.field(RATE).metadata[b"unit"] == b"1/s"
        assert schema.metadata[b"scenario"].decode() == dump_sweep(swept)


def test_no_varied_path_is_one_point(tmp_path: Path) -> None:
    write_tables(finish(tmp_path, sweep()), sweep())
    assert list(types(tmp_path / "scores.parquet"))[:2] == ["point", "protocol"]
    assert {row["point"] for row in read(tmp_path / RUNS_FILE)} == {"base"}


def test_the_bytes_depend_on_the_rows_only(tmp_path: Path) -> None:
    swept = sweep("clients.count=2:6:1")
    one = finish(tmp_path / "one", swept)
    two = finish(tmp_path / "rate=two", swept)
    for folder in (one, two, two):
        write_tables(folder, swept)
    for name in ("scores.parquet", RUNS_FILE):
        assert (one / name).read_bytes() == (two / name).read_bytes()
    assert sorted(path.name for path in one.iterdir()) == ["runs", "runs.parquet", "scores.parquet"]


def test_row_groups_are_full_however_the_points_are_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    swept = sweep("clients.count=2:4:1")
    finish(tmp_path, swept, looks=3)
    monkeypatch.setattr(tables, "ROWS_PER_GROUP", 10)
    write_tables(tmp_path, swept)
    metadata = pq.read_metadata(tmp_path / "scores.parquet")
    sizes = [metadata.row_group(index).num_rows for index in range(metadata.num_row_groups)]
    assert sizes == [10] * 7 + [2]
    nodes = [row["node"] for row in read(tmp_path / "scores.parquet")]
    assert nodes == [
        node for last in (1, 2, 3) for _ in range(12) for node in ("client_0", f"client_{last}")
    ]


def test_points_without_scores_make_an_empty_table(tmp_path: Path) -> None:
    swept = sweep("clients.count=2,3")
    write_tables(finish(tmp_path, swept, looks=0), swept)
    assert read(tmp_path / "scores.parquet") == []
    assert len(read(tmp_path / RUNS_FILE)) == 8


def test_results_that_cannot_be_read_are_a_mistake_and_leave_nothing(tmp_path: Path) -> None:
    swept = sweep("clients.count=2,3")
    finish(tmp_path, swept)
    place = tmp_path / "runs" / "clients.count-3"
    (place / "scores.parquet").write_bytes(b"no table")
    with pytest.raises(ScenarioError, match=f"{place}/scores.parquet: cannot be read"):
        write_tables(tmp_path, swept)
    (place / "scores.parquet").unlink()
    with pytest.raises(ScenarioError, match=f"{place}/scores.parquet: cannot be read"):
        write_tables(tmp_path, swept)
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]
