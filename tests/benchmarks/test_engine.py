"""What a run costs beside the training that it does, and what a second worker brings."""

import statistics
from pathlib import Path

import pytest

from sim.scenario import load
from tests.benchmarks.bare import cnn
from tests.benchmarks.yardstick import bare_loop, bare_processes, whole_run, work_of

pytestmark = pytest.mark.benchmark
PAIRS = 3
# Convolutions, and seeds enough for more than a minute of training.
SCENARIO = ("no_faults", ["model={name: cnn}", "seeds=[0, 1]", "evaluation.every=2 min"])


def test_one_worker_against_a_bare_loop_and_two_against_one(tmp_path: Path) -> None:
    scenario = load(*SCENARIO)
    work = work_of(scenario)
    times = []
    for number in range(PAIRS):
        folder = tmp_path / str(number)
        folder.mkdir()
        times.append(
            (
                bare_loop(work, cnn),
                whole_run([scenario], 1, folder / "one"),
                whole_run([scenario], 2, folder / "two"),
            )
        )
    bare_s, one_s, two_s = (statistics.median(column) for column in zip(*times, strict=True))
    over = statistics.median(one / bare for bare, one, _ in times)
    share = statistics.median(two / one for _, one, two in times)
    print(
        f"\n{len(work.rounds):,} local rounds, {work.evaluations:,} evaluations: "
        f"bare loop {bare_s:.1f} s, "
        f"1 worker {one_s:.1f} s ({over:.3f}), 2 workers {two_s:.1f} s ({share:.3f} of 1 worker)"
    )
    assert over <= 1.08
    assert share <= 0.58


def test_a_second_worker_brings_what_a_second_process_brings(tmp_path: Path) -> None:
    scenario = load(*SCENARIO)
    work = work_of(scenario)
    shares = []
    for number in range(PAIRS):
        folder = tmp_path / str(number)
        folder.mkdir()
        ours = [whole_run([scenario], workers, folder / str(workers)) for workers in (1, 2)]
        bare = [bare_processes(work, processes) for processes in (1, 2)]
        shares.append((ours[1] / ours[0], bare[1] / bare[0]))
    our_share, bare_share = (statistics.median(column) for column in zip(*shares, strict=True))
    most = statistics.median(ours / bare for ours, bare in shares)
    print(f"\n2 workers take {our_share:.3f} of 1, 2 bare processes {bare_share:.3f}: {most:.3f}")
    assert most <= 1.1
