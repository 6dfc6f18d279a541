"""Handwritten digits: 1,797 real images of 8x8 pixels in ten classes, shipped with scikit-learn.

Source: E. Alpaydin, C. Kaynak, "Optical Recognition of Handwritten Digits", UCI, 1998.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from models.bits import generator
from models.tasks.settings import PartitionedSettings, SupervisedSettings, Tell, check_fractions

if TYPE_CHECKING:
    from models.tasks.task import Task

_FILE = "data/digits.csv.gz"


class DigitsSettings(PartitionedSettings, SupervisedSettings):
    """1,797 handwritten digits of 8x8 pixels in ten classes, as shipped with scikit-learn."""

    name: Literal["digits"] = Field(description="the task's name")
    test_fraction: Annotated[float, Field(gt=0, lt=1)] = Field(
        default=0.2, description="share of all samples held out for testing, by class"
    )
    validation_fraction: Annotated[float, Field(gt=0, lt=1)] = Field(
        default=0.1, description="share of all samples held out for decisions, by class"
    )

    @model_validator(mode="after")
    def _some_are_left_to_train_on(self) -> Self:
        check_fractions(self.test_fraction, self.validation_fraction)
        return self

    @property
    def input_shape(self) -> tuple[int, ...]:
        return 1, 8, 8

    def load(self, clients: int, tell: Tell) -> Task:
        """The same data for any number of `clients`, and nothing to `tell`.

        Inputs [n, 1, 8, 8] in 0..1; what is held out is stratified by class.
        """
        import torch

        from models.tasks.supervised import Samples, supervised

        pixels, labels = _digits()
        inputs = torch.from_numpy((pixels / 16.0).astype(np.float32))
        samples = Samples(inputs, torch.from_numpy(labels))
        return supervised(self, *samples.split(*self._held_out(labels)))

    def _held_out(self, labels: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], ...]:
        """The places of the samples for testing and for validation, each in order."""
        draws = generator(self.drawn_by, "digits_test_split")
        test, validation = [], []
        for label in range(10):
            members = draws.permutation(np.flatnonzero(labels == label))
            first, second = (
                max(1, round(share * len(members)))
                for share in (self.test_fraction, self.validation_fraction)
            )
            test.append(members[:first])
            validation.append(members[first : first + second])
        return np.sort(np.concatenate(test)), np.sort(np.concatenate(validation))


def _digits() -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Pixels [1797, 1, 8, 8] in 0..16, and what they show, as `sklearn.datasets.load_digits`.

    Its file is read here because the library takes a second to import.
    """
    library = find_spec("sklearn")
    assert library is not None and library.origin is not None
    rows = np.loadtxt(Path(library.origin).with_name("datasets") / _FILE, delimiter=",")
    return rows[:, :64].reshape(-1, 1, 8, 8), rows[:, 64].astype(np.int64)
