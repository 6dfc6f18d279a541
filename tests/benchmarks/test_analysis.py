"""What it takes to load a large sweep: seconds and memory of a process that does nothing else."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.benchmarks.large_sweep import CLIENTS, EVENTS, LOOKS, synthesised

pytestmark = pytest.mark.benchmark
SECONDS, MIB = 3.0, 500

LOADED = """
import json, resource, sys, time
from analysis.loading import load
base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
started_s = time.perf_counter()
found = load(sys.argv[1])
rows = len(found.scores()), len(found.trace())
took_s = time.perf_counter() - started_s
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps([len(found.runs), *rows, took_s, base / 1024, peak / 1024]))
"""


def test_a_sweep_of_500_runs_loads(tmp_path: Path) -> None:
    folder = synthesised(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", LOADED, folder], check=True, capture_output=True, text=True
    )
    runs, score_rows, trace_rows, took_s, base_mib, peak_mib = json.loads(done.stdout)
    print(
        f"\n{runs} runs, {score_rows:,} scores and {trace_rows:,} trace rows: "
        f"{took_s:.1f} s, peak {peak_mib:.0f} MiB, of which imports {base_mib:.0f}"
    )
    assert (runs, score_rows, trace_rows) == (500, 500 * LOOKS * (CLIENTS + 2) * 2, 500 * EVENTS)
    assert took_s < SECONDS and peak_mib < MIB
