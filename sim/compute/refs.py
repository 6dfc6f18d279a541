"""Handles for the results of real operations, named by what they are the result of.

A name is a content hash of the operation, the names of its inputs, its arguments, and the data,
hyperparameters, seed and code (the graph's own name): equal names are equal bits.
"""

from __future__ import annotations

import hashlib
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float32]
ModelKind = Literal["initial", "trained", "averaged"]


def content_name(prefix: str, kind: str, inputs: tuple[ModelRef, ...], arguments: Any) -> str:
    """32 hexadecimal digits; floats enter by `repr`, which names each of them exactly."""
    parts = [prefix, kind, *(model.name for model in inputs), repr(arguments)]
    return hashlib.sha256("|".join(parts).encode()).hexdigest()[:32]


class ModelRef:
    """An immutable handle for a model: one flat float32 vector, computed if a score needs it.

    `arguments`: of `trained` (client, local round), of `averaged` the weights, of `initial` none.
    `inputs`: the models it is made from; the graph lets go of them once the vector is there, so
    that a long history does not stay in memory.
    """

    __slots__ = ("__weakref__", "arguments", "inputs", "kind", "name", "vector")

    def __init__(
        self, name: str, kind: ModelKind, inputs: tuple[ModelRef, ...], arguments: tuple[Any, ...]
    ) -> None:
        self.name = name
        self.kind = kind
        self.inputs = inputs
        self.arguments = arguments
        self.vector: Vector | None = None

    def __repr__(self) -> str:
        return f"ModelRef({self.kind}{self.arguments}, {self.name[:8]})"


class ScoreRef:
    """An immutable handle for the scores of one model on one data set."""

    __slots__ = ("__weakref__", "dataset", "model", "name")

    def __init__(self, name: str, model: ModelRef, dataset: str) -> None:
        self.name = name
        self.model = model
        self.dataset = dataset
