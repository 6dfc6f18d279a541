"""The same scenario gives the same bytes, whoever computes it and wherever it is written."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sim.cli import app
from sim.protocols import PROTOCOLS
from tests.tables import read_scores
from tests.worlds import least

SMALL = [
    "--set=duration=3 min",
    "--set=clients.count=4",
    "--set=faults.churn.failure_rate=30 / h",
    "--set=network.packet_loss=0.05",
    "--seed=0",
    "--seed=1",
]
ROOT = Path(__file__).parents[1]
TABLES = ("scores.parquet", "trace.parquet")


def tables(folder: Path, workers: int | str, scenario: str = "churn", *options: str) -> list[bytes]:
    arguments = ["run", scenario, *options, f"--workers={workers}", f"--out={folder}"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    return [(folder / name).read_bytes() for name in TABLES]


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[bytes]]:
    folder = tmp_path_factory.mktemp("results") / "first"
    return folder, tables(folder, 0, "churn", *SMALL)


@pytest.mark.parametrize("workers", [0, 1, 2, "auto"])
def test_same_bytes_with_any_number_of_workers(
    workers: int | str, expected: tuple[Path, list[bytes]], tmp_path: Path
) -> None:
    assert tables(tmp_path / "renamed", workers, "churn", *SMALL) == expected[1]


def test_same_bytes_from_the_resolved_scenario(
    expected: tuple[Path, list[bytes]], tmp_path: Path
) -> None:
    resolved = expected[0] / "scenario.yaml"
    assert tables(tmp_path / "again", 0, str(resolved)) == expected[1]


@pytest.mark.slow
def test_same_bytes_from_another_process(
    expected: tuple[Path, list[bytes]], tmp_path: Path
) -> None:
    # Sets and hashes of strings are in another order there.
    command = [sys.executable, "-m", "braintorrent", "run", "churn", *SMALL, "--workers=0"]
    subprocess.run(
        [*command, f"--out={tmp_path / 'other'}"],
        env={**os.environ, "PYTHONHASHSEED": "12345"},
        cwd=Path(__file__).parents[1],
        check=True,
        capture_output=True,
    )
    assert [(tmp_path / "other" / name).read_bytes() for name in TABLES] == expected[1]


def test_same_bytes_in_a_renamed_folder(expected: tuple[Path, list[bytes]], tmp_path: Path) -> None:
    renamed = tmp_path / "renamed"
    shutil.copytree(expected[0], renamed)
    assert tables(renamed, 0, "churn", *SMALL) == expected[1]
    (renamed / "run.json").unlink()  # Unfinished: done again.
    assert tables(renamed, 0, "churn", *SMALL) == expected[1]


def test_a_run_stops_when_its_score_is_reached_at_the_same_look(tmp_path: Path) -> None:
    goal = "--set=stop_when={metric: accuracy, value: 0.3, of: aggregate}"
    options = ("--set=clients.count=4", goal, "--seed=0", "--protocol=braintorrent")
    alone = tables(tmp_path / "alone", 0, "no_faults", *options)
    assert tables(tmp_path / "pool", 2, "no_faults", *options) == alone
    scores = read_scores(tmp_path / "alone")
    reached = [r for r in scores if r[3] == "aggregate" and r.metric == "accuracy_validation"]
    assert reached[-1].value >= 0.3
    assert all(row.value < 0.3 for row in reached[:-1])
    assert 0 < reached[-1].time_s < 1800


@pytest.mark.slow
@pytest.mark.parametrize("kind", PROTOCOLS)
def test_every_protocol_has_the_same_bytes_with_any_number_of_workers(
    kind: str, tmp_path: Path
) -> None:
    only = ["--set=protocols=" + json.dumps({"it": least(kind)})]
    here = tables(tmp_path / "here", 0, "churn", *SMALL, *only)
    assert tables(tmp_path / "two", 2, "churn", *SMALL, *only) == here


BATCHED = [*SMALL, "--set=training.arithmetic=batched"]


@pytest.mark.slow
def test_batched_results_have_the_same_bytes_whatever_computes_them(tmp_path: Path) -> None:
    here = tables(tmp_path / "here", 0, "churn", *BATCHED)
    assert tables(tmp_path / "two", 2, "churn", *BATCHED) == here
    # Beside other seeds and another failure rate, a round stands in other groups.
    arguments = ["sweep", "churn", *SMALL[:2], *SMALL[3:4], "--set=training.arithmetic=batched"]
    rates = "--vary=faults.churn.failure_rate=10 / h,30 / h"
    folder = tmp_path / "sweep"
    done = CliRunner().invoke(app, [*arguments, rates, "--seeds=2", f"--out={folder}"])
    assert done.exit_code == 0, done.output
    point = folder / "runs" / "churn.failure_rate-30perh"
    assert [(point / name).read_bytes() for name in TABLES] == here


@pytest.mark.slow
def test_a_batched_run_that_was_killed_ends_with_the_same_bytes(tmp_path: Path) -> None:
    killed = tmp_path / "killed"
    command = [sys.executable, "-m", "braintorrent", "run", "churn", *BATCHED, "--workers=2"]
    program = subprocess.Popen([*command, f"--out={killed}"], cwd=ROOT, stderr=subprocess.DEVNULL)
    while len(list(killed.glob("store/models/*/*.npy"))) < 20 and program.poll() is None:
        time.sleep(0.01)
    program.kill()
    program.wait()
    assert not (killed / "run.json").exists(), "the run is too short to be killed"
    assert list(killed.glob("store/models/*/*.npy")), "nothing is left to continue from"
    assert tables(killed, 2, "churn", *BATCHED) == tables(tmp_path / "calm", 0, "churn", *BATCHED)


@pytest.mark.slow
def test_the_bit_classes_agree_on_the_accuracy_within_its_spread_over_seeds(
    tmp_path: Path,
) -> None:
    scores = {}
    for arithmetic in ("exact", "batched"):
        folder = tmp_path / arithmetic
        setting = f"--set=training.arithmetic={arithmetic}"
        tables(folder, 2, "no_faults", "--set=duration=10 min", setting)
        rows = read_scores(folder)
        end_s = max(row.time_s for row in rows)
        scores[arithmetic] = {
            (row.protocol, row.seed): row.value
            for row in rows
            if row.node in ("aggregate", "pooled")
            and row.metric == "accuracy"
            and row.time_s == end_s
        }
    exact, batched = scores["exact"], scores["batched"]
    assert exact.keys() == batched.keys()
    assert len(exact) >= 4 * 3
    for protocol in {protocol for protocol, _ in exact}:
        one, other = (
            [value for (name, _), value in each.items() if name == protocol]
            for each in (exact, batched)
        )
        spread = max(one) - min(one)
        assert abs(sum(one) - sum(other)) / len(one) <= spread
