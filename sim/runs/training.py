"""The data plane as workers have it: real learners behind the engine's protocol."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from models.bits.fingerprint import NOTHING, Outside, environment
from models.learner import GROUP_LIMIT, Learner, LearnerSpec, Sealed, trained_together
from models.parameters import Vector
from models.training import TrainingSettings
from sim.record.code import activate

# What runs compiled code, too; it takes longer to import than PyTorch.
_COMPILER = ("torch._dynamo", "torch._inductor.compile_fx")


@dataclass(frozen=True)
class Training:
    """The data plane that workers do their operations with: real learners.

    `settings`: all ways of training that the learners will use; `libraries` and `outside`: what
    computes them, see LearnerSpec.
    """

    settings: tuple[TrainingSettings, ...] = ()
    libraries: tuple[str, ...] = ()
    outside: Outside = NOTHING

    @property
    def group_limit(self) -> int:
        return GROUP_LIMIT

    @property
    def preload(self) -> Sequence[str]:
        batched = any(settings.arithmetic == "batched" for settings in self.settings)
        return [__name__, *(_COMPILER if batched else ())]

    @property
    def forks(self) -> bool:
        """A process that a graphics card serves may not be forked; `auto` may come to one."""
        return all(settings.device == "cpu" for settings in self.settings)

    def enter(self) -> None:
        if self.outside.code:
            activate(self.outside.code)

    def environment(self) -> dict[str, str]:
        return environment(self.settings, self.libraries, self.outside)

    def learner(self, spec: Hashable) -> Learner:
        assert isinstance(spec, LearnerSpec | Sealed)
        return Learner(spec.opened() if isinstance(spec, Sealed) else spec)

    def trained_together(self, jobs: Sequence[tuple[Learner, Vector, int, int]]) -> list[Vector]:
        return trained_together(jobs)
