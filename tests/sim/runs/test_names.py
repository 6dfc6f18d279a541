"""What a result is named by: a loss of the user's own names models, a metric scores alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from models.learner import LearnerSpec
from models.networks import MlpSettings
from models.partitions import IidSettings
from models.tasks import DigitsSettings
from models.training import TrainingSettings
from sim.record.code import NO_CODE, activate, read
from sim.runs.data import _judges_name, _models_name

CODE = """\
def missed(outputs, labels):
    return float((outputs.argmax(axis=1) != labels).mean())


def doubled(outputs, labels):
    return 2 * (outputs[:, 0] - labels) ** 2
"""


@pytest.fixture(autouse=True)
def nothing_else() -> Iterator[None]:
    yield
    activate(NO_CODE)


def test_a_setting_that_changes_no_step_is_no_part_of_a_name() -> None:
    task = DigitsSettings(name="digits", partition=IidSettings(kind="iid"))
    plain = TrainingSettings(learning_rate=0.1, batch_size=8, local_epochs=1)

    def named(**changes: Any) -> str:
        training = TrainingSettings(**(plain.model_dump() | changes))
        return _models_name(LearnerSpec(task, MlpSettings(name="mlp"), training, 2, 0), "the data")

    assert named() == named(momentum=0.5) == named(proximal=0.0)
    others = [named(optimizer="momentum", momentum=0.5), named(optimizer="momentum"),
              named(proximal=0.1), named(proximal=0.2)]  # fmt: skip
    assert len({named(), *others}) == 5


def names(folder: Path, code: str) -> tuple[str, str]:
    """Of models and of scores."""
    (folder / "my_code.py").write_text(code)
    activate(read([str(folder / "my_code.py")]))
    task = DigitsSettings(
        name="digits",
        partition=IidSettings(kind="iid"),
        metrics=("my_code.missed",),
        loss="my_code.doubled",
    )
    training = TrainingSettings(learning_rate=0.1, batch_size=8, local_epochs=1)
    spec = LearnerSpec(task, MlpSettings(name="mlp"), training, 2, 0)
    assert spec.outside.definitions == ("my_code.doubled", "my_code.missed")
    return _models_name(spec, "the data"), _judges_name(spec)


def test_each_is_named_by_the_code_that_decides_it(tmp_path: Path) -> None:
    models, scores = names(tmp_path, CODE)
    assert names(tmp_path, CODE + "# a remark\n") == (models, scores)
    other_models, other_scores = names(tmp_path, CODE.replace("!=", "=="))
    assert other_models == models and other_scores != scores
    other_models, _ = names(tmp_path, CODE.replace("2 *", "3 *"))
    assert other_models != models
