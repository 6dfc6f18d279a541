"""Digits through the whole program: data of each run's own, scores on each client's own kind."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from models.bits import generator
from models.learner import Learner
from sim.cli import app
from sim.record.metrics import class_metric
from sim.record.rows import ScoreRow
from sim.runs.data import learner_spec
from sim.scenario import load
from tests.tables import read_scores

SCENARIO = """\
name: own
duration: 30 s
seeds: [0, 1]
task: {name: digits, data_seed: run, partition: {kind: dirichlet, alpha: 0.3}}
model: {name: mlp, hidden: [4]}
training: {learning_rate: 0.05, batch_size: 32, local_epochs: 1}
clients: {count: 3, step_time: 0.1 s}
network: {latency: 20 ms, uplink: 20 Mbit/s, downlink: 100 Mbit/s}
server: {uplink: 1 Gbit/s, downlink: 1 Gbit/s, aggregation_time: 1 s}
protocols: {braintorrent: {}, fedavg: {deadline: 20 s}, pooled: {}, local: {}}
evaluation: {every: 15 s}
"""
NAMES = {"accuracy", "loss"}
OWN_NAMES = NAMES | {"accuracy_own_site", "loss_own_site"}


def run(home: Path, name: str, *changes: str) -> list[ScoreRow]:
    (home / "own.yaml").write_text(SCENARIO)
    options = [f"--set={change}" for change in changes]
    command = ["run", str(home / "own.yaml"), "--workers=0", f"--out={home / name}", *options]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    return read_scores(home / name)


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> list[ScoreRow]:
    return run(tmp_path_factory.mktemp("own"), "run")


def test_clients_alone_have_scores_on_their_own_kind_of_data(rows: list[ScoreRow]) -> None:
    found: dict[tuple[str, str], set[str]] = {}
    for row in rows:
        found.setdefault((row.protocol, row.node), set()).add(row.metric)
    assert len(found) == 4 + 5 + 2 + 4
    for (_, node), metrics in found.items():
        assert metrics == (OWN_NAMES if node.startswith("client_") else NAMES)


@pytest.mark.parametrize("seed", [0, 1])
def test_classes_weigh_as_in_the_client_s_training_data(
    rows: list[ScoreRow], seed: int, tmp_path: Path
) -> None:
    (tmp_path / "own.yaml").write_text(SCENARIO)
    spec = learner_spec(load(tmp_path / "own.yaml"), "local", seed)
    assert spec.task.drawn_by == seed
    learner, task = Learner(spec), spec.task.load(3, lambda line: None)
    initial = learner.scores(learner.initial())
    parts = spec.task.deal(task, 3, generator(seed, "data_partition"))
    for client, part in enumerate(parts):
        # Each training sample asks: how good are held-out samples of my class?
        labels = task.labels[part].tolist()
        for metric in NAMES:
            wanted = np.mean([initial[class_metric(metric, label)] for label in labels])
            (value,) = {
                row.value
                for row in rows
                if (row.seed, row.time_s, row.node) == (seed, 0.0, f"client_{client}")
                if row.metric == f"{metric}_own_site"
            }
            assert value == pytest.approx(float(wanted))


def test_a_run_s_own_data_are_those_of_its_seed(rows: list[ScoreRow], tmp_path: Path) -> None:
    of_one = [row for row in rows if row.seed == 1]
    assert run(tmp_path, "same", "task.data_seed=1", "seeds=[1]") == of_one
    assert run(tmp_path, "other", "task.data_seed=0", "seeds=[1]") != of_one
