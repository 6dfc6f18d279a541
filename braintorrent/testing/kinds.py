"""What is under test, however it is given: a shipped kind's name, a class, or settings as built."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

from pydantic import TypeAdapter, ValidationError

from sim.record.errors import Place, ScenarioError
from sim.record.settings import OneOf, Settings
from sim.scenario.translation import translated
from sim.scenario.yaml_loader import Document

Kind = TypeVar("Kind", bound=Settings)


def chosen(
    base: type[Kind],
    registry: Mapping[str, type[Kind]],
    kind: str | type[Kind] | Kind,
    settings: Mapping[str, Any],
    key: str = "kind",
) -> Kind:
    """Settings of `kind`, with values as they are written in YAML.

    `key`: what the kind is called by. Raises ScenarioError for a kind or a value that isn't known.
    """
    if isinstance(kind, Settings):
        return kind
    if isinstance(kind, str):
        one_of: Any = Annotated[base, OneOf(registry, key)]
        return validated(TypeAdapter(one_of), {key: kind, **settings}, kind)
    return validated(TypeAdapter(kind), _named(kind, key) | dict(settings), kind.__name__)


def validated(kind: TypeAdapter[Kind], data: Any, source: str) -> Kind:
    """`data` as settings; ScenarioError, which begins with `source`, at its first mistake."""
    try:
        return kind.validate_python(data)
    except ValidationError as error:
        document = Document(source, data, values={(): Place(source, 0)})
        raise translated(error, document) from None


def _named(kind: type[Settings], key: str) -> dict[str, str]:
    """How a scenario would call the class, if its settings have to say so."""
    field = kind.model_fields.get(key)
    if field is None or not field.is_required():
        return {}
    if get_origin(field.annotation) is Literal:
        return {key: get_args(field.annotation)[0]}
    return {key: f"{kind.__module__}.{kind.__qualname__}"}


__all__ = ["ScenarioError", "chosen", "validated"]
