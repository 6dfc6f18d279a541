"""A sweep that is killed again and again, or its processes are, ends with the bytes, and little
more than the work, of one that nobody disturbed, and leaves no process behind.

Ten kills in the slow tests, fifty in the long ones.
"""

import itertools
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from sim.cli.terminal import EXIT_FAILED
from tests.sim.compute.clusters import Cluster
from tests.sim.compute.left import children, lives
from tests.sim.counting import JOURNAL, steps

ROOT = Path(__file__).parents[3]
# The command line, with workers that note each training.
PROGRAM = """
import sim.cli, sim.runs.session
from tests.sim.counting import CountingTraining

if __name__ == "__main__":
    sim.runs.training.Training = CountingTraining
    sim.cli.main()
"""
CLUSTER_KILLS = 11
SWEEP = [
    *("sweep", "churn", "--vary=faults.churn.failure_rate=0 / h,4 / h", "--seeds=2"),
    *("--protocol=braintorrent", "--protocol=fedavg", "--workers=2"),
    *("--set=model={name: cnn}", "--set=duration=10 min"),
]


def few_or_many(few: int, many: int) -> pytest.MarkDecorator:
    """How often something is killed."""
    several = [
        pytest.param(few, marks=pytest.mark.slow),
        pytest.param(many, marks=pytest.mark.long),
    ]
    return pytest.mark.parametrize("kills", several)


def started(script: Path, out: Path, journal: Path, *options: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, str(script), *SWEEP, f"--out={out}", *options],
        env={**os.environ, "PYTHONPATH": str(ROOT), JOURNAL: str(journal)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def tables(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*.parquet"))
    }


def of_it(journal: Path) -> list[int]:
    """The processes that live and were given this journal."""
    told = f"{JOURNAL}={journal}".encode()
    found = []
    for environ in Path("/proc").glob("[0-9]*/environ"):
        process = int(environ.parent.name)
        with suppress(OSError):
            if told in environ.read_bytes().split(b"\0") and lives(process):
                found.append(process)
    return found


def left_behind(journal: Path) -> list[int]:
    """Those that still live after a while."""
    deadline = time.monotonic() + 20
    while (found := of_it(journal)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return found


@dataclass(frozen=True)
class Calm:
    """The sweep that nobody disturbs."""

    script: Path
    folder: Path
    steps: int


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Calm:
    home = tmp_path_factory.mktemp("calm")
    script, folder, journal = home / "program.py", home / "results", home / "journal"
    script.write_text(PROGRAM)
    end(started(script, folder, journal))
    return Calm(script, folder, steps(journal))


def end(program: subprocess.Popen[bytes]) -> None:
    """Let it come to its end."""
    _, said = program.communicate(timeout=900)
    assert program.returncode == 0, said.decode()


@few_or_many(4, 15)
def test_kills_cost_little_work_and_change_no_byte(calm: Calm, tmp_path: Path, kills: int) -> None:
    killed, journal = tmp_path / "killed", tmp_path / "killed.txt"
    draws = random.Random(20)
    finished = 0
    for _ in range(kills):
        program = started(calm.script, killed, journal)
        wait(draws, program, journal)
        finished += program.poll() is not None
        program.send_signal(signal.SIGKILL)
        program.communicate()
        assert left_behind(journal) == []
    assert finished <= kills // 2, "the sweep is too short to be killed"
    end(started(calm.script, killed, journal))

    assert tables(killed) == tables(calm.folder)
    assert len(tables(calm.folder)) == 2 + 2 * 2
    assert steps(journal) <= 1.2 * calm.steps


def server(program: int) -> list[int]:
    """The process that forks the program's workers."""
    return children(program)


def workers(program: int) -> list[int]:
    """Those of them that live."""
    return [worker for each in server(program) for worker in children(each)]


@few_or_many(3, 12)
@pytest.mark.parametrize("victims", [server, workers])
def test_kills_of_its_processes_change_no_byte_either(
    victims: Callable[[int], list[int]], calm: Calm, tmp_path: Path, kills: int
) -> None:
    draws = random.Random(21)
    killed = number = 0
    while killed < kills:
        folder, journal = tmp_path / f"{number}", tmp_path / f"{number}.txt"
        code = None
        # It fails where one operation was hit three times: the same command continues.
        while code != 0:
            program = started(calm.script, folder, journal)
            while program.poll() is None:
                wait(draws, program, journal)
                killed += killed < kills and is_killed(victims(program.pid), draws)
            _, said = program.communicate()
            code = program.returncode
            assert code in (0, EXIT_FAILED), said.decode()
            assert left_behind(journal) == []
        assert tables(folder) == tables(calm.folder)
        number += 1


@pytest.mark.long
def test_kills_of_a_cluster_s_workers_change_no_byte_either(calm: Calm, tmp_path: Path) -> None:
    draws, journal = random.Random(22), tmp_path / "journal"
    cluster = Cluster(tmp_path / "cluster", **{JOURNAL: str(journal)})
    names = map(str, itertools.count())
    try:
        for _ in range(2):
            cluster.add_worker(next(names))
        killed = number = 0
        while killed < CLUSTER_KILLS:
            folder, code = tmp_path / f"{number}", None
            while code != 0:
                program = started(calm.script, folder, journal, f"--scheduler={cluster.address}")
                while program.poll() is None:
                    wait(draws, program, journal)
                    alive = [each.pid for each in cluster.workers.values() if each.poll() is None]
                    if killed < CLUSTER_KILLS and steps(journal) and is_killed(alive, draws):
                        killed += 1
                        cluster.add_worker(next(names))
                _, said = program.communicate()
                code = program.returncode
                assert code in (0, EXIT_FAILED), said.decode()
            assert tables(folder) == tables(calm.folder)
            number += 1
    finally:
        cluster.end()


def wait(draws: random.Random, program: subprocess.Popen[bytes], journal: Path) -> None:
    """Until a random instant: mostly some time after the next training, else of the start, too."""
    wait_s = draws.uniform(0, 0.3)
    if draws.random() < 0.75:
        before = steps(journal)
        while steps(journal) == before and program.poll() is None:
            time.sleep(0.01)
    time.sleep(wait_s)


def is_killed(processes: list[int], draws: random.Random) -> bool:
    """Whether one of them could be killed."""
    with suppress(ProcessLookupError, IndexError):
        os.kill(draws.choice(processes), signal.SIGKILL)
        return True
    return False
