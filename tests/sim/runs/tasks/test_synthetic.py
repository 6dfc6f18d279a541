"""Made data from the command line: as many clients as wanted, each judged on what it has."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from models.learner import Learner
from sim.cli import app
from sim.record.metrics import site_metric
from sim.runs.data import learner_spec
from sim.scenario import load
from tests.tables import read_scores

CHANGES = ["duration=20 s", "evaluation.every=10 s", "seeds=[3]", "task.samples=30"]


def run(out: Path, *changes: str) -> None:
    options = [f"--set={change}" for change in (*CHANGES, *changes)]
    done = CliRunner().invoke(app, ["run", "synthetic", "--workers=0", f"--out={out}", *options])
    assert done.exit_code == 0, done.output


def test_clients_are_scored_on_their_own_samples(tmp_path: Path) -> None:
    run(tmp_path, "clients.count=4")
    learner = Learner(learner_spec(load("synthetic", [*CHANGES, "clients.count=4"]), "local", 3))
    assert learner.samples == (24,) * 4
    initial = learner.scores(learner.initial())
    found = {
        row.node: row.value
        for row in read_scores(tmp_path)
        if (row.protocol, row.time_s, row.metric) == ("local", 0.0, "loss_own_site")
    }
    assert found == {
        f"client_{client}": pytest.approx(initial[site_metric("loss", client)])
        for client in range(4)
    }
    assert len(set(found.values())) == 4


def test_a_hundred_and_one_clients_are_scored_by_class(tmp_path: Path) -> None:
    run(tmp_path, "clients.count=101", "protocols={local: {}}", "duration=1 s")
    rows = read_scores(tmp_path)
    assert len({row.node for row in rows if row.metric == "accuracy_own_site"}) == 101
    assert not any("@" in row.metric or "#" in row.metric for row in rows)
