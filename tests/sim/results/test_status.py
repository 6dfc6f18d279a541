"""How far a folder has come: counts, causes of failure, and who works there."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sim.record.errors import ScenarioError
from sim.record.folder import read_record, write_record
from sim.results.digests import DIGESTS, digests
from sim.results.folder_lock import locked
from sim.results.status import Failure, as_dict, lines, status
from sim.results.under_way import Work, forget, tell
from sim.scenario import dump, dump_sweep, folder_record, grid, load

CAUSE = "OutOfMemoryError: 3 GiB"


def finished(folder: Path, *failed: tuple[str, int]) -> None:
    """Leave a `run.json` of two protocols and two seeds."""
    runs: list[dict[str, Any]] = [
        {"protocol": protocol, "seed": seed, "status": "finished"}
        | ({"status": "failed", "cause": CAUSE} if (protocol, seed) in failed else {})
        for protocol in ("braintorrent", "fedavg")
        for seed in (0, 1)
    ]
    folder.mkdir(parents=True, exist_ok=True)
    write_record(folder / "run.json", {"runs": runs})


def swept(folder: Path) -> Path:
    """The folder of a sweep of three points, none of them finished."""
    sweep = grid(
        "churn", vary=["clients.count=2:4:1"], seeds=2, protocols=["braintorrent", "fedavg"]
    )
    (folder / "sweep.yaml").write_text(dump_sweep(sweep), encoding="utf-8")
    write_record(folder / "sweep.json", folder_record(sweep).as_dict() | {"finished": False})
    return folder


def text(folder: Path) -> str:
    return "\n".join(lines(status(folder))).replace(str(folder), "DIR")


def test_a_sweep_that_nobody_works_on(tmp_path: Path) -> None:
    folder = swept(tmp_path)
    assert text(folder) == (
        "DIR: sweep of churn\n"
        "points: 0 of 3 finished, 3 missing\n"
        "runs: 0 of 12 finished, 12 missing"
    )
    assert sorted(path.name for path in folder.iterdir()) == ["sweep.json", "sweep.yaml"]


def test_a_sweep_under_way_with_failures(tmp_path: Path) -> None:
    folder = swept(tmp_path)
    finished(folder / "runs" / "clients.count-2")
    finished(folder / "runs" / "clients.count-4", ("fedavg", 1))
    with locked(folder, print):
        assert text(folder) == (
            "DIR: sweep of churn\n"
            f"another braintorrent (process {os.getpid()}) is working there\n"
            "points: 2 of 3 finished, 1 running or waiting\n"
            "runs: 7 of 12 finished, 1 failed, 4 running or waiting\n"
            f"failed: clients.count 4, fedavg seed 1: {CAUSE}"
        )
    found = status(folder)
    assert found.process is None
    assert found.failures == (
        Failure("clients.count-4", "fedavg", 1, CAUSE, {"clients.count": "4"}),
    )
    content = json.loads(json.dumps(as_dict(found)))
    assert (content["points_open"], content["runs_open"]) == (1, 4)
    assert content["failures"] == [
        {
            **{"point": "clients.count-4", "protocol": "fedavg", "seed": 1, "cause": CAUSE},
            "values": {"clients.count": "4"},
        }
    ]


def test_what_is_damaged_is_named_with_what_mends_it(tmp_path: Path) -> None:
    folder = swept(tmp_path)
    point, names = "clients.count-2", ["a.parquet", "b.parquet", "scenario.yaml"]
    finished(folder / "runs" / point)
    for name in names:
        (folder / "runs" / point / name).write_bytes(b"123")
    known = {DIGESTS: digests(folder / "runs" / point, names)}
    record = read_record(folder / "runs" / point / "run.json")
    assert record is not None
    write_record(folder / "runs" / point / "run.json", record | known)
    whole = text(folder)
    assert "damaged" not in whole and status(folder).mended_by is None
    (folder / "runs" / point / "a.parquet").write_bytes(b"124")
    (folder / "runs" / point / "b.parquet").unlink()
    assert text(folder) == (
        f"{whole}\n"
        f"damaged: runs/{point}/a.parquet has changed\n"
        f"damaged: runs/{point}/b.parquet is missing\n"
        "to mend it: braintorrent sweep DIR/sweep.yaml --out DIR"
    )
    with locked(folder, print):
        assert "damaged" not in text(folder)  # It is mended right now.
    # A point's copy comes from the sweep's; the sweep's own has to be given again.
    copy = {DIGESTS: digests(folder, ["sweep.yaml"])}
    write_record(folder / "sweep.json", (read_record(folder / "sweep.json") or {}) | copy)
    (folder / "runs" / point / "scenario.yaml").unlink()
    assert status(folder).mended_by == f"braintorrent sweep {folder}/sweep.yaml --out {folder}"
    (folder / "sweep.yaml").write_text("name: other")
    found = as_dict(status(folder))
    assert found["damages"][0] == {"file": "sweep.yaml", "what": "has changed"}
    assert found["mended_by"] == f"braintorrent sweep SCENARIO --out {folder}"


def test_work_under_way_and_stopped(tmp_path: Path) -> None:
    folder = swept(tmp_path)
    (folder / "store" / "models" / "0a").mkdir(parents=True)
    (folder / "store" / "models" / "0a" / "0a1b.npy").write_bytes(bytes(1500))
    (folder / "store" / "scores.jsonl").write_text("[1]\n[2]\n[half", encoding="utf-8")
    tell(folder, Work(1200, 3400, 5, 60, simulated_runs=7, total_runs=12))
    with locked(folder, print):
        assert text(folder).splitlines()[-2:] == [
            "stored: 2 evaluations, 1 models (1.5 kB)",
            "under way: 1,200 of at least 3,400 trainings and 5 of at least 60 evaluations done; "
            "7 of 12 runs played",
        ]
    tell(folder, Work(1200, 3400, 5, 60, simulated_runs=12, total_runs=12))
    assert text(folder).splitlines()[-1] == (
        "when it was stopped: 1,200 of 3,400 trainings and 5 of 60 evaluations done; "
        "12 of 12 runs played"
    )
    assert as_dict(status(folder))["stored"] == {"evaluations": 2, "models": 1, "size_bytes": 1500}
    forget(folder)
    assert status(folder).work is None
    (folder / "store" / "progress.json").write_text("{", encoding="utf-8")
    assert status(folder).work is None
    for count in (2, 3, 4):
        finished(folder / "runs" / f"clients.count-{count}")
    assert text(folder).splitlines()[-1] == "runs: 12 of 12 finished"


def test_a_finished_sweep(tmp_path: Path) -> None:
    folder = swept(tmp_path)
    for count in (2, 3, 4):
        finished(folder / "runs" / f"clients.count-{count}")
    assert text(folder) == ("DIR: sweep of churn\npoints: 3 of 3 finished\nruns: 12 of 12 finished")


def test_a_single_scenario_s_folder(tmp_path: Path) -> None:
    scenario = load(
        "churn", ["seeds=[0, 1]", "protocols={braintorrent: {}, fedavg: {deadline: 9 s}}"]
    )
    (tmp_path / "scenario.yaml").write_text(dump(scenario), encoding="utf-8")
    assert text(tmp_path) == "DIR: run of churn\nruns: 0 of 4 finished, 4 missing"
    finished(tmp_path, ("braintorrent", 0))
    assert text(tmp_path) == (
        f"DIR: run of churn\nruns: 3 of 4 finished, 1 failed\nfailed: braintorrent seed 0: {CAUSE}"
    )


def test_a_folder_that_is_neither_is_a_mistake(tmp_path: Path) -> None:
    allowed = "allowed: a folder that `braintorrent sweep` or `run` writes"
    with pytest.raises(ScenarioError) as caught:
        status(tmp_path)
    assert str(caught.value) == f"{tmp_path}: holds neither a sweep nor a run; {allowed}"
    with pytest.raises(ScenarioError) as caught:
        status(tmp_path / "no")
    assert str(caught.value) == f"{tmp_path / 'no'}: no such folder; {allowed}"


def test_a_broken_file_is_a_mistake_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "scenario.yaml").write_text("name: a\nname: b\n", encoding="utf-8")
    with pytest.raises(ScenarioError, match=r"scenario.yaml:2:1: name: duplicate key"):
        status(tmp_path)
    (tmp_path / "sweep.yaml").write_text("", encoding="utf-8")
    with pytest.raises(ScenarioError) as caught:
        status(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}: lacks sweep.json; allowed: to continue it: "
        f"braintorrent sweep {tmp_path}/sweep.yaml --out {tmp_path}"
    )


def test_to_look_imports_nothing_heavy(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from sim.results.status import status;"
        "status(Path(sys.argv[1])); print({'torch', 'sklearn', 'pandas'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(swept(tmp_path))],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "set()"
