"""How a client trains, and what its local round consists of; without PyTorch."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import (
    Field,
    SerializerFunctionWrapHandler,
    create_model,
    model_serializer,
    model_validator,
)

from sim.record.errors import Refusal
from sim.record.settings.base import Count, Positive, Settings

ALL_CLIENTS = -1
"""The client number that stands for all clients' data together."""
_LENGTHS = frozenset({"local_epochs", "local_steps"})
# Results of two bit classes, or of two machines, would differ for that alone.
_COMMON = frozenset({"arithmetic", "device"})


class TrainingSettings(Settings):
    """How a client fine-tunes during one local round; the optimiser starts afresh each time."""

    optimizer: Literal["sgd", "momentum", "adam"] = Field(
        default="sgd", description="the rule for one step"
    )
    learning_rate: Positive = Field(description="the optimiser's step size")
    momentum: Annotated[float, Field(ge=0, lt=1)] = Field(
        default=0.9, description="used by the momentum optimiser only"
    )
    weight_decay: Annotated[float, Field(ge=0)] = Field(
        default=0.0, description="L2 penalty added to the gradient"
    )
    proximal: Annotated[float, Field(ge=0)] = Field(
        default=0.0,
        description="FedProx's mu: mu / 2 |w - w_start|^2 is added to the loss, w_start the model "
        "that the local round began with",
    )
    batch_size: Count = Field(description="samples per step")
    local_epochs: Count | None = Field(
        default=None, description="passes over the client's data per local round"
    )
    local_steps: Count | None = Field(
        default=None, description="steps per local round, instead of local_epochs"
    )
    arithmetic: Literal["exact", "batched"] = Field(
        default="exact",
        description="bit class; batched: operations of small networks are trained together",
    )
    device: Literal["cpu", "cuda", "auto"] = Field(
        default="cpu", description="where tensors live; auto: cuda where there is one"
    )

    @model_validator(mode="after")
    def _one_length(self) -> Self:
        if (self.local_epochs is None) == (self.local_steps is None):
            raise Refusal("a local round needs one length", "either local_epochs or local_steps")
        return self

    @model_serializer(mode="wrap")
    def _without_the_unused(self, written: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out a momentum and a proximal term that nobody chose and no step uses."""
        settings: dict[str, Any] = written(self)
        left_out = self.unused - self.model_fields_set
        return {name: value for name, value in settings.items() if name not in left_out}

    @property
    def unused(self) -> frozenset[str]:
        """Those of its settings that change no step."""
        used = {"momentum": self.optimizer == "momentum", "proximal": self.proximal > 0}
        return frozenset(name for name, is_used in used.items() if not is_used)

    def check_correction(self) -> None:
        """Raise Refusal unless a step can add a given direction to its gradient."""
        if self.optimizer != "sgd":
            what = f"corrects gradients, and {self.optimizer} would not step along them"
            raise Refusal(what, "training.optimizer: sgd")
        if self.arithmetic != "exact":
            what = "corrects gradients, which batched arithmetic can't"
            raise Refusal(what, "training.arithmetic: exact")


class _Changes(Settings):
    """Some training settings, each of them optional."""

    def over(self, common: TrainingSettings) -> TrainingSettings:
        """The common settings but for these; one length of a round takes the place of the other."""
        own = self.model_dump(exclude_none=True)
        replaced = _LENGTHS if own.keys() & _LENGTHS else frozenset()
        return TrainingSettings(**(common.model_dump(exclude=set(replaced)) | own))

    @model_validator(mode="after")
    def _one_length(self) -> Self:
        if all(getattr(self, length) is not None for length in _LENGTHS):
            raise Refusal("a local round needs one length", "local_epochs or local_steps")
        return self


def _optional() -> dict[str, Any]:
    """What a protocol may train by otherwise than the others: types and fields, by name."""
    return {
        name: (
            Annotated[info.annotation, None, *info.metadata] | None,
            Field(default=None, description=info.description),
        )
        for name, info in TrainingSettings.model_fields.items()
        if name not in _COMMON
    }


if TYPE_CHECKING:
    TrainingChanges = _Changes
else:
    TrainingChanges = create_model(
        "TrainingChanges", __base__=_Changes, __module__=__name__, **_optional()
    )


def steps_per_round(samples: int, settings: TrainingSettings) -> int:
    """Optimiser steps in one local round; the last batch of an epoch may be smaller."""
    if settings.local_steps is not None:
        return settings.local_steps
    assert settings.local_epochs is not None
    return settings.local_epochs * -(-samples // settings.batch_size)


def epochs(
    samples: int, settings: TrainingSettings, generator: np.random.Generator
) -> Iterator[npt.NDArray[np.int64]]:
    """The order [samples] of each epoch of a local round; the round may end within the last."""
    left = steps_per_round(samples, settings)
    while left > 0:
        yield generator.permutation(samples)
        left -= -(-samples // settings.batch_size)
