"""Nothing is learned: models are sizes on the wire, and training takes its time and no more.

For worlds whose communication, failures and pace are the question, or which are too large to
learn in. A model's only score is how many local rounds are in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Literal, Self

from pydantic import Field, model_validator

from models.tasks.settings import Sizes, TaskSettings, Tell
from sim.record.errors import Refusal
from sim.record.metrics import Better, Bounds
from sim.record.settings.base import Count
from sim.record.settings.quantities import Bytes

if TYPE_CHECKING:
    from models.tasks.task import Task

_NUMBER_BYTES = 4
ROUNDS = "rounds"


class NoneSettings(TaskSettings):
    """No learning: a model has a size, and a score that tells how many local rounds are in it.

    A local round adds 1 to those of the model that it begins with, an average has the weighted mean
    of what it is made of; all clients weigh the same. There are no sections model and training.
    """

    libraries: ClassVar[tuple[str, ...]] = ()

    name: Literal["none"] = Field(description="the task's name")
    model: Bytes = Field(description="size of a model on the wire")
    steps: Count = Field(
        description="steps of a local round, each of which takes clients.step_time"
    )

    @model_validator(mode="after")
    def _model_is_no_mere_message(self) -> Self:
        if self.model < _NUMBER_BYTES:
            raise Refusal(f"{self.model:g} B", f"{_NUMBER_BYTES} B or more", ("model",))
        return self

    @property
    def directions(self) -> Mapping[str, Better]:
        """See TaskSettings."""
        return {ROUNDS: "higher"}

    @property
    def bounds(self) -> Mapping[str, Bounds]:
        """See TaskSettings."""
        return {ROUNDS: (0.0, None)}

    @property
    def sizes(self) -> Sizes:
        """See TaskSettings; a model's length is rounded to whole numbers."""
        return Sizes(round(self.model / _NUMBER_BYTES), self.steps)

    def load(self, clients: int, tell: Tell) -> Task:
        """There are none."""
        raise AssertionError("a task without learning has no data")
