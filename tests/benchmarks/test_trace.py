"""What a row of the trace costs, in time and in memory, against one that was an object."""

import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

from tests.benchmarks.before import ROOT, checkout

pytestmark = pytest.mark.benchmark
BEFORE = "8e9337e"
"""An object a row, until the run was over."""
PAIRS, ROWS = 3, 400_000


def measured(root: Path) -> dict[str, float]:
    """By what is measured, of each row, in a fresh process of the revision that lies in `root`."""
    command = [sys.executable, str(Path(__file__).with_name("trace_rows.py")), str(ROWS)]
    told = subprocess.check_output(command, env=os.environ | {"PYTHONPATH": str(root)})
    found: dict[str, float] = json.loads(told)
    print(
        f"\n{root.name}: {1e6 * found['s']:.1f} us a row with its table, {found['held']:.0f} bytes "
        f"held, {found['peak']:.0f} at the peak",
        flush=True,
    )
    return found


def test_a_row_takes_less_memory_and_less_time_than_an_object(tmp_path: Path) -> None:
    before = checkout(BEFORE, tmp_path)
    pairs = [(measured(before), measured(ROOT)) for _ in range(PAIRS)]
    ratios = {
        what: statistics.median(now[what] / then[what] for then, now in pairs)
        for what in ("s", "held", "peak")
    }
    print(f"\nagainst {BEFORE}: {ratios}")
    assert ratios["held"] < 0.7 and ratios["peak"] < 0.85 and ratios["s"] < 0.9
