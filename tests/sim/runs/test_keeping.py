"""Runs that keep their final models: the models that were scored, the same bytes, nothing twice."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from models.learner import Learner
from sim.cli import app
from sim.record.folder import RUN_FILE
from sim.record.metrics import seen_from
from sim.record.rows import ScoreRow
from sim.results import folder as results
from sim.results import kept
from sim.runs.data import learner_spec
from sim.scenario import load
from tests.sim.counting import CountingTraining, steps
from tests.tables import read_scores, read_traces

ROOT = Path(__file__).parents[3]
KEEP = "--set=output.keep_models=final"
SMALL = [
    "server_crash",
    "--set=duration=1 min",
    "--set=evaluation.every=30 s",
    "--set=clients={count: 3, step_time: 1 s}",
    "--set=training.batch_size=128",
    "--set=protocols.fedavg.deadline=30 s",
    "--seed=1",
]
CLIENTS = ["client_0", "client_1", "client_2"]
STAGED = [f"{client}_{stage}" for client in CLIENTS for stage in ("received", "trained")]
FILES = {
    "braintorrent": ["aggregate", *STAGED],
    "fedavg": ["aggregate", *STAGED, "server"],
    "local": ["aggregate", *CLIENTS],
    "pooled": ["aggregate", "pooled"],
}
# What is no client's counts as received.
AVERAGES = {
    *("models/braintorrent/1/aggregate.safetensors", "models/fedavg/1/aggregate.safetensors"),
    "models/fedavg/1/server.safetensors",
}


def run(folder: Path, *options: str, workers: int = 0, code: int = 0) -> Result:
    command = ["run", *SMALL, KEEP, f"--workers={workers}", f"--out={folder}", *options]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == code, done.output
    return done


def content(folder: Path) -> dict[str, bytes]:
    """Tables and models, by their path in the folder."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.suffix in (".parquet", ".safetensors")
    }


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keeping") / "whole"
    run(folder)
    return folder


def unfinished_copy(whole: Path, folder: Path) -> Path:
    """A folder as it stands before `run.json` is written, with a store of scores alone."""
    for name, data in content(whole).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    (folder / "scenario.yaml").write_bytes((whole / "scenario.yaml").read_bytes())
    (folder / "store").mkdir()
    (folder / "store" / "scores.jsonl").write_bytes((whole / "store/scores.jsonl").read_bytes())
    return folder


def test_every_node_s_models_are_kept_and_covered_by_the_digests(expected: Path) -> None:
    models = [
        f"models/{protocol}/1/{file}.safetensors" for protocol in FILES for file in FILES[protocol]
    ]
    assert [name for name in content(expected) if name.startswith("models/")] == models
    digests = results.finished_record(expected)["sha256"]
    assert list(digests) == ["scenario.yaml", "scores.parquet", "trace.parquet", *models]


def test_each_kept_model_is_the_one_that_was_scored_last(expected: Path) -> None:
    last: dict[tuple[str, str, str], dict[str, float]] = {}
    rows: dict[tuple[str, str, str], ScoreRow] = {}
    for row in read_scores(expected):
        key = (row.protocol, row.node, row.stage or "")
        if key not in rows or rows[key].time_s < row.time_s:
            last[key], rows[key] = {}, row
        last[key][row.metric] = row.value
    learner = Learner(learner_spec(load(expected / "scenario.yaml"), "local", 1))
    for (protocol, node, stage), row in rows.items():
        model, tensors = kept.read(kept.path_of(expected, protocol, 1, node, stage))
        assert model[:4] == (protocol, 1, node, stage)
        assert model[4:7] == (row.local_round, row.version, row.time_s)
        scores = seen_from(None, learner.scores(learner.layout.vector(tensors)))
        assert scores.items() <= last[protocol, node, stage].items()
    assert len(rows) == sum(map(len, FILES.values()))


@pytest.mark.parametrize("stage", ["received", "trained"])
def test_the_models_of_one_stage_are_kept_with_the_references(
    stage: str, expected: Path, tmp_path: Path
) -> None:
    run(tmp_path / "one", f"--set=output.keep_models={stage}")
    other = "trained" if stage == "received" else "received"
    wanted = {
        name: data
        for name, data in content(expected).items()
        if f"_{other}." not in name
        if stage == "received" or name not in AVERAGES
    }
    found = content(tmp_path / "one")
    assert found.keys() == wanted.keys()
    models = [name for name in found if name.startswith("models/")]
    assert all(found[name] == wanted[name] for name in models)


def test_a_stage_that_is_not_looked_at_is_not_kept(tmp_path: Path) -> None:
    options = ("--set=evaluation.stages=[received]", "--protocol=fedavg")
    run(tmp_path / "received", *options)
    models = {path.stem for path in (tmp_path / "received" / "models").rglob("*.safetensors")}
    assert models == {"aggregate", "server", *(f"{client}_received" for client in CLIENTS)}
    assert {row.stage for row in read_scores(tmp_path / "received")} == {"received"}


@pytest.mark.slow
def test_same_bytes_with_workers(expected: Path, tmp_path: Path) -> None:
    run(tmp_path / "pool", workers=2)
    assert content(tmp_path / "pool") == content(expected)


def test_a_store_that_holds_nothing_beyond_need_still_has_what_is_kept(
    expected: Path, tmp_path: Path
) -> None:
    run(tmp_path / "narrow", "--store-limit=0 byte")
    assert content(tmp_path / "narrow") == content(expected)


def test_a_continued_run_makes_those_models_only_that_are_not_there(
    expected: Path, tmp_path: Path, journal: Path
) -> None:
    folder = unfinished_copy(expected, tmp_path / "copy")
    run(folder)
    assert steps(journal) == 0
    assert content(folder) == content(expected)

    folder = unfinished_copy(expected, tmp_path / "damaged")
    pooled = kept.path_of(folder, "pooled", 1, "pooled")
    pooled.write_bytes(pooled.read_bytes()[:-1])
    run(folder)
    trained = [row for row in read_traces(folder) if row.kind == "train"]
    pooled_rounds = sum(row.protocol == "pooled" for row in trained)
    assert len(journal.read_text().split()) == pooled_rounds
    assert content(folder) == content(expected)


@pytest.mark.parametrize("spoil", [Path.unlink, lambda path: path.write_bytes(b"other")])
def test_a_changed_or_missing_model_of_a_finished_folder_is_made_anew(
    spoil: Callable[[Path], object], expected: Path, tmp_path: Path
) -> None:
    folder = unfinished_copy(expected, tmp_path / "copy")
    (folder / RUN_FILE).write_bytes((expected / RUN_FILE).read_bytes())
    assert "finished already" in run(folder).output
    spoil(kept.path_of(folder, "local", 1, "client_2"))
    said = run(folder).output
    assert f"{folder} is damaged and is mended: models/local/1/client_2.safetensors " in said
    assert "finished already" not in said
    assert content(folder) == content(expected)


def test_keeping_models_or_not_makes_another_scenario(expected: Path) -> None:
    refused = run(expected, "--set=output.keep_models=none", code=2)
    assert "(output.keep_models: none was final)" in refused.output


def test_without_it_no_model_is_kept_and_the_tables_are_the_same(
    expected: Path, tmp_path: Path
) -> None:
    run(tmp_path / "none", "--set=output.keep_models=none")
    assert not (tmp_path / "none" / "models").exists()
    for reads in (read_scores, read_traces):
        assert reads(tmp_path / "none") == reads(expected)


def test_a_run_that_stops_early_keeps_the_models_of_its_end(tmp_path: Path) -> None:
    goal = "--set=stop_when={metric: loss, value: 2.29, of: aggregate}"
    run(tmp_path / "early", goal, "--protocol=braintorrent")
    end_s = max(row.time_s for row in read_scores(tmp_path / "early"))
    assert end_s < 60
    models = sorted((tmp_path / "early" / "models" / "braintorrent" / "1").iterdir())
    assert [path.stem for path in models] == FILES["braintorrent"]
    assert {kept.described(path).time_s for path in models} == {end_s}


def test_each_point_of_a_sweep_keeps_the_models_of_its_run_alone(
    expected: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "sweep"
    command = ["sweep", *SMALL[:-1], "--set=seeds=[1]", KEEP, "--workers=0", f"--out={folder}"]
    vary = "--vary=faults.server_crash.at=20 s,10 min"
    done = CliRunner().invoke(app, [*command, vary])
    assert done.exit_code == 0, done.output
    assert content(folder / "runs" / "server_crash.at-10min") == content(expected)
    early = content(folder / "runs" / "server_crash.at-20s")
    assert early.keys() == content(expected).keys()
    changed = {name for name, data in early.items() if data != content(expected)[name]}
    assert {name for name in changed if name.startswith("models/")} == {
        f"models/fedavg/1/{file}.safetensors" for file in FILES["fedavg"]
    }


def test_a_run_that_fails_does_not_take_the_models_of_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, expected: Path
) -> None:
    monkeypatch.setenv("BRAINTORRENT_TEST_BROKEN", "1")
    monkeypatch.setattr("sim.runs.training.Training", CountingTraining)
    folder = tmp_path / "broken"
    run(folder, code=1)
    found = {name for name in content(folder) if name.startswith("models/")}
    wanted = {name for name in content(expected) if name.startswith("models/")}
    assert found == {name for name in wanted if "pooled" not in name}
    monkeypatch.delenv("BRAINTORRENT_TEST_BROKEN")
    run(folder)
    assert content(folder) == content(expected)


@pytest.mark.slow
def test_a_run_that_was_killed_ends_with_the_same_bytes(expected: Path, tmp_path: Path) -> None:
    killed = tmp_path / "killed"
    command = [sys.executable, "-m", "braintorrent", "run", *SMALL, KEEP, "--workers=1"]
    for models in (0, 1, 5):
        program = subprocess.Popen(
            [*command, f"--out={killed}"], cwd=ROOT, stderr=subprocess.DEVNULL
        )
        while (
            len(list(killed.glob("models/*/*/*.safetensors"))) < models
            or not list(killed.glob("store/models/*/*.npy"))
        ) and program.poll() is None:
            time.sleep(0.002)
        program.send_signal(signal.SIGKILL)
        program.wait()
        assert not (killed / RUN_FILE).exists(), "the run is too short to be killed"
        for path in killed.glob("models/*/*/*.safetensors"):
            assert content(expected)[path.relative_to(killed).as_posix()] == path.read_bytes()
    run(killed, workers=2)
    assert content(killed) == content(expected)
    assert not list(killed.rglob(".*.unfinished")), "what was half written is cleared away"
