"""What sharing is worth: a sweep against the same runs made one by one, and against the past."""

import json
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.benchmarks.before import ROOT, checkout

pytestmark = pytest.mark.benchmark
AT = [f"{minutes} min" for minutes in range(3, 25, 3)]


def braintorrent(*arguments: str) -> float:
    """Wall seconds of a whole command."""
    started = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "braintorrent", *arguments], check=True, capture_output=True
    )
    return time.perf_counter() - started


BEFORE = "8e9337e"
"""Each point's worlds were played anew, in the parent."""
ROUNDS = 3
CRASHES = ("sweep", "server_crash", "--seeds=5", f"--vary=faults.server_crash.at={','.join(AT)}")


def took(tree: Path, *arguments: str) -> tuple[float, float]:
    """Wall seconds of a whole command of a revision, and processor seconds."""
    before, started_s = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    command = [sys.executable, "-m", "braintorrent", *arguments]
    subprocess.run(command, check=True, capture_output=True, cwd=tree)
    wall_s, after = time.perf_counter() - started_s, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall_s, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def control_s(tree: Path) -> float:
    """Processor seconds of a sweep's control planes: a dry run's, less all that isn't played."""
    dry = (*CRASHES, "--dry-run", "--workers=0")
    return took(tree, *dry)[1] - took(tree, *dry, "--set=duration=1 s")[1]


def test_worlds_that_cannot_differ_are_played_once(tmp_path: Path) -> None:
    trees = {"before": checkout(BEFORE, tmp_path / "before"), "now": ROOT}
    control: dict[str, list[float]] = {name: [] for name in trees}
    whole: dict[str, list[float]] = {name: [] for name in trees}
    for number in range(ROUNDS):
        for name, tree in trees.items():
            control[name].append(control_s(tree))
            out = tmp_path / f"{name}_{number}"
            whole[name].append(took(tree, *CRASHES, "--workers=2", f"--out={out}")[0])
    control_ratio, whole_ratio = (
        statistics.median(now / then for then, now in zip(each["before"], each["now"], strict=True))
        for each in (control, whole)
    )
    print(
        f"\n8 crash times x 5 seeds x 4 protocols: control planes {control_ratio:.2f} of the "
        f"processor time before ({control}), the sweep {whole_ratio:.2f} of the wall time ({whole})"
    )
    assert control_ratio <= 0.25
    assert whole_ratio <= 0.6


def operations(folder: Path) -> dict[str, int]:
    found: dict[str, int] = json.loads((folder / "sweep.json").read_text())["operations"]
    return found


def test_crash_times_share_most_of_their_work(tmp_path: Path) -> None:
    sweep_s = braintorrent(
        *("sweep", "server_crash", "--seeds=5", "--workers=2", f"--out={tmp_path / 'sweep'}"),
        f"--vary=faults.server_crash.at={','.join(AT)}",
    )
    alone_s = 0.0
    for number, at in enumerate(AT):
        alone_s += braintorrent(
            *("run", "server_crash", "--set=seeds=[0, 1, 2, 3, 4]", "--workers=2"),
            *(f"--set=faults.server_crash.at={at}", f"--out={tmp_path / str(number)}"),
        )
    done = operations(tmp_path / "sweep")
    share = done["computed"] / done["asked"]
    print(
        f"\n8 crash times x 5 seeds x 4 protocols: {done['computed']:,} of {done['asked']:,} "
        f"operations computed ({share:.0%}); sweep {sweep_s:.0f} s, one by one {alone_s:.0f} s "
        f"({sweep_s / alone_s:.0%})"
    )
    assert share <= 0.35
    assert sweep_s <= 0.40 * alone_s


def test_failure_rates_share_their_references(tmp_path: Path) -> None:
    rates = "0 / h,1 / h,2 / h,4 / h,8 / h,16 / h"
    braintorrent(
        *("sweep", "churn", f"--vary=faults.churn.failure_rate={rates}", "--seeds=5"),
        *("--workers=2", f"--out={tmp_path}"),
    )
    done = operations(tmp_path)
    print(
        f"\n6 failure rates x 5 seeds: {done['computed']:,} of {done['asked']:,} operations "
        f"computed ({done['computed'] / done['asked']:.0%}), "
        f"{done['steps_computed']:,} of {done['steps_asked']:,} steps"
    )
