"""The data plane as workers have it: real learners behind the engine's protocol.

A room of its own because it is pickled and sent to processes that need nothing else from here.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from models.environment import environment
from models.fingerprint import LIBRARIES
from models.learner import GROUP_LIMIT, Learner, LearnerSpec, TrainingJob, trained_together
from models.parameters import Vector
from models.settings import TrainingSettings


@dataclass(frozen=True)
class Training:
    """The data plane that workers do their operations with: real learners.

    `settings`: all ways of training that the learners will use; `used`: the libraries that compute.
    """

    settings: tuple[TrainingSettings, ...] = ()
    used: tuple[str, ...] = LIBRARIES

    @property
    def group_limit(self) -> int:
        """See DataPlane."""
        return GROUP_LIMIT

    def environment(self) -> dict[str, str]:
        """See DataPlane."""
        return environment(self.settings, self.used)

    def learner(self, spec: Hashable) -> Learner:
        """See DataPlane."""
        assert isinstance(spec, LearnerSpec)
        return Learner(spec)

    def trained_together(self, jobs: Sequence[tuple[Learner, Vector, int, int]]) -> list[Vector]:
        """See DataPlane."""
        return trained_together([TrainingJob(*job) for job in jobs])
