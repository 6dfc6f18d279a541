"""The scenario: one validated, frozen description of a world and the protocols to compare in it.

Whatever a user can get wrong is found here, before the clock starts.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path as FilePath
from typing import Annotated, Any

from pydantic import (
    BeforeValidator,
    Field,
    GetJsonSchemaHandler,
    ModelWrapValidatorHandler,
    PlainSerializer,
    PrivateAttr,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from models.networks import NETWORKS, ModelSettings, own_network
from models.tasks import TASKS, TaskSettings
from models.training import TrainingSettings
from sim.faults import FAULTS, Fault
from sim.protocols import PROTOCOLS, Protocol
from sim.record.errors import Path, Place, ScenarioError, scenario_error
from sim.record.rows import client_name
from sim.record.settings import (
    CostsSettings,
    OneOf,
    PositiveSeconds,
    Seed,
    Settings,
    detail,
    details,
    refused,
    resolved,
)
from sim.scenario import ranges
from sim.scenario.files import complete
from sim.scenario.mistakes.idle import (
    false_suspicions,
    idle_costs,
    idle_faults,
    idle_groups,
    idle_looks,
    idle_memory,
    idle_momentum,
    idle_options,
    idle_partition,
    idle_regions,
    idle_sample,
    idle_suspicions,
    idle_topology,
)
from sim.scenario.mistakes.translation import translated
from sim.scenario.mistakes.whole import (
    busy,
    goals,
    is_unreliable,
    mistakes,
    node_names,
    sound,
    topologies,
)
from sim.scenario.paths import check_path, leave_defaults_to_the_kind, put
from sim.scenario.sections import (
    ClientsSettings,
    EvaluationSettings,
    GoalSettings,
    NetworkSettings,
    OutputSettings,
    ServerSettings,
    Where,
)
from sim.scenario.yaml_loader import Document, plain, unwritten
from sim.world import (
    DETECTORS,
    TOPOLOGIES,
    Complete,
    FailureDetection,
    Heartbeat,
    Streams,
    TopologySettings,
)

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
    return {
        name: {"kind": name, **settings} if isinstance(settings, dict) else settings
        for name, settings in data.items()
    }


class _OrKind:
    """Tells editors that a protocol's name may say its kind."""

    def __get_pydantic_json_schema__(
        self, core: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        [(name, kinds)] = handler(core)["patternProperties"].items()
        by_name = {
            kind["properties"]["kind"]["const"]: {
                "description": kind["description"],
                "anyOf": [{**kind, "required": kind["required"][1:]}, kinds],
            }
            for kind in kinds["anyOf"]
            if "additionalProperties" in kind
        }
        return {
            "type": "object",
            "properties": by_name,
            "propertyNames": {"pattern": name},
            "additionalProperties": kinds,
            "minProperties": 1,
        }


def _output(so_far: dict[str, Any]) -> OutputSettings:
    """Of a segmentation task one wants to see what was learned."""
    return OutputSettings(keep_models="final" if so_far["task"].segments else "none")


def _with_models(output: Any, info: ValidationInfo) -> Any:
    """An output that doesn't say which models are kept keeps those that are kept without one."""
    if isinstance(output, dict) and "task" in (so_far := info.data or {}):
        return {"keep_models": _output(so_far).keep_models, **output}
    return output


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
    model: Annotated[ModelSettings, OneOf(NETWORKS, "name", own_network)] | None = Field(
        default=None, description="the network that is trained; none if the task is none"
    )
    training: TrainingSettings | None = Field(
        default=None,
        description="how a client fine-tunes, unless its protocol says otherwise; none if the task "
        "is none",
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
    topology: Annotated[TopologySettings, OneOf(TOPOLOGIES)] = Field(
        default_factory=Complete,
        description="whom each client may talk to, in protocols that talk to neighbours",
    )
    faults: dict[_Name, Annotated[Fault, OneOf(FAULTS)]] = Field(
        default_factory=dict, description="what goes wrong, by a name of your choice"
    )
    protocols: Annotated[
        dict[_Name, Annotated[Protocol, OneOf(PROTOCOLS)]],
        BeforeValidator(_kinds_named),
        _OrKind(),
        Field(min_length=1),
    ] = Field(description="what is compared, by a name of your choice")
    evaluation: EvaluationSettings = Field(description="when scores are taken")
    stop_when: GoalSettings | None = Field(
        default=None, description="the score that ends a run before its duration"
    )
    output: Annotated[OutputSettings, BeforeValidator(_with_models)] = Field(
        default_factory=_output, description="what is kept; models of segmentation tasks by default"
    )
    costs: CostsSettings | None = Field(
        default=None,
        description="prices and powers; what runs cost is told with their results",
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

        Raises ScenarioError with all mistakes, each with its path and what is allowed.
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
        that leads nowhere, and with all mistakes in what comes of it.
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
        return node_names(self.clients, None, {})

    @property
    def node_names(self) -> tuple[str, ...]:
        """All clients, then ``server`` if the scenario has one, then what may take over from it."""
        return node_names(self.clients, self.server, self.protocols)

    @property
    def acting_faults(self) -> dict[str, Fault]:
        """The faults, with the nodes themselves wherever they name groups of clients."""
        groups = self.clients.members()
        return {name: resolved(fault, groups) for name, fault in self.faults.items()}

    def standing(self, seed: int) -> Where:
        """In which region each client and server stands under a seed; {} without regions."""
        return self.network.standing(self.clients, self.node_names, Streams(seed))

    def scored(self, seed: int) -> frozenset[str]:
        """The clients whose models are scored in runs of a seed."""
        numbers = self.evaluation.scored(self.clients.count, Streams(seed))
        return frozenset(map(client_name, numbers))

    def training_of(self, protocol: str) -> TrainingSettings | None:
        """How the clients of a protocol fine-tune; None if nobody learns."""
        common = self.training
        return None if common is None else self.protocols[protocol].training.over(common)

    @property
    def topologies(self) -> dict[Path, TopologySettings]:
        """Its topology and those of protocols that have their own, by their paths."""
        return topologies(self.topology, self.protocols)

    @property
    def validated_stages(self) -> tuple[str, ...]:
        """Those at which models are scored on validation data, too: where somebody looks at it."""
        if self.tune is not None:
            return self.evaluation.stages
        found = goals(self.evaluation, self.stop_when)
        return tuple(dict.fromkeys(goal.stage for goal in found.values()))

    @property
    def is_unreliable(self) -> bool:
        """Whether anything may be lost in this world."""
        return is_unreliable(self.network, self.faults)

    def idle(self) -> Iterator[str]:
        """Say, in a sentence each, what changes nothing, or not what it seems to."""
        yield from self.idle_faults()
        yield from self.idle_settings()

    def idle_faults(self) -> Iterator[str]:
        """Of faults: those without effect in any protocol compared here, and those that meet."""
        protocols = self.protocols.values()
        compared = [one for one in protocols if not one.is_reference] or protocols
        nodes = [one.runs_on(self.client_names) for one in compared]
        yield from idle_faults(self.acting_faults, nodes, self.topology, self.duration)
        yield from false_suspicions(self.faults, self.failure_detection)

    def idle_settings(self) -> Iterator[str]:
        """Of all other settings, those that were chosen to no effect."""
        yield from busy({name: getattr(self, name) for name in type(self).model_fields})
        yield from idle_looks(self.evaluation.every, self.duration)
        yield from idle_suspicions(self.evaluation, self.failure_detection)
        yield from idle_sample(self.evaluation, self.clients.count)
        yield from idle_partition(self.task, self.clients.count)
        if self.training is not None:
            yield from idle_momentum(self.training, self.protocols)
        yield from idle_options(self.protocols, self.faults)
        yield from idle_groups(self.clients.groups, self.faults, self.costs)
        yield from idle_regions(self.network, self.server)
        yield from idle_memory(self.clients, self.protocols)
        yield from idle_costs(self.costs, self.protocols)
        if self.topology != Complete():
            yield from idle_topology(self.topology, self.protocols, self.faults)

    # -- what only the whole shows -------------------------------------------------------------

    @model_validator(mode="wrap")
    @classmethod
    def _fits_together(cls, data: Any, handler: ModelWrapValidatorHandler[Scenario]) -> Scenario:
        """Tell what sections have wrong together beside what each has wrong alone."""
        try:
            scenario = handler(data)
        except ValidationError as error:
            # A default that waits for what is wrong is no mistake.
            alone = [one for one in details(error) if one["type"] != "default_factory_not_called"]
            sections = sound(cls.model_fields, data, alone) if isinstance(data, dict) else {}
            raise refused(cls.__name__, [*alone, *map(detail, mistakes(sections))]) from None
        if together := list(mistakes({name: getattr(scenario, name) for name in cls.model_fields})):
            raise refused(cls.__name__, list(map(detail, together)))
        return scenario


def validated(document: Document, told: Collection[Path] = ()) -> Scenario:
    """The scenario that a document holds.

    Raises ScenarioError with all its mistakes, but for those below what was ``told`` before.
    """
    try:
        scenario = Scenario.model_validate(document.value)
    except ValidationError as error:
        raise translated(error, document, told) from None
    scenario._document = document
    return scenario
