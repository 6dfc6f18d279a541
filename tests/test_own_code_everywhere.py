"""Code of the user's own gives the same bytes wherever it is run, and whatever stopped it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.sim.compute.clusters import Cluster

ROOT = Path(__file__).parents[1]
OWN = Path(__file__).parent / "outside" / "own"
TABLES = ("scores.parquet", "trace.parquet")
CODE = "--code=my_code.py"
LEARNING = """\
name: bright
duration: 1 min
seeds: [0]
task: {name: my_data.Bright, partition: {kind: my_data.Turns}}
model: {name: my_code.small, width: 3}
training: {learning_rate: 0.1, batch_size: 5, local_epochs: 1}
clients: {count: 3, step_time: 500 ms}
network: {latency: 50 ms, uplink: 20 Mbit/s, downlink: 100 Mbit/s}
protocols: {gossip: {kind: my_code.Gossip, period: 10 s}}
evaluation: {every: 30 s}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the user's files, and nothing of braintorrent's."""
    home = tmp_path / "home"
    shutil.copytree(OWN, home)
    (home / "bright.yaml").write_text(LEARNING)
    monkeypatch.chdir(home)
    return home


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """One worker that knows nothing of the user's files."""
    found = Cluster(tmp_path / "dask")
    try:
        found.add_worker("only")
        yield found
    finally:
        found.end()


def started(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "braintorrent", *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def braintorrent(*arguments: str) -> str:
    """What a command says on standard error."""
    program = started(*arguments)
    _, said = program.communicate(timeout=300)
    assert program.returncode == 0, said
    return said


def tables(folder: str) -> dict[str, bytes]:
    found = Path(folder)
    return {
        path.relative_to(found).as_posix(): path.read_bytes()
        for path in sorted(found.rglob("*.parquet"))
    }


def killed(arguments: Sequence[str], out: str, models: int) -> None:
    """Start a command, and kill it when it has computed so many models."""
    program = started(*arguments)
    while len(list(Path(out).glob("store/models/*/*.npy"))) < models and program.poll() is None:
        time.sleep(0.01)
    assert program.poll() is None, "it is too short to be killed"
    program.send_signal(signal.SIGKILL)
    program.communicate()


def edited(old: str, new: str) -> None:
    text = Path("my_code.py").read_text()
    assert old in text
    Path("my_code.py").write_text(text.replace(old, new))


SWEEP = ("sweep", "my.yaml", CODE, "--vary=model.width=4,8", "--set=duration=90 s")


@pytest.mark.slow
def test_from_an_empty_folder_to_a_report(cluster: Cluster) -> None:
    braintorrent(*SWEEP, "--workers=0", "--out=none")
    expected = tables("none")
    assert len(expected) == 2 + 2 * 2
    for workers in (1, 2):
        braintorrent(*SWEEP, f"--workers={workers}", f"--out=with{workers}")
        assert tables(f"with{workers}") == expected
    killed((*SWEEP, "--workers=2", "--out=killed"), "killed", models=30)
    braintorrent(*SWEEP, "--workers=2", "--out=killed")
    assert tables("killed") == expected
    braintorrent(*SWEEP, f"--scheduler={cluster.file}", "--out=dask")
    assert tables("dask") == expected

    edited('"""One hidden layer."""', '"""A hidden layer."""')
    assert "finished already" in braintorrent(*SWEEP, "--workers=2", "--out=killed")
    Path("my_code.py").unlink()
    for command in ("plot", "report", "status"):
        braintorrent(command, "killed")


@pytest.mark.slow
def test_tables_made_anew_are_those_of_the_new_code_whenever_it_is_stopped() -> None:
    braintorrent(*SWEEP, "--workers=2", "--out=out")
    edited("nn.ReLU()", "nn.Tanh()")
    braintorrent(*SWEEP, "--workers=2", "--out=calm")
    again = (*SWEEP, "--workers=2", "--out=out", "--accept-code")
    killed(again, "out", models=10)
    said = braintorrent(*again)
    assert tables("out") == tables("calm")
    assert Path("out/code/my_code.py").read_text() == Path("my_code.py").read_text()
    assert "finished already" not in said
    assert "finished already" in braintorrent(*again)


@pytest.mark.slow
def test_two_programs_do_not_mix_their_code_on_one_worker(cluster: Cluster) -> None:
    def run(name: str, *options: str) -> dict[str, bytes]:
        files = ("--code=my_code.py", "--code=my_data.py")
        braintorrent("run", "bright.yaml", *files, *options, f"--out={name}")
        return tables(name)

    on_it = f"--scheduler={cluster.file}"
    first, here = run("first", on_it), run("here", "--workers=0")
    Path("my_numbers.py").write_text("BRIGHT = 0.6\n")
    edited("nn.ReLU()", "nn.Tanh()")
    second, there = run("second", on_it), run("there", "--workers=0")
    assert (first, second) == (here, there)
    assert first["scores.parquet"] != second["scores.parquet"]
    code = Path("second/code")
    assert sorted(path.name for path in code.iterdir()) == [
        "my_code.py",
        "my_data.py",
        "my_numbers.py",
    ]
    record = json.loads(Path("second/run.json").read_text())
    assert record["operations"]["computed"] > 10
