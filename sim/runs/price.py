"""What a learner's operations cost on this machine, timed on the real thing.

A room of its own because it looks at real time: nothing that it finds may reach a result.
"""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass

from models.learner import GROUP_LIMIT, Learner, LearnerSpec, TrainingJob, trained_together
from models.parameters import Vector
from sim.compute.engines.engine import one_thread
from sim.record.metrics import FINAL, TEST
from sim.runs.data import learner_spec, mistakes_placed
from sim.scenario import Scenario

# The first time much is made ready, and other programs only ever make it slower.
_TIMED = 3


@dataclass(frozen=True)
class Price:
    """What real work costs here: seconds of one worker, and bytes of one model."""

    step_s: float
    evaluation_s: Mapping[str, float]
    """By data set."""
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
    round_s = math.inf
    evaluation_s = {TEST: math.inf}
    with one_thread():
        for _ in range(_TIMED):
            started_s = time.perf_counter()
            if group == 1:
                model = learner.trained(model, client, 0)
            else:
                trained_together([TrainingJob(learner, model, client, 0)] * group)
            round_s = min(round_s, (time.perf_counter() - started_s) / group)
            evaluation_s[TEST] = min(evaluation_s[TEST], _evaluation_s(learner, model, TEST))
        if spec.task.final_metrics:
            evaluation_s[FINAL] = _evaluation_s(learner, model, FINAL)
    return Price(round_s / learner.steps[client], evaluation_s, model.nbytes)


def _evaluation_s(learner: Learner, model: Vector, dataset: str) -> float:
    started_s = time.perf_counter()
    learner.scores(model, dataset)
    return time.perf_counter() - started_s
