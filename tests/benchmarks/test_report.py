"""What a report of a large sweep comes to: its size, and the time to write it and to open it."""

import statistics
import time
from pathlib import Path

import pytest

from analysis.report.page import report
from tests.analysis.report.browser import CHROMIUM, NO_CHROMIUM, browser
from tests.benchmarks.large_sweep import synthesised

pytestmark = pytest.mark.benchmark
MEGABYTES, SECONDS = 8.0, 3.0


@pytest.mark.skipif(CHROMIUM is None, reason=NO_CHROMIUM)
def test_a_report_of_500_runs_is_small_and_opens_soon(tmp_path: Path) -> None:
    folder = synthesised(tmp_path / "sweep")
    started_s = time.perf_counter()
    page = report(folder)
    wrote_s = time.perf_counter() - started_s
    with browser(tmp_path / "profile") as window:
        # The first opening starts the browser, too.
        opened_s = [window.open(page) for _ in range(3)]
    megabytes = page.stat().st_size / 1e6
    times = ", ".join(f"{one:.1f}" for one in opened_s)
    print(f"\n500 runs: {megabytes:.1f} MB, written in {wrote_s:.1f} s, opened in {times} s")
    assert megabytes < MEGABYTES
    assert statistics.median(opened_s) < SECONDS
