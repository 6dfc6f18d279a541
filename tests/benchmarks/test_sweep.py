"""What sharing is worth: a sweep against the same runs made one by one."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.benchmark
AT = [f"{minutes} min" for minutes in range(3, 25, 3)]


def braintorrent(*arguments: str) -> float:
    """Wall seconds of a whole command."""
    started = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "braintorrent", *arguments], check=True, capture_output=True
    )
    return time.perf_counter() - started


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
