"""A data plane whose workers keep a journal of what they really do; a module that they can import.

The journal's path is in the environment, where spawned processes find it.
"""

import os
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path

from models.learner import Learner, LearnerSpec, Sealed
from models.parameters import Vector
from models.training import ALL_CLIENTS
from sim.runs.training import Training

JOURNAL = "BRAINTORRENT_TEST_JOURNAL"
BROKEN = "BRAINTORRENT_TEST_BROKEN"


class CountingLearner(Learner):
    """Appends the steps of each training; training on all data fails while BROKEN is set."""

    def trained(
        self, base: Vector, client: int, local_round: int, correction: Vector | None = None
    ) -> Vector:
        if client == ALL_CLIENTS and os.environ.get(BROKEN):
            raise OSError("the machine room is flooded")
        result = super().trained(base, client, local_round, correction)
        steps = self.pooled_steps if client == ALL_CLIENTS else self.steps[client]
        if journal := os.environ.get(JOURNAL):
            file = os.open(journal, os.O_APPEND | os.O_CREAT | os.O_WRONLY)
            os.write(file, f"{steps}\n".encode())
            os.close(file)
        return result


@dataclass(frozen=True)
class CountingTraining(Training):
    """Builds those."""

    def learner(self, spec: Hashable) -> Learner:
        assert isinstance(spec, LearnerSpec | Sealed)
        return CountingLearner(spec.opened() if isinstance(spec, Sealed) else spec)

    def trained_together(self, jobs: Sequence[tuple[Learner, Vector, int, int]]) -> list[Vector]:
        return [learner.trained(base, client, number) for learner, base, client, number in jobs]


def steps(journal: Path) -> int:
    """All that were trained since the journal was begun; a killed process may not have begun it."""
    return sum(map(int, journal.read_text().split())) if journal.exists() else 0
