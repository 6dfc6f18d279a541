"""The time per event of control planes, against the revision before it was looked after."""

import json
import os
import statistics
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from tests.benchmarks.before import ROOT, checkout

pytestmark = pytest.mark.benchmark
BEFORE = "8e9337e"
SCRIPT = Path(__file__).with_name("events.py")
TIMES = 5


def event_us(root: Path) -> dict[str, float]:
    """Processor time per event, in microseconds, by case; in a fresh process of that revision."""
    told = subprocess.run(
        [sys.executable, str(SCRIPT)],
        cwd=root,
        env=os.environ | {"PYTHONPATH": str(root)},
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    lines = map(json.loads, told.splitlines())
    return {case: 1e6 * cpu_s / events for case, cpu_s, events in lines}


def test_an_event_takes_less_than_before(tmp_path: Path) -> None:
    before = checkout(BEFORE, tmp_path)
    ratios: dict[str, list[float]] = defaultdict(list)
    for _ in range(TIMES):  # In turns, since the machine may be shared.
        old, new = event_us(before), event_us(ROOT)
        for case in new:
            ratios[case].append(new[case] / old[case])
            print(f"\n{case}: {old[case]:.1f} us an event before, {new[case]:.1f} now", flush=True)
    medians = {case: statistics.median(each) for case, each in ratios.items()}
    print(f"\n{medians}", flush=True)
    assert all(median < 0.9 for median in medians.values()), medians
