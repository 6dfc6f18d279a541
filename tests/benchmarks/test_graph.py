"""A graph of ten million operations: what it costs to name, demand and schedule, and its memory."""

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
"""Names in sets of texts, a future for each score that was ever demanded."""
PAIRS, FEW, MANY = 3, 300_000, 10_000_000


class Measured:
    """A sweep's operations in a fresh process, of the revision that lies in `root`."""

    def __init__(self, root: Path, count: int) -> None:
        command = [sys.executable, str(Path(__file__).with_name("operations.py")), str(count)]
        environment = os.environ | {"PYTHONPATH": str(root)}
        told = json.loads(subprocess.check_output(command, env=environment))
        assert told["named"] == told["done"] > count
        self.each_us = 1e6 * told["cpu_s"] / told["done"]
        self.own_bytes = told["bytes"]
        self.each_bytes = told["bytes"] / told["done"]
        print(
            f"\n{root.name}: {told['done']:,} operations, {self.each_us:.1f} us of processor each, "
            f"peak {told['bytes'] / (1 << 20):,.0f} MiB, {self.each_bytes:.0f} bytes each",
            flush=True,
        )


def test_ten_million_operations_fit_in_three_gib_and_cost_no_more_time(tmp_path: Path) -> None:
    before = checkout(BEFORE, tmp_path)
    pairs = [(Measured(before, FEW), Measured(ROOT, FEW)) for _ in range(PAIRS)]
    ratio = statistics.median(now.each_us / then.each_us for then, now in pairs)
    print(f"\ntime of each against {BEFORE}: {ratio:.2f}")
    many = Measured(ROOT, MANY)
    assert ratio < 1.05
    assert many.own_bytes < 3 << 30
    assert many.each_bytes < 300
