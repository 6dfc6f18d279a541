"""The scenario: one validated, frozen description of a world and the protocols to compare in it.

Whatever a user can get wrong is found here, before the clock starts.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path as FilePath
from typing import Annotated, Any

from pydantic import (
    BeforeValidator,
    Field,
    PlainSerializer,
    PrivateAttr,
    StringConstraints,
    ValidationError,
    WithJsonSchema,
    model_validator,
)

from models.networks import NETWORKS, ModelSettings, check_fit, own_network
from models.tasks import TASKS, TaskSettings
from models.training import TrainingSettings
from sim.faults import FAULTS, Fault
from sim.protocols import PROTOCOLS, Protocol
from sim.record.errors import Place, Refusal, ScenarioError, check_least, scenario_error, shown
from sim.record.metrics import limits
from sim.record.rows import SERVER, STAGES, client_name
from sim.record.settings import OneOf, PositiveSeconds, Seed, Settings
from sim.scenario import ranges
from sim.scenario.faults import check_events, check_faults, idle_faults
from sim.scenario.files import complete
from sim.scenario.paths import check_path, leave_defaults_to_the_kind, put
from sim.scenario.sections import (
    ClientsSettings,
    EvaluationSettings,
    GoalSettings,
    NetworkSettings,
    OutputSettings,
    ServerSettings,
    check_size,
)
from sim.scenario.translation import translated
from sim.scenario.yaml_loader import Document, plain, unwritten
from sim.world import DETECTORS, FailureDetection, Heartbeat

_MOST_EVALUATIONS = 100_000

_Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_-]{0,99}$")]
_Values = Annotated[
    tuple[str, ...],
    BeforeValidator(ranges.values),
    PlainSerializer(lambda texts: [ranges.plain(text) for text in texts], when_used="json"),
    WithJsonSchema({"type": ["array", "string", "number", "boolean"], "minItems": 1}),
]
"""The values of one varied setting, each as YAML text."""


def _kinds_named(data: Any) -> Any:
    """A protocol without a kind is of the kind that it is named after."""
    if not isinstance(data, dict):
        return data
    for name, settings in data.items():
        if not isinstance(settings, dict | Protocol):
            allowed = "a mapping of names to values, {} for none"
            raise Refusal(f"{shown(settings)} is not a mapping", allowed, (name,))
    return {
        name: {"kind": name, **settings} if isinstance(settings, dict) else settings
        for name, settings in data.items()
    }


def _output(so_far: dict[str, Any]) -> OutputSettings:
    """Of a segmentation task one wants to see what was learned."""
    return OutputSettings(keep_models="final" if so_far["task"].segments else "none")


class Scenario(Settings):
    """A world, what happens in it, and the protocols compared in it."""

    name: _Name = Field(description="names the result folder")
    question: str | None = Field(
        default=None, description="what it answers; the file's first comment if left out"
    )
    duration: PositiveSeconds = Field(description="virtual time that a run covers")
    seeds: Annotated[tuple[Seed, ...], Field(strict=False, min_length=1)] = Field(
        description="one run of each protocol per seed"
    )
    task: Annotated[TaskSettings, OneOf(TASKS, "name")] = Field(
        description="the data and what is learned from it"
    )
    model: Annotated[ModelSettings, OneOf(NETWORKS, "name", own_network)] = Field(
        description="the network that is trained"
    )
    training: TrainingSettings = Field(
        description="how a client fine-tunes, unless its protocol says otherwise"
    )
    clients: ClientsSettings = Field(description="who learns, and how fast")
    network: NetworkSettings = Field(description="how messages travel")
    server: ServerSettings | None = Field(
        default=None, description="required with a protocol that has a server"
    )
    failure_detection: Annotated[FailureDetection, OneOf(DETECTORS)] = Field(
        default_factory=Heartbeat,
        description="how nodes learn that others are down, all protocols'",
    )
    faults: dict[_Name, Annotated[Fault, OneOf(FAULTS)]] = Field(
        default_factory=dict, description="what goes wrong, by a name of your choice"
    )
    protocols: Annotated[
        dict[_Name, Annotated[Protocol, OneOf(PROTOCOLS)]],
        BeforeValidator(_kinds_named),
        Field(min_length=1),
    ] = Field(description="what is compared, by a name of your choice")
    evaluation: EvaluationSettings = Field(description="when scores are taken")
    stop_when: GoalSettings | None = Field(
        default=None, description="the score that ends a run before its duration"
    )
    output: OutputSettings = Field(
        default_factory=_output, description="what is kept; models of segmentation tasks by default"
    )
    sweep: dict[str, _Values] | None = Field(
        default=None, description="settings by their paths, with the values that a sweep gives them"
    )
    tune: Annotated[tuple[str, ...], Field(strict=False, min_length=1)] | None = Field(
        default=None,
        description="paths of the sweep whose best value, on validation data, counts for each "
        "protocol and seed",
    )

    # Where each part was written, for mistakes that only the data reveals.
    _document: Document | None = PrivateAttr(default=None)

    def __init__(self, **settings: Any) -> None:
        """From plain values, as in YAML; relative paths begin at the working directory.

        Raises ScenarioError at the first mistake, with its path and what is allowed.
        """
        document = unwritten(settings, "Scenario")
        complete(document, FilePath())
        try:
            super().__init__(**document.value)
        except ValidationError as error:
            raise translated(error, document) from None
        self._document = document

    # Else pydantic would call it where a document is validated, which has places to tell of.
    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined]

    def with_settings(self, changes: Mapping[str, Any]) -> Scenario:
        """The same with other values at some paths, as `{"faults.server_crash.at": "5 min"}`.

        Values are plain, as in YAML: a part may be given whole. Raises ScenarioError for a path
        that leads nowhere, and at the first mistake in what comes of it.
        """
        place = Place("with_settings", 0)
        document = unwritten(self._chosen(), place.source)
        for path, value in changes.items():
            parts = path.split(".")
            check_path(self, parts[:-1], place, fixed=())
            leave_defaults_to_the_kind(document.value, self, parts)
            put(document, parts, Document(place.source, plain(value)), place)
        complete(document, FilePath())
        return validated(document)

    def _chosen(self) -> dict[str, Any]:
        """All that it says as plain values, but for defaults that other settings decide."""
        derived = {
            name
            for name, field in type(self).model_fields.items()
            if field.default_factory_takes_validated_data and name not in self.model_fields_set
        }
        return self.model_dump(mode="json", exclude_none=True, exclude=derived)

    def __eq__(self, other: object) -> bool:
        # Where it was written is no part of what it says.
        return isinstance(other, Scenario) and self.model_dump() == other.model_dump()

    def place(self, path: Sequence[str | int]) -> Place:
        """Where the part ``path`` was written."""
        return Place(self.name, 0) if self._document is None else self._document.place(tuple(path))

    def mistake(self, path: Sequence[str | int], what: str, allowed: str) -> ScenarioError:
        """The error of a mistake in the part ``path``, with the place where it was written."""
        return scenario_error(self.place(path), path, what, allowed)

    @property
    def client_names(self) -> tuple[str, ...]:
        """``client_0``, ``client_1``, ... in the order of the clients' numbers."""
        return tuple(map(client_name, range(self.clients.count)))

    @property
    def node_names(self) -> tuple[str, ...]:
        """All clients, then ``server`` if the scenario has one."""
        return (*self.client_names, *((SERVER,) if self.server is not None else ()))

    def training_of(self, protocol: str) -> TrainingSettings:
        """How the clients of a protocol fine-tune."""
        return self.protocols[protocol].training.over(self.training)

    @property
    def validated_stages(self) -> tuple[str, ...]:
        """Those at which models are scored on validation data, too: where somebody looks at it."""
        if self.tune is not None:
            return self.evaluation.stages
        return tuple(dict.fromkeys(goal.stage for goal in self._goals().values()))

    @property
    def is_unreliable(self) -> bool:
        """Whether anything may be lost in this world."""
        loss = self.network.packet_loss + self.network.transfer_loss
        return bool(self.faults) or loss > 0

    def idle_faults(self) -> Iterator[str]:
        """Say, in a sentence each, which faults change nothing in any protocol compared here."""
        protocols = self.protocols.values()
        compared = [one for one in protocols if not one.is_reference] or protocols
        nodes = [one.runs_on(self.client_names) for one in compared]
        return idle_faults(self.faults, nodes, self.duration)

    # -- what only the whole shows -------------------------------------------------------------

    @model_validator(mode="after")
    def _consistent(self) -> Scenario:
        self._check_seeds()
        self._check_lists()
        check_fit(self.model, per_pixel=self.task.segments)
        check_size(self.network.latency, self.clients.count, self.server is not None)
        check_faults(self.faults, self.node_names, self.duration)
        self._check_protocols()
        self._check_evaluation()
        self._check_stages()
        return self

    def _check_seeds(self) -> None:
        for index, seed in enumerate(self.seeds):
            if seed in self.seeds[:index]:
                raise Refusal(f"{seed} is listed twice", "each seed once", ("seeds", index))

    def _check_lists(self) -> None:
        count = self.clients.count
        lists = (
            (("clients", "step_time"), self.clients.step_time),
            (("network", "uplink"), self.network.uplink),
            (("network", "downlink"), self.network.downlink),
        )
        for path, values in lists:
            if isinstance(values, tuple) and len(values) != count:
                raise Refusal(f"lists {len(values)} values", f"{count}, one per client", path)

    def _check_protocols(self) -> None:
        for name, protocol in self.protocols.items():
            if protocol.needs_server and self.server is None:
                what = f"is missing, but protocols.{name} has a server"
                raise Refusal(what, "uplink, downlink and aggregation_time", ("server",))
            events = protocol.events(self.duration)
            check_events(events, "rounds", self.duration, ("protocols", name))
            try:
                protocol.check(unreliable=self.is_unreliable)
            except Refusal as refusal:
                raise refusal.below("protocols", name) from None

    def _check_evaluation(self) -> None:
        for path, goal in self._goals().items():
            if goal.metric not in self.task.directions:
                what = f"{goal.metric!r} is none of the task's metrics"
                raise Refusal(what, ", ".join(self.task.directions), (*path, "metric"))
            low, high = limits(goal.metric, self.task.bounds)
            if not low <= goal.value <= high:
                allowed = f"at least {low:g}" if high == math.inf else f"{low:g} to {high:g}"
                raise Refusal(f"{goal.value:g} can't be reached", allowed, (*path, "value"))
        least_s = self.duration / _MOST_EVALUATIONS
        what = "evaluates too often for this duration"
        check_least(self.evaluation.every, least_s, what, "evaluation", "every")

    def _goals(self) -> dict[tuple[str, ...], GoalSettings]:
        goals = {("evaluation", "target"): self.evaluation.target, ("stop_when",): self.stop_when}
        return {path: goal for path, goal in goals.items() if goal is not None}

    def _check_stages(self) -> None:
        stages = self.evaluation.stages
        for index, stage in enumerate(stages):
            if stage in stages[:index]:
                path = ("evaluation", "stages", index)
                raise Refusal(f"{stage} is listed twice", "each stage once", path)
        needed = {(*path, "stage"): str(goal.stage) for path, goal in self._goals().items()}
        needed["output", "keep_models"] = self.output.keep_models
        for place, wanted in needed.items():
            if wanted in STAGES and wanted not in stages:
                allowed = f"what evaluation.stages has: {', '.join(stages)}"
                raise Refusal(f"{wanted} models are not looked at", allowed, place)


def validated(document: Document) -> Scenario:
    """The scenario that a document holds; ScenarioError at its first mistake."""
    try:
        scenario = Scenario.model_validate(document.value)
    except ValidationError as error:
        raise translated(error, document) from None
    scenario._document = document
    return scenario
