"""The result folder: same rows, same bytes; whole files or none; nobody's results overwritten."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from analysis import load as load_results
from sim.record import tables
from sim.record.errors import ScenarioError
from sim.record.folder import SCENARIO_FILE, SCORES_FILE, TRACE_FILE, again
from sim.record.rows import FAILED, Operations, RunRecord, ScoreRow, TraceRow
from sim.results import folder as results
from sim.results.folder import RunTables
from sim.scenario import dump, load
from tests.tables import read_scores, read_traces, traced

SCENARIO = "name: tiny\n"
WORLD = load("churn", ["protocols={fedavg: {deadline: 1 min}, braintorrent: {}}", "seeds=[0, 1]"])


def score(protocol: str, seed: int, time_s: float, node: str = "client_0") -> ScoreRow:
    return ScoreRow(protocol, seed, time_s, node, "received", 1, 1, 0.5, "accuracy", 0.25, True)


def trace(protocol: str, seed: int, time_s: float, cause: str | None = None) -> TraceRow:
    row = TraceRow(protocol, seed, time_s, 1.5, "client_0", "transfer", "client_1", 400)
    return row._replace(cause=cause)


def runs(scores: list[ScoreRow], traces: list[TraceRow]) -> list[RunTables]:
    keys = dict.fromkeys(
        [(row.protocol, row.seed) for row in scores] + [(row.protocol, row.seed) for row in traces]
    )
    return [
        results.run_tables(
            RunRecord(*key, 60.0, 12, {"sent": 3, "delivered": 3}),
            [row for row in scores if row[:2] == key],
            traced(row for row in traces if row[:2] == key),
        )
        for key in keys
    ]


def written(folder: Path, done: list[RunTables], wall_s: float = 1.0, workers: int = 0) -> Path:
    results.claim(folder, SCENARIO_FILE, SCENARIO)
    operations = Operations(5, 3, 1, 1, 50, 30, 30)
    results.write(folder, WORLD, done, wall_s=wall_s, workers=workers, operations=operations)
    return folder


def test_a_folder_called_as_the_home_is_no_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(tmp_path)
    folder = written(Path("~/x"), runs([score("fedavg", 0, 1.0)], []))
    assert {path.name for path in folder.iterdir()} >= {SCORES_FILE, TRACE_FILE}
    assert not list(home.iterdir())
    assert again(folder).endswith(f" --out '{tmp_path}/~/x'")


def is_finished(folder: Path, text: str, told: list[str] | None = None) -> bool:
    """Whether all is there, and whole; what isn't is told."""
    tell = (told if told is not None else []).append
    return results.look(folder, SCENARIO_FILE, text, tell)[1].finished


def test_rows_come_back_sorted_by_protocol_of_scenario_seed_and_time(tmp_path: Path) -> None:
    rows = [
        score("braintorrent", 0, 0.0),
        score("fedavg", 1, 0.0),
        score("fedavg", 0, 60.0),
        score("fedavg", 0, 0.0),
    ]
    folder = written(tmp_path / "out", runs(rows, []))
    assert read_scores(folder) == [rows[3], rows[2], rows[1], rows[0]]
    assert read_traces(folder) == []


def test_rows_of_one_instant_keep_the_order_of_their_events(tmp_path: Path) -> None:
    rows = [trace("fedavg", 0, 1.0, cause) for cause in ("z", "a", "m")]
    folder = written(tmp_path / "out", runs([], rows))
    assert read_traces(folder) == rows


def test_tables_have_the_same_bytes_wherever_and_however_fast_they_were_made(
    tmp_path: Path,
) -> None:
    rows = [score("fedavg", 0, 0.0)]
    done = runs(rows, [trace("fedavg", 0, 0.0)])
    one = written(tmp_path / "one", done, wall_s=1.0, workers=0)
    two = written(tmp_path / "protocol=two", done, wall_s=2.0, workers=2)
    for name in (SCORES_FILE, TRACE_FILE):
        assert (one / name).read_bytes() == (two / name).read_bytes()
    assert read_scores(two) == read_scores(one) == rows


def test_columns_have_the_documented_names_and_types(tmp_path: Path) -> None:
    folder = written(tmp_path / "out", runs([score("fedavg", 0, 0.0)], []))
    text = "dictionary<values=string, indices=int32, ordered=0>"
    assert {field.name: str(field.type) for field in pq.read_schema(folder / "scores.parquet")} == {
        "protocol": text,
        "seed": "int64",
        "time_s": "double",
        "node": text,
        "stage": text,
        "local_round": "int64",
        "version": "int64",
        "staleness": "double",
        "metric": text,
        "value": "double",
        "up": "bool",
        "member": "bool",
    }
    assert pq.read_schema(folder / "trace.parquet").names == [
        *("protocol", "seed", "time_s", "duration_s", "node", "kind", "peer", "bytes"),
        *("round", "attempt", "cause", "peers", "asked", "answered", "updates", "factor"),
    ]


def test_tables_say_what_they_hold(tmp_path: Path) -> None:
    folder = written(tmp_path / "out", runs([], [trace("fedavg", 0, 0.0)]))
    for file in (SCORES_FILE, TRACE_FILE):
        schema = pq.read_schema(folder / file)
        assert schema.metadata[b"scenario"].decode() == dump(WORLD)
        assert all(field.metadata[b"meaning"] for field in schema)
        units = {field.name: field.metadata.get(b"unit") for field in schema}
        assert all((unit == b"s") == name.endswith("_s") for name, unit in units.items())
    assert units["bytes"] == b"B"


def test_what_does_not_apply_is_null(tmp_path: Path) -> None:
    merge = TraceRow("fedavg", 0, 1.0, 0.0, "client_0", "merge", "", 0, peers=("client_1", "x"))
    folder = written(tmp_path / "out", runs([], [trace("fedavg", 0, 0.0), merge]))
    rows = pq.read_table(folder / "trace.parquet").to_pylist()
    assert rows[0]["peers"] is rows[0]["round"] is rows[1]["cause"] is rows[1]["factor"] is None
    assert rows[1]["peers"] == ["client_1", "x"]


@pytest.mark.parametrize(("text", "found"), [("{}", 1), ('{"format": 2}', 2)])
def test_a_folder_of_another_format_is_refused(tmp_path: Path, text: str, found: int) -> None:
    folder = written(tmp_path / "out", runs([], []))
    (folder / "run.json").write_text(text)
    again = f"braintorrent run {folder}/scenario.yaml --out FOLDER"
    for reads in (
        lambda: is_finished(folder, "name: other\n"),
        lambda: results.finished_record(folder),
        lambda: load_results(folder),
    ):
        with pytest.raises(ScenarioError) as error:
            reads()
        assert str(error.value) == (
            f"{folder}/run.json: is of format {found}, not 5; "
            f"allowed: the same results made anew: {again}"
        )


def test_row_groups_have_a_fixed_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "ROWS_PER_GROUP", 4)
    rows = [score("fedavg", 0, float(time_s)) for time_s in range(10)]
    metadata = pq.read_metadata(written(tmp_path / "out", runs(rows, [])) / "scores.parquet")
    sizes = [metadata.row_group(index).num_rows for index in range(metadata.num_row_groups)]
    assert sizes == [4, 4, 2]


def test_run_json_records_counts_digests_and_operations(tmp_path: Path) -> None:
    folder = written(tmp_path / "out", runs([score("fedavg", 0, 0.0)], []), 2.5, 2)
    record = results.finished_record(folder)
    assert record["operations"] == {
        **{"asked": 5, "computed": 3, "shared": 1, "never_needed": 1},
        **{"steps_asked": 50, "steps_demanded": 30, "steps_computed": 30},
    }
    assert record["rows"] == {"scores.parquet": 1, "trace.parquet": 0}
    assert record["runs"][0]["counters"] == {"sent": 3, "delivered": 3}
    assert (record["virtual_s"], record["wall_s"], record["workers"]) == (60.0, 2.5, 2)
    assert {"python", "torch", "numpy", "braintorrent"} <= set(record["versions"])
    assert all(len(digest) == 64 for digest in record["sha256"].values())


def test_a_folder_goes_from_free_to_unfinished_to_finished(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "out"
    assert not is_finished(folder, SCENARIO)
    results.claim(folder, SCENARIO_FILE, SCENARIO)
    assert not is_finished(folder, SCENARIO)
    written(folder, runs([], []))
    assert is_finished(folder, SCENARIO)
    assert sorted(path.name for path in folder.iterdir()) == [
        *("run.json", "scenario.yaml", "scores.parquet", "trace.parquet")
    ]


@pytest.mark.parametrize("finished", [False, True])
def test_a_folder_of_another_scenario_is_refused(tmp_path: Path, finished: bool) -> None:
    folder = tmp_path / "out"
    results.claim(folder, SCENARIO_FILE, SCENARIO)
    if finished:
        written(folder, runs([], []))
    with pytest.raises(ScenarioError, match=r"\(name: other was tiny\); allowed: .*--out DIR"):
        is_finished(folder, "name: other\n")


def test_a_folder_with_other_files_and_a_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(ScenarioError, match="holds other files"):
        is_finished(tmp_path, SCENARIO)
    with pytest.raises(ScenarioError, match="is a file"):
        is_finished(tmp_path / "thesis.txt", SCENARIO)
    with pytest.raises(OSError, match="Not a directory"):
        results.claim(tmp_path / "thesis.txt" / "out", SCENARIO_FILE, SCENARIO)


def test_an_empty_folder_and_a_killed_run_s_remains_are_free(tmp_path: Path) -> None:
    assert not is_finished(tmp_path, SCENARIO)
    (tmp_path / ".scenario.yaml.unfinished").write_text("na")
    assert not is_finished(tmp_path, SCENARIO)


@pytest.mark.parametrize("name", ["scores.parquet", "trace.parquet"])
def test_tables_that_differ_from_their_digest_are_told_and_not_taken_for_finished(
    tmp_path: Path, name: str
) -> None:
    folder = written(tmp_path / "out", runs([], []))
    content = (folder / name).read_bytes()
    told: list[str] = []
    (folder / name).write_bytes(content[:-1] + b"?")
    assert not is_finished(folder, SCENARIO, told)
    (folder / name).unlink()
    assert not is_finished(folder, SCENARIO, told)
    os.mkfifo(folder / name)
    assert not is_finished(folder, SCENARIO, told)
    assert told == [
        f"{folder} is damaged and is mended: {name} {what}"
        for what in ("has changed", "is missing", "is a pipe")
    ]


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ("", "cannot be read: Expecting value: line 1 column 1 (char 0)"),
        ("[]", "cannot be read: is no record"),
        ('{"format": 5}', "is not what was written"),
    ],
)
def test_a_broken_run_json_is_told_and_marks_nothing_as_finished(
    tmp_path: Path, content: str, what: str
) -> None:
    folder = written(tmp_path / "out", runs([], []))
    (folder / "run.json").write_text(content)
    told: list[str] = []
    assert not is_finished(folder, SCENARIO, told)
    assert told == [f"{folder}/run.json: {what}: made anew"]


def test_a_counter_that_was_edited_is_noticed_by_whoever_reads_it(tmp_path: Path) -> None:
    folder = written(tmp_path / "out", runs([score("fedavg", 0, 0.0)], []))
    text = (folder / "run.json").read_text()
    (folder / "run.json").write_text(text.replace('"sent": 3', '"sent": 4'))
    again = f"braintorrent run {folder}/scenario.yaml --out {folder}"
    for reads in (lambda: results.finished_record(folder), lambda: load_results(folder)):
        with pytest.raises(ScenarioError) as error:
            reads()
        what = "is not what was written; allowed: the same made anew"
        assert str(error.value) == f"{folder}/run.json: {what}: {again}"
    (folder / "run.json").write_text(json.dumps(json.loads(text)))  # The same, in one line.
    assert is_finished(folder, SCENARIO)


def test_the_copy_of_the_scenario_may_be_written_again(tmp_path: Path) -> None:
    folder = written(tmp_path / "out", runs([], []))
    damages: list[Callable[[Path], object]] = [
        lambda path: path.write_text(""),
        lambda path: path.write_text("name: other\n"),
        Path.unlink,
        Path.mkdir,
    ]
    for damage in damages:
        damage(folder / SCENARIO_FILE)
        _, look = results.look(folder, SCENARIO_FILE, SCENARIO, lambda _: None)
        assert look.finished and look.worn
    results.claim(folder, SCENARIO_FILE, SCENARIO)
    _, look = results.look(folder, SCENARIO_FILE, SCENARIO, lambda _: None)
    assert look.finished and not look.worn


def test_an_interrupted_write_leaves_neither_a_table_nor_a_temporary_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*arguments: object, **options: object) -> None:
        assert (tmp_path / "out" / ".scores.parquet.unfinished").read_bytes() == b"PAR1"
        raise KeyboardInterrupt

    monkeypatch.setattr(pq.ParquetWriter, "write_table", interrupted)
    with pytest.raises(KeyboardInterrupt):
        written(tmp_path / "out", runs([score("fedavg", 0, 0.0)], []))
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["scenario.yaml"]


def test_a_rerun_that_fails_keeps_the_folder_unfinished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object, **options: object) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(json, "dumps", full)
    with pytest.raises(OSError, match="No space"):
        written(tmp_path / "out", runs([], []))
    assert not is_finished(tmp_path / "out", SCENARIO)


def test_a_failed_run_has_no_rows_and_leaves_the_folder_unfinished(tmp_path: Path) -> None:
    good = runs([score("fedavg", 0, 0.0)], [trace("fedavg", 0, 0.0)])
    record = RunRecord("braintorrent", 0, 60.0, 12, {}, FAILED, "no data")
    bad = results.run_tables(record, [score("braintorrent", 0, 0.0)])
    folder = written(tmp_path / "out", [*good, bad])
    assert [row.protocol for row in read_scores(folder)] == ["fedavg"]
    states = [(run["status"], run["cause"]) for run in results.finished_record(folder)["runs"]]
    assert states == [("finished", ""), ("failed", "no data")]
    assert not is_finished(folder, SCENARIO)


def test_the_bytes_do_not_tell_in_which_order_runs_were_done(tmp_path: Path) -> None:
    keys = [("braintorrent", 1), ("fedavg", 0), ("braintorrent", 0)]
    done = runs([score(*key, 0.0) for key in keys], [trace(*key, 1.0) for key in keys])
    one, two = written(tmp_path / "one", done), written(tmp_path / "two", done[::-1])
    for name in (SCORES_FILE, TRACE_FILE):
        assert (one / name).read_bytes() == (two / name).read_bytes()
