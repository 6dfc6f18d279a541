"""What is under test, however it is given: a shipped kind's name, a class, or settings as built."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

from pydantic import TypeAdapter, ValidationError

from models.networks import NETWORKS, ModelSettings
from models.partitions import PARTITIONS, PartitionSettings
from sim.faults import FAULTS, Fault
from sim.protocols import PROTOCOLS, Protocol
from sim.record.errors import Place
from sim.record.settings import OneOf, Settings
from sim.scenario.mistakes.translation import translated
from sim.scenario.yaml_loader import Document

Kind = TypeVar("Kind", bound=Settings)


PROTOCOL: TypeAdapter[Protocol] = TypeAdapter(Annotated[Protocol, OneOf(PROTOCOLS)])
FAULT: TypeAdapter[Fault] = TypeAdapter(Annotated[Fault, OneOf(FAULTS)])
PARTITION: TypeAdapter[PartitionSettings] = TypeAdapter(
    Annotated[PartitionSettings, OneOf(PARTITIONS)]
)
NETWORK: TypeAdapter[ModelSettings] = TypeAdapter(Annotated[ModelSettings, OneOf(NETWORKS, "name")])


def chosen(
    one_of: TypeAdapter[Kind],
    kind: str | type[Kind] | Kind,
    settings: Mapping[str, Any] | None,
    key: str = "kind",
) -> Kind:
    """Settings of `kind`, with values as they are written in YAML.

    `key`: what the kind is called by. Raises ScenarioError for a kind or a value that isn't known.
    """
    if isinstance(kind, str):
        return validated(one_of, {key: kind, **(settings or {})}, kind)
    if isinstance(kind, type):
        return validated(TypeAdapter(kind), _named(kind, key) | dict(settings or {}), kind.__name__)
    return kind


def validated(kind: TypeAdapter[Kind], data: Any, source: str) -> Kind:
    """`data` as settings; ScenarioError, which begins with `source`, with its mistakes."""
    try:
        built: Kind = kind.validate_python(data)
    except ValidationError as error:
        places = {path: Place(source, 0) for path in ((), *((key,) for key in data))}
        document = Document(source, data, values=places)
        raise translated(error, document) from None
    return built


def _named(kind: type[Settings], key: str) -> dict[str, str]:
    """How a scenario would call the class, if its settings have to say so."""
    field = kind.model_fields.get(key)
    if field is None or not field.is_required():
        return {}
    if get_origin(field.annotation) is Literal:
        return {key: get_args(field.annotation)[0]}
    return {key: f"{kind.__module__}.{kind.__qualname__}"}
