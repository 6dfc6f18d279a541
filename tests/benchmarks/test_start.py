"""What a user waits for: whole processes, from the command to its end, with default options."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import pytest

from sim.scenario import load, restricted
from tests.benchmarks.before import ROOT, checkout
from tests.benchmarks.yardstick import work_of

pytestmark = pytest.mark.benchmark
BEFORE = "8e9337e"
"""Where each run started a worker a core, which imported PyTorch anew."""
PAIRS = 3
DEMO = ["server_crash", "--seed=0", "--seed=1", "--seed=2"]


@dataclass(frozen=True)
class Took:
    """Seconds of a whole process: until it ended, and of cores, its helpers' included."""

    wall_s: float
    core_s: float

    def __str__(self) -> str:
        return f"{self.wall_s:.1f} s ({self.core_s:.1f} s of cores)"


def took(command: Sequence[str], source: Path = ROOT, told: Path = Path(os.devnull)) -> Took:
    """What a Python program takes that finds the program of `source` and reads a file `told`."""
    started = time.perf_counter()
    with told.open("rb") as stdin:
        process = subprocess.Popen(
            [sys.executable, *command],
            cwd=source,
            env=os.environ | {"PYTHONPATH": str(source)},
            stdin=stdin,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, command
    return Took(time.perf_counter() - started, usage.ru_utime + usage.ru_stime)


def told(name: str, ones: Sequence[Took], others: Sequence[Took]) -> float:
    """Print the medians of interleaved pairs, and what one takes of the other; its wall share."""
    middle = [
        Took(median(each.wall_s for each in times), median(each.core_s for each in times))
        for times in (ones, others)
    ]
    pairs = list(zip(ones, others, strict=True))
    wall = median(one.wall_s / other.wall_s for one, other in pairs)
    core = median(one.core_s / other.core_s for one, other in pairs)
    print(f"\n{name}: {middle[0]} against {middle[1]}: {wall:.2f} ({core:.2f})")
    return wall


def run(out: Path, *arguments: str) -> list[str]:
    return ["-m", "braintorrent", "run", *arguments, f"--out={out}"]


@pytest.mark.parametrize(("clients", "duration"), [(10, "15 min"), (100, "5 min")])
def test_a_short_run_is_sooner_done_than_a_bare_loop(
    clients: int, duration: str, tmp_path: Path
) -> None:
    settings = [
        "model={name: cnn}",
        "task.partition={kind: iid}",
        f"clients.count={clients}",
        f"duration={duration}",
    ]
    work = work_of(restricted(load("no_faults", settings), ["fedavg"], [0]))
    asked = tmp_path / "asked.json"
    asked.write_text(json.dumps({"rounds": work.rounds, "evaluations": work.evaluations}))
    options = [*(f"--set={each}" for each in settings), "--protocol=fedavg", "--seed=0"]
    before = checkout(BEFORE, tmp_path / "before")
    bare, now, then = [], [], []
    for number in range(PAIRS):
        bare.append(took([str(ROOT / "tests/benchmarks/bare.py")], told=asked))
        now.append(took(run(tmp_path / f"now{number}", "no_faults", *options)))
        then.append(took(run(tmp_path / f"then{number}", "no_faults", *options), before))
    what = f"{clients} clients, {work.steps:,} steps, {work.evaluations} evaluations"
    told(f"{what}, before against a bare loop", then, bare)
    assert told(f"{what}, now against a bare loop", now, bare) <= 0.95


def test_the_demo_takes_little_more_than_half_of_what_it_took(tmp_path: Path) -> None:
    before = checkout(BEFORE, tmp_path / "before")
    now, then = [], []
    for number in range(PAIRS):
        now.append(took(run(tmp_path / f"now{number}", *DEMO)))
        then.append(took(run(tmp_path / f"then{number}", *DEMO), before))
    assert told("the demo, now against before", now, then) <= 0.6
