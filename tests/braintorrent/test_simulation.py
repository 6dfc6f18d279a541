"""Running and sweeping from a program: the bytes of the commands, wherever it is called from."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from typer.testing import CliRunner

import braintorrent as bt
from analysis import Results
from sim.cli import app
from sim.record.folder import STORE_FOLDER
from sim.results.folder_lock import locked
from sim.scenario import dump
from tests.sim.counting import BROKEN, CountingTraining

ROOT = Path(__file__).parents[2]
SETTINGS: dict[str, Any] = {
    "name": "tiny",
    "duration": "3 min",
    "seeds": [3],
    "task": {"name": "digits", "partition": {"kind": "iid"}},
    "model": {"name": "mlp"},
    "training": {"optimizer": "sgd", "learning_rate": 0.05, "batch_size": 64, "local_epochs": 1},
    "clients": {"count": 2, "step_time": "1 s"},
    "network": {"latency": "20 ms", "uplink": "20 Mbit/s", "downlink": "100 Mbit/s"},
    "protocols": {"braintorrent": {}, "pooled": {}},
    "evaluation": {"every": "1 min"},
}
RATES = "training.learning_rate"
Caller = Callable[[Callable[[], Results]], Results]


def plainly(call: Callable[[], Results]) -> Results:
    return call()


def in_a_running_loop(call: Callable[[], Results]) -> Results:
    """As a notebook calls it, whose loop leaves Ctrl-C to the cell."""

    async def cell() -> Results:
        return call()

    with closing(asyncio.new_event_loop()) as loop:
        return loop.run_until_complete(cell())


callers = pytest.mark.parametrize("called", [plainly, in_a_running_loop])


@pytest.fixture
def scenario(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> bt.Scenario:
    monkeypatch.chdir(tmp_path)
    return bt.Scenario(**SETTINGS)


def tables(folder: Path) -> dict[str, bytes]:
    paths = [*folder.rglob("*.parquet"), *folder.rglob("*.yaml")]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(paths)}


def command(*arguments: str) -> None:
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output


@callers
def test_a_run_has_the_bytes_of_the_command(scenario: bt.Scenario, called: Caller) -> None:
    results = called(lambda: bt.run(scenario, workers=0))
    assert (results.folder, results.is_sweep) == (Path("results/tiny"), False)
    assert results.missing.empty and results.seeds == (3,)
    command("run", "results/tiny/scenario.yaml", "--workers=0", "--out=theirs")
    assert tables(Path("results/tiny")) == tables(Path("theirs"))


def test_a_sweep_has_the_bytes_of_the_command(scenario: bt.Scenario) -> None:
    results = bt.sweep(scenario, {RATES: "0.1:0.2:0.1"}, seeds=2, protocols="pooled", workers=0)
    assert (results.folder, results.paths) == (Path("results/tiny_sweep"), (RATES,))
    assert len(results.runs) == 4 and results.missing.empty
    bt.run(scenario, out="plain", workers=0)
    wanted = ("--seeds=2", "--protocol=pooled", f"--vary={RATES}=0.1,0.2", "--workers=0")
    command("sweep", "plain/scenario.yaml", *wanted, "--out=theirs")
    assert tables(Path("results/tiny_sweep")) == tables(Path("theirs"))


@pytest.fixture
def idle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing can be trained."""

    async def refuse(*_: object) -> None:
        raise AssertionError("nothing is left to do")

    monkeypatch.setattr("sim.runs.sweep.run_points", refuse)


def test_what_is_finished_is_only_loaded(
    scenario: bt.Scenario, request: pytest.FixtureRequest
) -> None:
    bt.run(scenario, out="there", protocols=["pooled"], workers=0)
    request.getfixturevalue("idle")
    again = bt.run(Path("there/scenario.yaml"), out=Path("there"))
    assert (again.protocols, again.missing.empty) == (("pooled",), True)
    with pytest.raises(bt.ScenarioError, match="holds the results of a different scenario"):
        bt.run(scenario, out="there", protocols=["braintorrent"])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda s: bt.run("no_such"), "^no_such: no such file or shipped scenario"),
        (lambda s: bt.run(s, protocols="local"), "^--protocol local: not in the scenario; allowed"),
        (lambda s: bt.run(s, seeds=[3, 4]), "^--seed 4: not in the scenario; allowed: 3$"),
        (
            lambda s: bt.run(s, workers=-1),
            "^--workers -1: is no number of worker processes; allowed: auto, 0 for none, or up to",
        ),
        (lambda s: bt.run(s, store_limit="4"), "^--store-limit 4: '4' needs a unit"),
        (lambda s: bt.sweep(s, {"duraton": ["1 s"]}), "^vary duraton: .*did you mean duration"),
        (lambda s: bt.sweep(s, {"duration": []}), "^vary: duration: has no values"),
        (lambda s: bt.sweep(s, {"duration": [print]}), "^vary: duration: .*is no plain value"),
        (lambda s: bt.sweep(s, tune="duration"), "^--tune duration: tune: .*is not varied"),
        (
            lambda s: bt.Scenario(**(SETTINGS | {"clients": {"step_time": "1 s"}})),
            "^Scenario: clients.count: is missing",
        ),
    ],
)
def test_a_mistake_is_a_line_and_leaves_nothing(
    scenario: bt.Scenario, idle: None, call: Callable[[bt.Scenario], object], message: str
) -> None:
    with pytest.raises(bt.ScenarioError, match=message) as refused:
        call(scenario)
    assert "\n" not in str(refused.value)
    assert not any(Path().iterdir())


def test_failed_runs_are_raised_when_all_else_is_written(
    scenario: bt.Scenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sim.runs.training.Training", CountingTraining)
    monkeypatch.setenv(BROKEN, "yes")
    with pytest.raises(bt.RunsFailed, match="^failed: pooled seed 3: .*flooded") as failed:
        bt.run(scenario, workers=0)
    assert list(failed.value.results.missing["protocol"]) == ["pooled"]
    monkeypatch.delenv(BROKEN)
    assert bt.run(scenario, workers=0).missing.empty


@pytest.fixture
def interruptible() -> Iterator[None]:
    """What is started in a shell's background inherits that Ctrl-C is ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@callers
@pytest.mark.usefixtures("interruptible")
def test_an_interruption_says_what_is_kept_and_leaves_the_folder_free(
    scenario: bt.Scenario, monkeypatch: pytest.MonkeyPatch, called: Caller
) -> None:
    ended = []

    async def works(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGINT)  # Not to this thread alone.
        try:
            await asyncio.sleep(5)
        finally:
            ended.append(True)

    monkeypatch.setattr("sim.runs.sweep.run_points", works)
    with pytest.raises(KeyboardInterrupt) as interrupted:
        called(lambda: bt.run(scenario, out="mine"))
    assert interrupted.value.__notes__[0].startswith("what is done is kept in mine; ")
    assert ended == [True]
    with locked(Path("mine"), print):
        assert tables(Path("mine")).keys() == {"scenario.yaml"}


def test_progress_is_plain_lines_where_nobody_looks_or_nothing(
    scenario: bt.Scenario, capsys: pytest.CaptureFixture[str]
) -> None:
    late = {"faults": {"late": {"kind": "crash", "node": "client_0", "at": "9 min"}}}
    bt.run(scenario.with_settings(late), out="late", workers=0, progress=False)
    assert capsys.readouterr() == ("", "")
    results = bt.run(scenario, workers=0, progress=False)
    assert capsys.readouterr() == ("", "")
    bt.run(scenario, out="told", workers=0)
    told = capsys.readouterr()
    assert told.out == "" and all(map(str.isprintable, lines := told.err.splitlines()))
    assert lines[-2].startswith("2/2 runs, ") and lines[-1].startswith("caution: one seed")
    bt.show(results)
    shown = capsys.readouterr()
    assert "tiny: final accuracy" in shown.out and "caution: one seed" in shown.out


SCRIPT = """
import sys
import braintorrent as bt

results = bt.run(bt.load_scenario("tiny.yaml"), out=sys.argv[1], workers=2)
print(results)
"""
IN_A_LOOP = """
import asyncio

async def cell():
    exec(compile(open("script.py").read(), "script.py", "exec"))

asyncio.new_event_loop().run_until_complete(cell())
"""


@pytest.fixture
def folder(scenario: bt.Scenario, tmp_path: Path) -> Path:
    """With scripts that have no main guard, and a longer scenario for them."""
    (tmp_path / "tiny.yaml").write_text(dump(scenario.with_settings({"duration": "30 min"})))
    (tmp_path / "script.py").write_text(SCRIPT)
    (tmp_path / "in_a_loop.py").write_text(IN_A_LOOP)
    return tmp_path


def started(script: str, out: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, script, out],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def stored() -> list[Path]:
    return list(Path("mine", STORE_FOLDER).rglob("*.npy"))


@pytest.mark.slow
@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("script", ["script.py", "in_a_loop.py"])
def test_a_script_without_a_main_guard_goes_on_where_ctrl_c_left_it(
    folder: Path, script: str
) -> None:
    program = started(script, "mine")
    while len(stored()) < 3 and program.poll() is None:
        time.sleep(0.05)
    program.send_signal(signal.SIGINT)
    out, said = program.communicate(timeout=60)
    assert (program.returncode, out) == (-signal.SIGINT, "")
    assert "what is done is kept in mine" in said and "Traceback" in said
    assert stored() and not Path("mine/run.json").exists()
    program = started(script, "mine")
    out, said = program.communicate(timeout=120)
    assert (program.returncode, out) == (0, "<run tiny in mine: 2 of 2 runs finished>\n"), said
    command("run", "tiny.yaml", "--workers=0", "--out=theirs")
    assert tables(Path("mine")) == tables(Path("theirs"))


@pytest.mark.slow
def test_a_notebook_shows_one_line_of_progress(folder: Path) -> None:
    cells = ["import braintorrent as bt", "results = bt.run('tiny.yaml', workers=2)"]
    cells += ["bt.show(results)"]
    notebook = nbformat.v4.new_notebook(cells=list(map(nbformat.v4.new_code_cell, cells)))
    NotebookClient(notebook, kernel_name="python3", resources={"metadata": {"path": "."}}).execute()
    assert notebook.cells[0].outputs == []
    shown, cautions = notebook.cells[1].outputs
    assert shown.data["text/plain"].startswith("2/2 runs, ")
    assert (cautions.name, cautions.text.split()[0]) == ("stderr", "caution:")
    assert "tiny: final accuracy" in str(notebook.cells[2].outputs)
    assert bt.load("results/tiny").missing.empty
