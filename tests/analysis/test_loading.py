"""Loading: every expected run has a row, text is in the scenario's order, mistakes are one line."""

import json
import math
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from analysis import over_clients, progress_after_crash
from analysis.loading import NOT_LISTED, NOT_WRITTEN, load, load_run, load_sweep
from sim.record.errors import ResultError
from sim.record.folder import RUNS_FILE
from sim.record.points import ProtocolRecord, TargetRecord
from sim.results.sweep_tables import write_tables
from tests.analysis.folders import RATE, described, edit_record, swept, write_run, write_sweep
from tests.analysis.made import plain

RATES = f"{RATE}=0 / h,3600 / h"
RUN = {"protocol": "local", "seed": 0, "status": "finished", "cause": "", "virtual_s": 1.0} | {
    "events": 1,
    "counters": {},
}
LOSS = TargetRecord("loss", 0.25, "mean", "received")
ACCURACY = TargetRecord("accuracy", 0.9, "mean", "received")
LOW, HIGH = "churn.failure_rate-0perh", "churn.failure_rate-3600perh"


def test_a_run_is_a_sweep_of_one_point(tmp_path: Path) -> None:
    scenario = described("evaluation.target={metric: loss, value: 0.25}")
    found = load(write_run(tmp_path, scenario))
    assert (found.name, found.is_sweep, found.paths) == ("churn", False, ())
    assert found.question == scenario.question
    assert found.protocols == ("local", "fedavg")
    assert found.about["fedavg"] == ProtocolRecord("fedavg", True, False)
    assert found.about["local"] == ProtocolRecord("local", False, True)
    assert (found.metric, found.target, found.duration_s) == ("loss", LOSS, 60.0)
    assert found.crash_s is None and found.crash_node is None and found.seeds == (0, 1)
    assert found.limits == (0.0, math.inf) and found.tune == ()
    assert found.clients == ("client_0", "client_1")
    assert plain(found.points) == [("base",)]
    assert plain(found.runs[["point", "protocol", "seed", "status", "virtual_s", "events"]]) == [
        ("base", protocol, seed, "finished", 60.0, 7)
        for protocol in ("local", "fedavg")
        for seed in (0, 1)
    ]
    assert found.missing.empty and list(found.missing) == list(found.runs)
    assert repr(found) == f"<run churn in {tmp_path}: 4 of 4 runs finished>"


def test_a_sweep_s_points_are_its_own_tables(tmp_path: Path) -> None:
    sweep = swept(RATES, "network.sharing=none,equal")
    write_tables(write_sweep(tmp_path, sweep), sweep)
    found = load(tmp_path)
    theirs = pq.read_table(tmp_path / RUNS_FILE).to_pandas()
    own = found.runs
    assert found.is_sweep and found.paths == (RATE, "network.sharing")
    shared = [name for name in theirs if name in own]
    assert shared == list(theirs)
    assert plain(own[shared]) == plain(theirs)
    assert own["network.sharing"].cat.ordered
    assert list(own["network.sharing"].cat.categories) == ["none", "equal"]
    scores = pq.read_table(tmp_path / "scores.parquet").to_pandas()
    assert plain(found.scores()) == plain(scores)
    assert plain(found.written)[3] == (found.points["point"][3], "3600 / h", "equal")


def test_what_is_missing_has_a_row(tmp_path: Path) -> None:
    folder = write_sweep(tmp_path, swept(RATES), failed=[(LOW, "fedavg", 1)], unfinished=[HIGH])
    found = load_sweep(folder)
    assert len(found.runs) == 8
    assert plain(found.missing[["point", "protocol", "seed", "status", "cause"]]) == [
        (LOW, "fedavg", 1, "failed", "out of memory"),
        *(
            (HIGH, protocol, seed, "missing", NOT_WRITTEN)
            for protocol in ("local", "fedavg")
            for seed in (0, 1)
        ),
    ]
    gone = found.runs[found.runs["status"] == "missing"]
    assert gone["virtual_s"].isna().all() and gone["local_rounds"].isna().all()
    assert found.runs["local_rounds"].head(4).tolist() == [2, 2, 2, 0]
    there = found.scores(metric="accuracy")[["point", "protocol", "seed"]].drop_duplicates()
    assert plain(there) == [(LOW, "local", 0), (LOW, "local", 1), (LOW, "fedavg", 0)]


def test_a_sweep_stopped_while_it_claimed_its_folders_loads(tmp_path: Path) -> None:
    folder = write_sweep(tmp_path, swept(RATES), unfinished=[LOW, HIGH])
    for file in (folder / "runs" / HIGH).iterdir():
        file.unlink()
    (folder / "runs" / HIGH).rmdir()
    found = load(folder)
    assert (found.runs["status"] == "missing").all() and len(found.runs) == 8
    for frame in (found.scores(metric="accuracy"), found.trace(kinds="train")):
        assert frame.empty and frame["protocol"].dtype == found.runs["protocol"].dtype
    assert found.scores()[RATE].dtype == "float64"


def test_a_run_that_has_not_finished_is_refused(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "my runs", described())
    (folder / "run.json").unlink()
    with pytest.raises(ResultError) as error:
        load(folder)
    assert str(error.value) == (
        f"{folder}: is not finished: its folder has no run.json; allowed: to continue it: "
        f"braintorrent run '{folder / 'scenario.yaml'}' --out '{folder}'"
    )


def test_a_quantity_in_place_of_a_distribution_is_a_number_as_in_the_tables(tmp_path: Path) -> None:
    sweep = swept("network.latency=50 ms,100 ms,1 s", "clients.step_time=1 s")
    write_tables(write_sweep(tmp_path, sweep), sweep)
    found = load(tmp_path)
    assert found.points["network.latency"].tolist() == [0.05, 0.1, 1.0]
    assert found.units == {"network.latency": "s", "clients.step_time": "s"}
    stored = pq.read_table(tmp_path / "scores.parquet", columns=["network.latency"]).to_pandas()
    assert stored["network.latency"].tolist() == found.scores()["network.latency"].tolist()


def test_which_way_a_metric_points_is_read(tmp_path: Path) -> None:
    write_run(tmp_path, described())
    edit_record(tmp_path / "run.json", directions={"accuracy": "lower"})
    found = load(tmp_path)
    curves = over_clients(found.scores(metric="accuracy"))
    assert (curves["worst"] >= curves["best"]).all() and (curves["worst"] > curves["best"]).any()
    gain = progress_after_crash(curves, 30.0)["value"]
    assert (gain < 0).all()


def test_a_run_that_run_json_does_not_list_is_missing(tmp_path: Path) -> None:
    write_run(tmp_path, described())
    runs = json.loads((tmp_path / "run.json").read_text())["runs"]
    edit_record(tmp_path / "run.json", runs=runs[1:])
    (row,) = plain(load(tmp_path).missing[["protocol", "seed", "cause"]])
    assert row == ("local", 0, NOT_LISTED)


def test_conditions_are_each_point_s_own(tmp_path: Path) -> None:
    crash = "faults.c={kind: crash, node: client_0, at: 20 s}"
    found = load(write_run(tmp_path / "run", described(crash)))
    assert (found.crash_s, found.crash_node) == (20.0, "client_0")
    sweep = swept("faults.churn={kind: crash, node: client_0, at: 10 s}")
    assert load(write_sweep(tmp_path / "one", sweep)).crash_s == 10.0
    sweep = swept(
        "faults.churn={kind: crash, node: client_0, at: 10 s},"
        "{kind: crash, node: client_0, at: 0.5 min}",
        "duration=1 min,2 min",
    )
    found = load(write_sweep(tmp_path / "two", sweep))
    assert found.conditions["crash_s"].tolist() == [10.0, 10.0, 30.0, 30.0]
    assert (found.crash_s, found.target, found.duration_s) == (None, ACCURACY, 120.0)
    name = found.points["point"][3]
    assert found.conditions.loc[name, "crash_s"] == 30.0
    assert found.settings_at(name)["faults"]["churn"]["at"] == "30.0 s"


def test_the_server_s_crash_is_told_before_a_client_s(tmp_path: Path) -> None:
    faults = (
        "faults={early: {kind: crash, node: client_1, at: 5 s},"
        " late: {kind: crash, node: server, at: 30 s}, first: {kind: crash, node: server, at: 9 s}}"
    )
    found = load(write_run(tmp_path, described(faults)))
    assert (found.crash_s, found.crash_node) == (9.0, "server")


@pytest.mark.parametrize(
    ("nodes", "told"),
    [
        ("client_1", "client_1"),
        ("clients", "client_0..client_1"),
        ("[client_1, server]", "server"),
        ("all", "server"),
    ],
)
def test_of_a_crash_of_several_it_is_told_whom_it_strikes(
    nodes: str, told: str, tmp_path: Path
) -> None:
    late = "late: {kind: crash, node: client_0, at: 9 s}"
    crash = f"faults={{{late}, c: {{kind: crash, nodes: {nodes}, at: 5 s}}}}"
    found = load(write_run(tmp_path, described(crash)))
    assert (found.crash_s, found.crash_node) == (5.0, told)


def test_protocols_may_differ_between_points(tmp_path: Path) -> None:
    sweep = swept("protocols={local: {}},{fedavg: {deadline: 1 min}}")
    found = load(write_sweep(tmp_path, sweep))
    assert found.protocols == ("local", "fedavg") and found.seeds == (0, 1)
    assert [row[-2:] for row in plain(found.runs[["point", "protocol", "seed"]])] == [
        ("local", 0),
        ("local", 1),
        ("fedavg", 0),
        ("fedavg", 1),
    ]
    assert found.missing.empty


def test_a_folder_that_holds_no_results_is_one_line(tmp_path: Path) -> None:
    allowed = "allowed: a folder that `braintorrent run` or `sweep` has written"
    for loads, folder, what in (
        (load, tmp_path, "holds neither a run nor a sweep"),
        (load, tmp_path / "none", "no such folder"),
        (load_run, tmp_path / "none", "no such folder"),
    ):
        with pytest.raises(ResultError) as error:
            loads(folder)
        assert str(error.value) == f"{folder}: {what}; {allowed}"
    with pytest.raises(ResultError, match="sweep.yaml: cannot be read"):
        load_sweep(tmp_path)


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("scenario.yaml", "{", "scenario.yaml: is not YAML"),
        ("scenario.yaml", "- 1", "scenario.yaml: is not a scenario"),
        ("run.json", "{", "run.json: cannot be read"),
        ("run.json", {"points": 3}, "run.json: is not what a reader needs"),
        ("run.json", {"points": [{"protocols": []}]}, "run.json: is not what a reader needs"),
        ("run.json", {"metric": None, "points": [{}]}, "run.json: is not what a reader needs"),
        ("run.json", {"runs": 3}, "run.json: lists no runs"),
        ("run.json", {"runs": [{}]}, "run.json: lists no runs"),
        (
            "run.json",
            {"runs": [RUN | {"protocol": "gossip"}]},
            "run.json: gossip seed 0 is no run of its scenario",
        ),
        (
            "run.json",
            {"runs": [RUN | {"status": "odd"}]},
            "run.json: local seed 0 has the status 'odd'; allowed: finished, failed",
        ),
        ("scores.parquet", "no table", "scores.parquet: is not what was written; allowed: the s"),
    ],
)
def test_a_broken_file_is_one_line(tmp_path: Path, file: str, content: Any, message: str) -> None:
    write_run(tmp_path, described())
    if isinstance(content, dict):
        edit_record(tmp_path / file, **content)
    else:
        (tmp_path / file).write_text(content)
    with pytest.raises(ResultError) as error:
        load(tmp_path).scores()
    assert str(error.value).startswith(f"{tmp_path}/{message}")
    assert "\n" not in str(error.value)


def test_a_point_that_its_sweep_does_not_know_is_refused(tmp_path: Path) -> None:
    folder = write_sweep(tmp_path, swept(RATES))
    (folder / "runs" / ".DS_Store").write_text("")
    (folder / "runs" / "notes").mkdir()
    assert load(folder).missing.empty
    write_run(folder / "runs" / "other", described())
    with pytest.raises(ResultError, match="runs/other: is no point of its sweep"):
        load(folder)
    (folder / "sweep.yaml").write_text((folder / "sweep.yaml").read_text().split("sweep:")[0])
    with pytest.raises(ResultError, match="is no point of its sweep"):
        load(folder)
