"""Handles for the results of real operations, named by what they are the result of.

A name is a content hash of the operation, the names of its inputs, its arguments, and the data,
hyperparameters, seed and code (the learner's own name): equal names are equal bits.
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal
from weakref import WeakValueDictionary

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float32]
Scores = dict[str, float]
ServerRule = Literal["adam_square", "yogi_square", "adaptive_step"]
"""A rule of a server's optimiser, entry by entry; see `models.operations`."""
ModelKind = Literal["initial", "trained", "combined", "direction"] | ServerRule
Kind = ModelKind | Literal["scores"]
_DIRECTIONS = frozenset[ModelKind]({"direction", "adam_square", "yogi_square"})


def content_name(prefix: str, kind: str, inputs: tuple[ModelRef, ...], arguments: Any) -> str:
    """32 hexadecimal digits; floats enter by `repr`, which names each of them exactly."""
    parts = [prefix, kind, *(model.name for model in inputs), repr(arguments)]
    return hashlib.sha256("|".join(parts).encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Job:
    """One real operation, ready to be done: what an engine gets.

    `spec` describes the learner; `inputs` names the models to read, `output` what to call the
    result. Trainings of equal `together`, unless that is None, may be done as one group.
    """

    spec: Hashable
    kind: Kind
    arguments: tuple[Any, ...]
    inputs: tuple[str, ...]
    output: str
    together: Hashable = None


@dataclass(eq=False, repr=False, slots=True, weakref_slot=True)
class ModelRef:
    """An immutable handle for a model: one flat float32 vector, computed if a score needs it.

    `arguments`: of `trained` (client, local round), of `combined` and `direction` the weights, of a
    rule its constants, of `initial` none.
    `inputs`: the models it is made from; the graph lets go of them once the vector is stored, so
    that a long history does not stay in memory. `depth`: the longest way from an initial model;
    `cost`: in optimiser steps, at least 1.
    """

    name: str
    kind: ModelKind
    inputs: tuple[ModelRef, ...]
    arguments: tuple[Any, ...]
    spec: Hashable = None
    together: Hashable = None
    cost: int = 1
    depth: int = field(init=False)

    def __post_init__(self) -> None:
        self.depth = 1 + max([model.depth for model in self.inputs], default=0)

    @property
    def is_direction(self) -> bool:
        """Whether it is a difference of models, or made of one: no model that could be trained."""
        return self.kind in _DIRECTIONS

    def job(self) -> Job:
        """The operation that makes this model."""
        names = tuple(model.name for model in self.inputs)
        return Job(self.spec, self.kind, self.arguments, names, self.name, self.together)

    def __repr__(self) -> str:
        return f"ModelRef({self.kind}{self.arguments}, {self.name[:8]})"


@dataclass(eq=False, slots=True, weakref_slot=True)
class ScoreRef:
    """An immutable handle for the scores of one model on one data set.

    `spec` describes the learner that judges it: another may have made it, with other metrics.
    """

    name: str
    model: ModelRef
    dataset: str
    spec: Hashable = None
    cost: ClassVar[int] = 1

    @property
    def inputs(self) -> tuple[ModelRef, ...]:
        """The model that is scored."""
        return (self.model,)

    @property
    def depth(self) -> int:
        """One more than the model's."""
        return self.model.depth + 1

    def job(self) -> Job:
        """The operation that makes these scores."""
        return Job(self.spec, "scores", (self.dataset,), (self.model.name,), self.name)


Models = WeakValueDictionary[str, ModelRef]
"""The models that anybody still holds a reference to, by name."""
