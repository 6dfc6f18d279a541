"""Segmentation: whose slices are learned, and means over subjects worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from models.arithmetic.exact import fine_tune
from models.bits import generator
from models.networks import QuicknatSettings, network
from models.parameters import FlatModule
from models.tasks.cohort import Split, Subject
from models.tasks.segmentation import Labels, segmentation
from models.tasks.task import Task
from models.training import TrainingSettings
from sim.record.errors import Refusal
from sim.record.metrics import site_metric
from tests.models.tasks.cohorts import cohort, outputs, subject, volume

ALL = slice(None)
LEFT, WIDE_LEFT = (1, ALL, ALL, slice(0, 4)), (1, ALL, ALL, slice(0, 8))
RIGHT = (2, ALL, ALL, slice(12, 16))

# Site 0 has two test subjects, one of them without `right`; site 1 none; site 2 one.
SUBJECTS = (
    subject("a", 1, "training", volume(LEFT, slices=2)),
    subject("b", 2, "test", volume(LEFT, RIGHT, slices=2)),
    subject("c", 0, "training", volume(RIGHT)),
    subject("d", 0, "test", volume(LEFT, RIGHT)),
    subject("e", 2, "training", volume(LEFT, RIGHT)),
    subject("f", 0, "test", volume(LEFT, slices=4)),
    subject("g", 1, "validation", volume(RIGHT, slices=2)),
)
# b: both found; d: `left` too wide, `right` missed; f: all found, and a `right` that isn't there.
GUESSES = (
    volume(LEFT, RIGHT, slices=2),
    volume(WIDE_LEFT),
    volume(LEFT, RIGHT, slices=4),
)


def task() -> Task:
    return segmentation(cohort(*SUBJECTS))


def scores(of: Task, guesses: tuple[Labels, ...], batch: int = 4) -> dict[str, float]:
    """As a learner makes them at a run's end."""
    predicted = np.concatenate(guesses)
    assert of.test.final_metrics is not None
    found = of.test.final_metrics(outputs(predicted, of.outputs, batch), of.test.labels)
    looked = of.test.metrics(outputs(predicted, of.outputs, batch), of.test.labels)
    # A look finds the same, but for what takes long.
    assert looked == {name: value for name, value in found.items() if "hd95" not in name}
    return found


def test_training_has_the_slices_of_its_subjects_in_order() -> None:
    made = task()
    assert made.inputs.dtype == torch.float32
    assert made.labels.dtype == torch.int64
    assert made.inputs.shape == (8, 1, 16, 16)
    assert (made.input_shape, made.outputs, made.losses) == ((1, 16, 16), 3, None)
    wanted = [each for each in SUBJECTS if each.split == "training"]
    assert np.array_equal(made.inputs[:, 0], np.concatenate([each.images for each in wanted]))
    assert np.array_equal(made.labels, np.concatenate([each.labels for each in wanted]))
    assert made.sites is not None
    assert made.sites.dtype == np.int64
    assert made.sites.tolist() == [1, 1, 0, 0, 0, 2, 2, 2]


def test_held_out_slices_are_never_trained_on() -> None:
    made = task()
    trained = {image.tobytes() for image in made.inputs[:, 0].numpy()}
    for split, held_out in (("test", made.test), ("validation", made.validation)):
        wanted = [each for each in SUBJECTS if each.split == split]
        images = np.concatenate([each.images for each in wanted])
        assert np.array_equal(held_out.inputs[:, 0], images)
        assert np.array_equal(held_out.labels, np.concatenate([each.labels for each in wanted]))
        assert not trained & {image.tobytes() for image in images}


def test_validation_subjects_are_judged_by_themselves() -> None:
    held_out = task().validation
    found = held_out.metrics(outputs(volume(RIGHT, slices=2), 3, 4), held_out.labels)
    assert found == {"dice": 1.0, "dice_right": 1.0, site_metric("dice", 1): 1.0}


def test_means_over_structures_then_subjects_worked_out_by_hand() -> None:
    found = scores(task(), GUESSES)
    wide = 2 * 4 / (4 + 8)
    # d's volume: 3 slices of 16 x 16 pixels, 4 x 2 x 1 mm.
    diagonal = math.sqrt((2 * 4.0) ** 2 + (15 * 2.0) ** 2 + (15 * 1.0) ** 2)
    assert found == pytest.approx(
        {
            "dice": (1 + wide / 2 + 1) / 3,
            "dice_left": (1 + wide + 1) / 3,
            "dice_right": (1 + 0) / 2,
            site_metric("dice", 0): (wide / 2 + 1) / 2,
            site_metric("dice", 2): 1.0,
            "hd95_mm": (0 + (4.0 + diagonal) / 2 + 0) / 3,
            "hd95_mm_left": 4.0 / 3,
            "hd95_mm_right": diagonal / 2,
        }
    )


def test_names_come_in_the_structures_order() -> None:
    assert list(scores(task(), GUESSES)) == [
        "dice",
        "dice_left",
        "dice_right",
        site_metric("dice", 0),
        site_metric("dice", 2),
        "hd95_mm",
        "hd95_mm_left",
        "hd95_mm_right",
    ]


@pytest.mark.parametrize("batch", [1, 2, 9])
def test_how_many_slices_are_seen_at_once_does_not_matter(batch: int) -> None:
    assert scores(task(), GUESSES, batch) == scores(task(), GUESSES)


def test_what_no_held_out_subject_has_is_left_out() -> None:
    structures = ("left", "right", "nowhere")
    made = segmentation(cohort(SUBJECTS[0], *SUBJECTS[5:], structures=structures))
    assert made.outputs == 4
    assert scores(made, (volume(LEFT, slices=4),)) == {
        "dice": 1.0,
        "dice_left": 1.0,
        site_metric("dice", 0): 1.0,
        "hd95_mm": 0.0,
        "hd95_mm_left": 0.0,
    }


@pytest.mark.parametrize("split", ["test", "validation"])
def test_nothing_to_be_judged_on_is_refused(split: Split) -> None:
    others = [each for each in SUBJECTS if each.split != split]
    with pytest.raises(Refusal, match=f"no {split} subject has a structure .*; allowed: at"):
        segmentation(cohort(*others, subject("h", 0, split, volume())))


def test_quicknat_learns_a_bright_square() -> None:
    def square(name: str, site: int, split: Split, row: int, column: int) -> Subject:
        box = (1, ALL, slice(row, row + 10), slice(column, column + 10))
        return subject(name, site, split, volume(box, side=32))

    made = segmentation(
        cohort(
            square("a", 0, "training", 2, 3),
            square("b", 0, "training", 18, 1),
            square("c", 1, "training", 9, 20),
            square("d", 1, "test", 4, 15),
            square("e", 1, "validation", 4, 15),
            structures=("square",),
        )
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = network(QuicknatSettings(name="quicknat", filters=4), made)
    flat = FlatModule(module, torch.device("cpu"))
    training = TrainingSettings(optimizer="adam", learning_rate=0.02, batch_size=4, local_epochs=8)
    inputs = flat.arranged(made.inputs)
    fine_tune(module, inputs, made.labels, made.loss, training, generator(0, "batches"))
    module.eval()
    with torch.inference_mode():
        found = made.test.metrics([module(flat.arranged(made.test.inputs))], made.test.labels)
    assert found["dice"] > 0.9
