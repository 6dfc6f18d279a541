"""A kind is one file and one line in a dict, wherever the file lies; and all answer cheaply."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pytest
import torch

from models.bits import fingerprint
from models.bits.fingerprint import Outside
from models.learner import Learner, LearnerSpec
from models.networks import NETWORKS, ModelSettings
from models.partitions import PARTITIONS
from models.tasks import TASKS, TaskSettings
from models.training import TrainingSettings
from sim.record.settings import OneOf, Settings
from tests.outside.forgetful import Forgetful
from tests.outside.halves import Halves
from tests.outside.turns import Turns

TRAINING = TrainingSettings(learning_rate=0.5, batch_size=5, local_epochs=4)
OUTSIDE: dict[str, dict[str, Any]] = {
    "task": {"name": "halves", "partition": {"kind": "turns"}},
    "model": {"name": "forgetful"},
}


class Described(Settings):
    task: Annotated[TaskSettings, OneOf(TASKS, "name")]
    model: Annotated[ModelSettings, OneOf(NETWORKS, "name")]


@pytest.fixture
def spec(monkeypatch: pytest.MonkeyPatch) -> LearnerSpec:
    """Of kinds that are registered here alone."""
    monkeypatch.setitem(TASKS, "halves", Halves)
    monkeypatch.setitem(NETWORKS, "forgetful", Forgetful)
    monkeypatch.setitem(PARTITIONS, "turns", Turns)
    described = Described.model_validate(OUTSIDE)
    assert described.model_dump()["task"] == {**OUTSIDE["task"], "data_seed": 0, "width": 8}
    return LearnerSpec(described.task, described.model, TRAINING, 4, 1)


def test_kinds_from_outside_are_learned(spec: LearnerSpec) -> None:
    learner = Learner(spec)
    assert learner.samples == (8, 8, 7, 7)
    assert learner.label_shares is None
    model = learner.initial()
    before = learner.scores(model)["error"]
    for local_round in range(5):
        model = learner.trained(model, 0, local_round)
    assert learner.scores(model)["error"] < before


def test_random_layers_draw_the_same_whoever_asks_and_whatever_went_before(
    spec: LearnerSpec,
) -> None:
    one, other = Learner(spec), Learner(spec)
    base = one.initial()
    first = one.trained(base, 0, 0)
    torch.rand(1)
    assert other.scores(first) == one.scores(first)
    assert other.trained(base, 0, 0).tobytes() == first.tobytes()
    # Each local round has draws of its own: with one batch an epoch, its order changes nothing.
    whole = TRAINING.model_copy(update={"batch_size": 8})
    learner = Learner(LearnerSpec(spec.task, spec.model, whole, 4, 1))
    assert not np.allclose(learner.trained(base, 0, 0), learner.trained(base, 0, 1), atol=1e-2)


def test_the_code_of_kinds_from_outside_is_in_the_name(
    spec: LearnerSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert spec.outside.modules == (
        "tests.outside.forgetful",
        "tests.outside.halves",
        "tests.outside.turns",
    )
    inside = Described.model_validate(
        {"task": {"name": "digits", "partition": {"kind": "turns"}}, "model": {"name": "mlp"}}
    )
    found = fingerprint.outside_of(inside.task, inside.model)
    assert found == Outside(modules=("tests.outside.turns",))
    monkeypatch.syspath_prepend(tmp_path)

    def named(code: str) -> str:
        (tmp_path / "a_kind.py").write_text(code)
        fingerprint._added.cache_clear()
        return fingerprint.fingerprint(TRAINING, (), Outside(modules=("a_kind",)))

    names = [named(code) for code in ("x = 1\n", "x = 2\n", "x = 1  # one\n")]
    assert names[0] == names[2] != names[1]
    assert fingerprint.fingerprint(TRAINING, ()) not in names


def test_settings_are_checked_without_what_is_slow() -> None:
    program = (
        "import sys; import models.networks, models.partitions, models.tasks, models.training; "
        "slow = {'torch', 'sklearn', 'pandas', 'scipy', 'monai', 'nibabel', 'torchio'}; "
        "print(slow & set(sys.modules))"
    )
    found: Any = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert found.stdout == "set()\n"
