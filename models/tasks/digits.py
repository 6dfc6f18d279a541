"""Handwritten digits: 1,797 real images of 8x8 pixels in ten classes, shipped with scikit-learn.

Source: E. Alpaydin, C. Kaynak, "Optical Recognition of Handwritten Digits", UCI, 1998.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from models.bits import generator
from models.tasks.settings import PartitionedSettings, TaskSettings, Tell
from sim.record.metrics import Better, Bounds
from sim.record.settings.base import Seed

if TYPE_CHECKING:
    import torch

    from models.tasks.task import Task


class DigitsSettings(PartitionedSettings):
    """1,797 handwritten digits of 8x8 pixels in ten classes, as shipped with scikit-learn."""

    metrics: ClassVar[Mapping[str, Better]] = {"accuracy": "higher", "loss": "lower"}
    bounds: ClassVar[Mapping[str, Bounds]] = {"accuracy": (0.0, 1.0), "loss": (0.0, None)}
    libraries: ClassVar[tuple[str, ...]] = (*TaskSettings.libraries, "scikit-learn")

    name: Literal["digits"] = Field(description="the task's name")
    test_fraction: Annotated[float, Field(gt=0, lt=1)] = Field(
        default=0.2, description="share of all samples held out for testing, by class"
    )
    split_seed: Seed = Field(
        default=0, description="draws the held-out samples, the same ones for every run's seed"
    )

    def load(self, clients: int, tell: Tell) -> Task:
        """The same data for any number of `clients`, and nothing to `tell`.

        Inputs [n, 1, 8, 8] in 0..1; the held-out split is stratified by class.
        """
        import torch
        from sklearn.datasets import load_digits
        from torch.nn.functional import cross_entropy

        from models.tasks.task import Task

        data = load_digits()
        inputs = torch.from_numpy((data.images / 16.0).astype(np.float32)[:, None])
        labels = data.target.astype(np.int64)
        test, targets = torch.from_numpy(self._held_out(labels)), torch.from_numpy(labels)
        return Task(
            inputs[~test],
            targets[~test],
            inputs[test],
            targets[test],
            (1, 8, 8),
            10,
            cross_entropy,
            _metrics,
            partial(cross_entropy, reduction="none"),
        )

    def _held_out(self, labels: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        draws = generator(self.split_seed, "digits_test_split")
        held_out = np.zeros(len(labels), dtype=np.bool_)
        for label in range(10):
            members = draws.permutation(np.flatnonzero(labels == label))
            held_out[members[: max(1, round(self.test_fraction * len(members)))]] = True
        return held_out


def _metrics(outputs: Iterable[torch.Tensor], labels: torch.Tensor) -> dict[str, float]:
    import torch
    from torch.nn.functional import cross_entropy

    output = torch.cat(list(outputs))
    correct = (output.argmax(dim=1) == labels).sum().item()
    return {"accuracy": correct / len(labels), "loss": cross_entropy(output, labels).item()}
