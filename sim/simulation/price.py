"""What a learner's operations cost on this machine, timed on the real thing.

A room of its own because it looks at real time: nothing that it finds may reach a result.
"""

from __future__ import annotations

import functools
import math
import time
from dataclasses import dataclass

from models.learner import GROUP_LIMIT, Learner, LearnerSpec, TrainingJob, trained_together
from sim.compute.engines import one_thread
from sim.scenario import Scenario
from sim.simulation.data import learner_spec, mistakes_placed

# The first time much is made ready, and other programs only ever make it slower.
_TIMED = 3


@dataclass(frozen=True)
class Price:
    """What real work costs here: seconds of one worker, and bytes of one model."""

    step_s: float
    evaluation_s: float
    model_bytes: int


def price(scenario: Scenario) -> Price:
    """Time one client's local round and one evaluation; equal descriptions are timed once.

    Raises ScenarioError if that can't be done here.
    """
    spec = learner_spec(scenario, scenario.seeds[0])
    with mistakes_placed(scenario, spec):
        return _price(spec)


@functools.cache
def _price(spec: LearnerSpec) -> Price:
    learner = Learner(spec)
    model = learner.initial()
    client = max(range(spec.clients), key=lambda each: learner.samples[each])
    group = GROUP_LIMIT if spec.together is not None else 1
    round_s = evaluation_s = math.inf
    with one_thread():
        for _ in range(_TIMED):
            started_s = time.perf_counter()
            if group == 1:
                model = learner.trained(model, client, 0)
            else:
                trained_together([TrainingJob(learner, model, client, 0)] * group)
            trained_s = time.perf_counter()
            learner.scores(model)
            round_s = min(round_s, (trained_s - started_s) / group)
            evaluation_s = min(evaluation_s, time.perf_counter() - trained_s)
    return Price(round_s / learner.steps[client], evaluation_s, model.nbytes)
