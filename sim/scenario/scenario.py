"""The scenario: one validated, frozen description of a world and the protocols to compare in it.

A room of its own because everything above reads it and nothing above may change it; whatever a
user can get wrong is found here, before the clock starts.
"""

from __future__ import annotations

import importlib.resources
import io
import re
from collections.abc import Sequence
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
from ruamel.yaml import YAML

from models.settings import ModelSettings, TaskSettings, TrainingSettings
from sim.faults.settings import FaultSettings
from sim.protocols.settings import ProtocolSettings
from sim.record.errors import Place, ScenarioError, scenario_error
from sim.record.settings.base import Seed, Settings
from sim.record.settings.quantities import PositiveSeconds
from sim.scenario import overrides as _overrides
from sim.scenario import ranges
from sim.scenario.latency_file import with_latency_file
from sim.scenario.scan_paths import with_scan_paths
from sim.scenario.sections import (
    ClientsSettings,
    EvaluationSettings,
    NetworkSettings,
    OutputSettings,
    ServerSettings,
    StopSettings,
)
from sim.scenario.topology import check_topology
from sim.scenario.translation import translated
from sim.scenario.yaml_loader import Document, parse, read_text

__all__ = ["Scenario", "ScenarioError", "dump", "load", "schema", "shipped", "validated"]

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
    task: TaskSettings = Field(description="the data and what is learned from it")
    model: ModelSettings = Field(description="the network that is trained")
    training: TrainingSettings = Field(description="how a client fine-tunes")
    clients: ClientsSettings = Field(description="who learns, and how fast")
    network: NetworkSettings = Field(description="how messages travel")
    server: ServerSettings | None = Field(
        default=None, description="required with a protocol that has a server"
    )
    faults: dict[_Name, FaultSettings] = Field(
        default_factory=dict, description="what goes wrong, by a name of your choice"
    )
    protocols: Annotated[
        dict[_Name, ProtocolSettings], BeforeValidator(_kinds_named), Field(min_length=1)
    ] = Field(description="what is compared, by a name of your choice")
    evaluation: EvaluationSettings = Field(description="when scores are taken")
    stop_when: StopSettings | None = Field(
        default=None, description="the score that ends a run before its duration"
    )
    output: OutputSettings = Field(
        default_factory=_output, description="what is kept; models of segmentation tasks by default"
    )
    sweep: dict[str, _Values] | None = Field(
        default=None, description="settings by their paths, with the values that a sweep gives them"
    )

    # Where each part was written, for mistakes that only the data reveals.
    _document: Document | None = PrivateAttr(default=None)

    @model_validator(mode="after")
    def _consistent(self) -> Scenario:
        check_topology(self)
        return self

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
        return tuple(f"client_{number}" for number in range(self.clients.count))

    @property
    def node_names(self) -> tuple[str, ...]:
        """All clients, then ``server`` if the scenario has one."""
        return (*self.client_names, *(("server",) if self.server is not None else ()))

    def resolve(self, selector: str | Sequence[str]) -> tuple[str, ...]:
        """The nodes that a selector (or one node's name) means, in the order of ``node_names``.

        A server that the scenario does not have is left out.
        """
        if selector == "all":
            return self.node_names
        if selector == "clients":
            return self.client_names
        wanted = {selector} if isinstance(selector, str) else set(selector)
        return tuple(name for name in self.node_names if name in wanted)


def shipped() -> tuple[str, ...]:
    """The names of the scenarios that come with the package, sorted."""
    folder = importlib.resources.files("scenarios")
    names = (entry.name for entry in folder.iterdir())
    return tuple(sorted(name[:-5] for name in names if name.endswith(".yaml")))


def load(path_or_name: str | FilePath, overrides: Sequence[str] = ()) -> Scenario:
    """The scenario in a YAML file, or the shipped one of that name, with ``PATH=VALUE`` overrides.

    Raises ScenarioError at the first mistake, with its place and what is allowed.
    """
    document, folder = _document(str(path_or_name))
    for override in overrides:
        _overrides.apply(document, override)
    if not isinstance(document.value, dict):
        raise scenario_error(document.place(()), (), "is not a scenario", "a mapping")
    with_latency_file(document, folder)
    with_scan_paths(document, folder)
    return validated(document)


def validated(document: Document) -> Scenario:
    """The scenario that a document holds; ScenarioError at its first mistake."""
    try:
        scenario = Scenario.model_validate(document.value)
    except ValidationError as error:
        raise translated(error, document) from None
    scenario._document = document
    return scenario


def _document(source: str) -> tuple[Document, FilePath]:
    """The parsed file and the folder to which its paths are relative."""
    path = FilePath(source)
    if re.fullmatch(r"[A-Za-z0-9_]+", source) and not path.is_file():
        if source not in shipped():
            names = ", ".join(shipped())
            what = "no such file or shipped scenario"
            raise scenario_error(Place(source), (), what, f"a YAML file, or {names}")
        entry = importlib.resources.files("scenarios") / f"{source}.yaml"
        text, label = entry.read_text(encoding="utf-8"), f"scenarios/{source}.yaml"
    else:
        text, label = read_text(path), source
    document = parse(text, label)
    question = _first_comment(text)
    if isinstance(document.value, dict) and question:
        document.value.setdefault("question", question)
    return document, path.parent


def _first_comment(text: str) -> str | None:
    """The block of comment lines that a file begins with, as one line."""
    lines = []
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.lstrip("#").strip())
    return " ".join(lines).strip() or None


def dump(scenario: Scenario) -> str:
    """The scenario as YAML with every default spelled out; loading it gives an equal one."""
    stream = io.StringIO()
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = None
    yaml.width = 1_000_000
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    yaml.dump(scenario.model_dump(mode="json", exclude_none=True), stream)
    return stream.getvalue()


def schema() -> dict[str, Any]:
    """The JSON Schema of a scenario file, for editors."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Scenario.model_json_schema(),
    }
