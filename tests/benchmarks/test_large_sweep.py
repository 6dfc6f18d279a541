"""A sweep of ten thousand runs: what the process that leads it needs, and how that grows."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

pytestmark = pytest.mark.benchmark

SEEDS = 5
# FedAvg's worlds all differ, if only by the instant of a crash.
TINY = [
    *("duration=2 min", "clients.count=2", "clients.step_time=0.5 s", "model.hidden=[4]"),
    "protocols.fedavg.deadline=1 min",
]
PROGRAM = """
import json, resource, sys, time
from pathlib import Path
from sim.cli import work
from sim.scenario import grid

points, seeds, settings, folder = json.loads(sys.argv[1])
at = ",".join(f"{1 + 0.01 * number:.2f} s" for number in range(points))
sweep = grid("server_crash", settings, [f"faults.server_crash.at={at}"], seeds, ["fedavg"])
parsed_s = time.process_time()
work.sweep(sweep, Path(folder), work.Means(workers=0, progress=False))
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps([parsed_s, time.process_time(), peak * 1024]))
"""


@dataclass(frozen=True)
class Cost:
    """Of the process that leads a sweep, and here does all of it; seconds of processor time."""

    parsed_s: float
    done_s: float
    peak_bytes: int


def swept(points: int, folder: Path) -> Cost:
    asked = json.dumps([points, SEEDS, TINY, str(folder)])
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, asked], check=True, capture_output=True, text=True
    )
    return Cost(*json.loads(done.stdout))


def test_ten_thousand_runs_fit_and_cost_what_their_number_says(tmp_path: Path) -> None:
    few, many, most = (swept(points, tmp_path / str(points)) for points in (20, 500, 2_000))
    for points, cost in ((20, few), (500, many), (2_000, most)):
        runs = points * SEEDS
        print(
            f"\n{runs:,} runs: {cost.peak_bytes / 2**20:.0f} MiB, parsed after {cost.parsed_s:.1f} "
            f"s, done after {cost.done_s:.0f} s ({1e3 * (cost.done_s - few.done_s) / runs:.1f} ms "
            "a run)"
        )
    assert most.peak_bytes < 2 * 2**30
    ratio = (most.done_s - many.done_s) / (many.done_s - few.done_s)
    assert ratio < 1.25 * (2_000 - 500) / (500 - 20)
