"""How a client trains, and what one protocol may change of it."""

from typing import Any

import pytest
from pydantic import ValidationError

from models.training import TrainingChanges, TrainingSettings
from sim.record.errors import Refusal

COMMON = TrainingSettings(learning_rate=0.1, batch_size=32, local_epochs=2, momentum=0.5)


def test_changes_stand_over_the_common_settings() -> None:
    changes = TrainingChanges.model_validate({"learning_rate": 0.3, "optimizer": "momentum"})
    expected = COMMON.model_copy(update={"learning_rate": 0.3, "optimizer": "momentum"})
    assert changes.over(COMMON) == expected
    assert TrainingChanges().over(COMMON) == COMMON


def test_one_length_of_a_round_takes_the_place_of_the_other() -> None:
    steps = TrainingChanges.model_validate({"local_steps": 7}).over(COMMON)
    assert (steps.local_epochs, steps.local_steps) == (None, 7)
    epochs = TrainingChanges.model_validate({"local_epochs": 3}).over(steps)
    assert (epochs.local_epochs, epochs.local_steps) == (3, None)


def test_all_may_be_changed_but_the_bit_class_and_the_device() -> None:
    assert TrainingSettings.model_fields.keys() - TrainingChanges.model_fields.keys() == {
        *("arithmetic", "device")
    }
    for name, info in TrainingChanges.model_fields.items():
        assert info.description == TrainingSettings.model_fields[name].description


def test_a_pull_that_nobody_chose_is_not_written_down() -> None:
    assert "proximal" not in COMMON.model_dump_json()
    assert "proximal" not in TrainingChanges().over(COMMON).model_dump()
    chosen = TrainingChanges.model_validate({"proximal": 0.0}).over(COMMON)
    assert chosen == COMMON and chosen.model_dump()["proximal"] == 0.0
    pulled = COMMON.model_copy(update={"proximal": 0.1})
    assert '"proximal":0.1' in pulled.model_dump_json()
    assert TrainingChanges().over(pulled).proximal == 0.1


def test_plain_sgd_in_exact_arithmetic_alone_follows_a_correction() -> None:
    COMMON.check_correction()
    wrong: dict[str, Any] = {"optimizer": ("adam", "momentum"), "arithmetic": ("batched",)}
    for name, values in wrong.items():
        for value in values:
            with pytest.raises(Refusal, match=f"{value}.*; allowed: training.{name}: "):
                COMMON.model_copy(update={name: value}).check_correction()


@pytest.mark.parametrize(
    "wrong", [{"momentum": 1.0}, {"proximal": -0.1}, {"batch_size": 0}, {"batch_size": 1.5}]
)
def test_a_change_is_bounded_as_the_setting_is(wrong: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        TrainingChanges.model_validate(wrong)
