"""What is known of each learner before any clock starts: its data's facts, and its content name.

A world without learning has facts and no learner: it never needs PyTorch.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Hashable, Iterator, Sequence
from typing import TYPE_CHECKING

from models.tasks.settings import Sizes, TaskSettings, Tell
from sim.compute import Graph, Lineage, one_thread
from sim.faults import Fault
from sim.record.errors import shown
from sim.runs.build import Facts, mistakes_placed
from sim.runs.playing import unlearned
from sim.scenario import Scenario

if TYPE_CHECKING:
    from models.learner import Learner, LearnerSpec
    from models.parameters import Layout, Tensor, Vector

_SHOWN = 20
"""Sites in a line: as many as can be taken in."""


class Data:
    """What the control plane must know of each learner, found out once for each description.

    `tell` is told, in a line each, what takes long, and what is doubtful about the data.
    """

    def __init__(self, tell: Tell = lambda line: None) -> None:
        self._tell = tell
        self._told: set[str] = set()
        self._facts: dict[LearnerSpec, Facts] = {}
        self._layouts: dict[LearnerSpec, Layout] = {}
        self._names: dict[LearnerSpec, tuple[str, str]] = {}
        self._digests: dict[LearnerSpec, str] = {}
        self._prepared: set[Hashable] = set()

    def facts(self, scenario: Scenario, protocol: str, seed: int) -> Facts:
        """Build the data of one run. Raises ScenarioError if it can't be built as asked."""
        if (sizes := scenario.task.sizes) is not None:
            return _facts_without(sizes, scenario.clients.count)
        from models.learner import Learner, load_data

        spec = learner_spec(scenario, protocol, seed)
        facts = self._facts.get(spec)
        if facts is None:
            with mistakes_placed(scenario, seed):
                load_data(spec, self._tell)
                learner = Learner(spec)
            facts = self._facts[spec] = _facts(learner)
            self._tell_once(*_sites(facts.site_names))
            self._tell_once(*(f"caution: {note}" for note in facts.notes))
            self._layouts[spec] = learner.layout
            self._names[spec] = _models_name(spec, learner.data_digest), _judges_name(spec)
        return facts

    def _tell_once(self, *lines: str) -> None:
        for line in lines:
            if line not in self._told:
                self._told.add(line)
                self._tell(line)

    def tensors(
        self, scenario: Scenario, protocol: str, seed: int, vector: Vector
    ) -> dict[str, Tensor]:
        """A model's vector [P] as its network's tensors, by their names."""
        self.facts(scenario, protocol, seed)
        return self._layouts[learner_spec(scenario, protocol, seed)].tensors(vector)

    def lineage(self, graph: Graph, scenario: Scenario, protocol: str, seed: int) -> Lineage:
        """The names of the models that this run's learner makes."""
        if not scenario.task.learns:
            return unlearned(scenario)
        spec, facts = learner_spec(scenario, protocol, seed), self.facts(scenario, protocol, seed)
        name, judged_by = self._names[spec]
        steps = facts.steps_by_client
        return Lineage(graph, spec.sealed(), name, spec.together, steps, judged_by)

    def names(self, scenario: Scenario, protocol: str, seed: int) -> tuple[str, str] | None:
        """What this run's models are named by, and their scores; None if nobody learns."""
        if not scenario.task.learns:
            return None
        self.facts(scenario, protocol, seed)
        return self._names[learner_spec(scenario, protocol, seed)]

    def learner_name(self, scenario: Scenario, protocol: str, seed: int) -> str:
        """Names all that the control plane knows of this run's learner."""
        if not scenario.task.learns:
            return scenario.task.model_dump_json()
        spec, facts = learner_spec(scenario, protocol, seed), self.facts(scenario, protocol, seed)
        if spec not in self._digests:
            known = repr((self._names[spec], facts))
            self._digests[spec] = hashlib.sha256(known.encode()).hexdigest()
        return self._digests[spec]

    def prepare(self, scenario: Scenario) -> None:
        """Compile what the scenario's training needs, once for all; nothing in exact arithmetic.

        Raises ScenarioError if that can't be done here.
        """
        if not scenario.task.learns:
            return
        from models.learner import Learner

        seed = scenario.seeds[0]
        for spec in (learner_spec(scenario, protocol, seed) for protocol in scenario.protocols):
            if spec.together is None or spec.together in self._prepared:
                continue
            self._tell("batched arithmetic: compiling, or finding what was compiled before")
            with mistakes_placed(scenario, seed), one_thread():
                group = Learner(spec).group
                assert group is not None
                group.prepare()
            self._prepared.add(spec.together)


def learner_spec(scenario: Scenario, protocol: str, seed: int) -> LearnerSpec:
    """The data plane's whole description for one protocol and seed, where there is learning."""
    from models.learner import LearnerSpec

    training, model = scenario.training_of(protocol), scenario.model
    assert training is not None and model is not None
    task, clients = scenario.task.of_seed(seed), scenario.clients.count
    return LearnerSpec(task, model, training, clients, seed)


def with_pinned_files(scenarios: Sequence[Scenario]) -> list[Scenario]:
    """The scenarios, naming the user's files by their content: changed files, another scenario.

    Raises ScenarioError if they can't be read.
    """
    tasks: dict[TaskSettings, TaskSettings] = {}
    for scenario in scenarios:
        if scenario.task not in tasks:
            with mistakes_placed(scenario, scenario.seeds[0]):
                tasks[scenario.task] = scenario.task.pinned()
    return [
        one.model_copy(update={"task": tasks[one.task], "faults": _pinned_faults(one)})
        for one in scenarios
    ]


def _pinned_faults(scenario: Scenario) -> dict[str, Fault]:
    faults: dict[str, Fault] = {}
    for name, fault in scenario.faults.items():
        with mistakes_placed(scenario, scenario.seeds[0], "faults", name):
            faults[name] = fault.pinned()
    return faults


@functools.lru_cache(1)
def _facts_without(sizes: Sizes, clients: int) -> Facts:
    """Of a world without learning: all clients weigh the same, and one machine has all steps."""
    samples, steps = (1,) * clients, (sizes.steps,) * clients
    return Facts(samples, steps, clients, clients * sizes.steps, sizes.vector_length)


def _sites(names: Sequence[str]) -> Iterator[str]:
    """Which client is which site, in a line."""
    if names:
        pairs = [f"client_{k} is {shown(name)}" for k, name in enumerate(names[:_SHOWN])]
        more = len(names) - len(pairs)
        yield f"sites: {', '.join(pairs)}" + (f" and {more} more, in run.json" if more else "")


def _facts(learner: Learner) -> Facts:
    return Facts(
        learner.samples,
        learner.steps,
        learner.pooled_samples,
        learner.pooled_steps,
        learner.vector_length,
        learner.label_shares,
        learner.notes,
        learner.site_names,
    )


def _models_name(spec: LearnerSpec, data_digest: str) -> str:
    """Names everything that decides the bits of this seed's models."""
    from models.bits.fingerprint import fingerprint

    # Data are what they are, wherever they lie.
    apart = {*spec.task.paths, *spec.task.judging}
    parts = [
        spec.task.model_dump_json(exclude=apart),
        spec.model.model_dump_json(),
        spec.training.model_dump_json(exclude=set(spec.training.unused)),
        str(spec.clients),
        str(spec.seed),
        data_digest,
        fingerprint(spec.training, spec.libraries, spec.outside_of_models),
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _judges_name(spec: LearnerSpec) -> str:
    """Names what decides the scores of given models."""
    from models.bits.fingerprint import fingerprint

    parts = [
        spec.task.model_dump_json(include=set(spec.task.judging)),
        fingerprint(spec.training, spec.libraries, spec.outside),
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
