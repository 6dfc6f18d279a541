"""A part of a scenario that is one of several kinds, each with settings of its own."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from sim.record.code import definition, is_named, is_own, kinds, own
from sim.record.errors import Refusal, did_you_mean, shown
from sim.record.settings.base import Settings, values

Adapt = Callable[[str, Any], type[Settings] | None]
"""From the name of something in a user's code, and it, to settings; None if it can't be."""


class OneOf:
    """Annotates a field that holds settings of one of the kinds in `registry`, told by `key`.

    The registry is a literal dict, looked up at each validation: a kind that somebody adds to it is
    known from then on, without any class being built anew. A name with a dot is a user's own: a
    subclass of the field's type in the code that was given, or what `adapt` makes of it. A name
    alone stands for a kind with nothing but its defaults.
    """

    def __init__(
        self,
        registry: Mapping[str, type[Settings]],
        key: str = "kind",
        adapt: Adapt | None = None,
    ) -> None:
        self._registry = registry
        self._key = key
        self._adapt = adapt
        # The annotated type, known when the field's schema is built.
        self._base: type[Settings] = Settings

    def known(self) -> Iterator[tuple[str, type[Settings]]]:
        """All kinds by their names, ours before the user's."""
        yield from self._registry.items()
        yield from kinds(self._base, self._adapt)

    def _chosen(self, data: Any) -> Settings:
        if isinstance(data, self._base):
            return data
        names = ", ".join(self._registry)
        if isinstance(data, str):
            data = {self._key: data}
        if not isinstance(data, dict):
            allowed = f"one of {names}; or a mapping with {self._key}: one of these"
            raise Refusal(f"{shown(data)} is not a mapping", allowed)
        if self._key not in data:
            raise Refusal("is missing", names, (self._key,), "missing")
        return self._kind(data[self._key], names).model_validate(data)

    def _kind(self, name: Any, names: str) -> type[Settings]:
        if isinstance(name, str):
            if name in self._registry:
                return self._registry[name]
            try:
                if (found := own(name)) is not None:
                    return _complete(
                        name, self._base, self._adapt(name, found) if self._adapt else found
                    )
            except Refusal as refusal:
                raise refusal.below(self._key) from None
        what = f"{shown(name)} is not known here{did_you_mean(name, self._registry)}"
        raise Refusal(what, names, (self._key,), "unknown kind")

    def __get_pydantic_core_schema__(self, source: Any, _: GetCoreSchemaHandler) -> CoreSchema:
        self._base = source
        # What was chosen is written out as what it is, not as the field's declared type.
        return core_schema.no_info_before_validator_function(self._chosen, core_schema.any_schema())

    def __get_pydantic_json_schema__(
        self, _: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        known = list(self.known())
        made = {name: handler(one.__pydantic_core_schema__) for name, one in known}
        kinds = [self._schema(name, handler.resolve_ref_schema(one)) for name, one in made.items()]
        alone = [name for name, one in known if _needs_nothing(one, self._key)]
        if not any("." in name for name, _ in known):  # The user's own, if the code isn't there.
            named = {"type": "string", "pattern": r"\."}
            own = {"type": "object", "properties": {self._key: named}, "required": [self._key]}
            kinds += [own, named]
        return {"anyOf": [*([{"enum": alone}] if alone else []), *kinds]}

    def _schema(self, name: str, kind: JsonSchemaValue) -> JsonSchemaValue:
        """A kind's schema, in which its name is required and tells it from the others."""
        named = {"const": name, "description": kind["properties"][self._key].get("description", "")}
        required = [self._key, *(key for key in kind.get("required", []) if key != self._key)]
        return {
            **kind,
            "properties": {**kind["properties"], self._key: named},
            "required": required,
        }


def _needs_nothing(kind: type[Settings], key: str) -> bool:
    """Whether its name alone says all that must be said."""
    return not any(field.is_required() for name, field in kind.model_fields.items() if name != key)


def own_kinds(*parts: Any) -> tuple[str, ...]:
    """The definitions in a user's code that parts of a scenario are made by."""
    made = [value for part in parts for value in values(part) if isinstance(value, Settings)]
    found = {name for one in made if is_own(type(one)) for name in _names_of(one)}
    return tuple(sorted(found))


def _names_of(made: Settings) -> Iterator[str]:
    """What a kind is defined as, and as what it was chosen, which may be an alias of it."""
    yield definition(type(made))
    chosen = (getattr(made, key, None) for key in ("kind", "name"))
    yield from (name for name in chosen if isinstance(name, str) and is_named(name))


def own_names(*parts: Any) -> tuple[str, ...]:
    """The definitions in a user's code that parts of a scenario are made by, or name."""
    texts = (value for part in parts for value in values(part) if isinstance(value, str))
    return tuple(sorted({*own_kinds(*parts), *filter(is_named, texts)}))


def _complete(name: str, base: type[Settings], found: Any) -> type[Settings]:
    """What a user's code has under that name, if it is a kind. Raises Refusal if it's not."""
    if not isinstance(found, type) or not issubclass(found, base):
        raise Refusal(f"{name} can't be used here", f"{base.AS_OWN} (see braintorrent.extend)")
    if inspect.isabstract(found):
        missing = ", ".join(sorted(found.__abstractmethods__))
        raise Refusal(f"{name} isn't complete", f"a class that defines {missing}")
    return found
