"""A sweep that is killed again and again ends with the bytes, and little more than the work, of one
that nobody disturbed.
"""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.sim.counting import JOURNAL, steps

KILLS = 20
ROOT = Path(__file__).parents[3]
# The command line, with workers that note each training.
PROGRAM = """
import sim.cli, sim.runs.session
from tests.sim.counting import CountingTraining

if __name__ == "__main__":
    sim.runs.training.Training = CountingTraining
    sim.cli.main()
"""
SWEEP = [
    *("sweep", "churn", "--vary=faults.churn.failure_rate=0 / h,4 / h", "--seeds=2"),
    *("--protocol=braintorrent", "--protocol=fedavg", "--workers=2"),
    *("--set=model={name: cnn}", "--set=duration=10 min"),
]


def started(script: Path, out: Path, journal: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, str(script), *SWEEP, f"--out={out}"],
        env={**os.environ, "PYTHONPATH": str(ROOT), JOURNAL: str(journal)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def tables(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*.parquet"))
    }


@pytest.mark.slow
def test_twenty_kills_cost_little_work_and_change_no_byte(tmp_path: Path) -> None:
    script = tmp_path / "program.py"
    script.write_text(PROGRAM)
    calm, calm_journal = tmp_path / "calm", tmp_path / "calm.txt"
    program = started(script, calm, calm_journal)
    _, said = program.communicate(timeout=300)
    assert program.returncode == 0, said.decode()

    killed, journal = tmp_path / "killed", tmp_path / "killed.txt"
    draws = random.Random(20)
    finished = 0
    for _ in range(KILLS):
        before = steps(journal)
        program = started(script, killed, journal)
        # Some die while they start, most amid training: an instant counted from the first of it.
        wait_s = draws.uniform(0, 1.2)
        if draws.random() < 0.75:
            while steps(journal) == before and program.poll() is None:
                time.sleep(0.01)
        time.sleep(wait_s)
        finished += program.poll() is not None
        program.send_signal(signal.SIGKILL)
        program.communicate()
    assert finished < KILLS // 2, "the sweep is too short to be killed"
    program = started(script, killed, journal)
    _, said = program.communicate(timeout=300)
    assert program.returncode == 0, said.decode()

    assert tables(killed) == tables(calm)
    assert len(tables(calm)) == 2 + 2 * 2
    assert steps(journal) <= 1.2 * steps(calm_journal)
