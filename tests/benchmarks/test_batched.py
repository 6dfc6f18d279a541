"""What training small networks together is worth, against a plain loop over the same steps."""

import statistics
import time
from pathlib import Path

import pytest

from sim.scenario import Scenario, grid
from tests.benchmarks.bare import cnn, mlp
from tests.benchmarks.yardstick import bare_loop, whole_run, work_of

pytestmark = pytest.mark.benchmark
PAIRS, WORKERS = 3, 2
# The bare loop takes minutes: one round in so many is enough to know what it takes.
BARE_EVERY = 8
SHORT = "{learning_rate: 0.05, batch_size: 32, local_epochs: 2, arithmetic: batched}"
# Then training is what a run takes, rather than the names and files of its models.
LONG = "{learning_rate: 0.05, batch_size: 32, local_steps: 100, arithmetic: batched}"
LEAST = ("duration=5 min", "protocols={local: {}}")


def sweep(network: str, training: str, seeds: int, *overrides: str) -> list[Scenario]:
    """Three failure rates by some seeds, twenty clients, all protocols."""
    settings = [f"model={{name: {network}}}", f"training={training}", "clients.count=20"]
    rates = "faults.churn.failure_rate=0 / h,4 / h,8 / h"
    found = grid("churn", [*settings, "evaluation.every=5 min", *overrides], [rates], seeds=seeds)
    return [point.scenario for point in found.points]


@pytest.mark.parametrize(
    ("network", "training", "seeds", "at_least"),
    [("mlp", LONG, 20, 10.0), ("cnn", LONG, 10, 4.0), ("mlp", SHORT, 10, 1.0)],
    ids=["mlp", "cnn", "mlp with short rounds"],
)
def test_a_sweep_in_batched_arithmetic(
    tmp_path: Path, network: str, training: str, seeds: int, at_least: float
) -> None:
    wanted = sweep(network, training, seeds)
    work = work_of(*wanted)
    # One short run: what it takes is the compiler, and later finding what that has made; and in
    # exact arithmetic the start of the workers alone.
    least = sweep(network, training, 1, *LEAST)[:1]
    first_s = time.perf_counter()
    whole_run(least, WORKERS, tmp_path / "first")
    first_s = time.perf_counter() - first_s
    exact = sweep(network, training.replace("batched", "exact"), 1, *LEAST)[:1]
    start_s = whole_run(exact, WORKERS, tmp_path / "exact")
    compiling_s = whole_run(least, WORKERS, tmp_path / "again") - start_s
    times = []
    for number in range(PAIRS):
        bare_s = bare_loop(work, {"mlp": mlp, "cnn": cnn}[network], BARE_EVERY)
        times.append((bare_s, whole_run(wanted, WORKERS, tmp_path / str(number))))
    ratio = statistics.median(bare / (ours - compiling_s) for bare, ours in times)
    bare_s, ours_s = (statistics.median(column) for column in zip(*times, strict=True))
    print(
        f"\n{network}: {len(work.rounds):,} local rounds, {work.steps:,} steps: bare loop "
        f"{bare_s:.1f} s, {WORKERS} workers {ours_s:.1f} s of which {start_s:.1f} s start the "
        f"workers and {compiling_s:.1f} s find compiled code ({first_s:.1f} s for both the first "
        f"time): {bare_s / ours_s:.1f} times as fast in all, {ratio:.1f} times without compiling"
    )
    assert ratio >= at_least
