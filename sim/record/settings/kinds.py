"""A part of a scenario that is one of several kinds, each with settings of its own."""

from collections.abc import Mapping
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from sim.record.errors import Refusal, shown
from sim.record.settings.base import Settings


class OneOf:
    """Annotates a field that holds settings of one of the kinds in `registry`, told by `key`.

    The registry is a literal dict, looked up at each validation: a kind that somebody adds to it is
    known from then on, without any class being built anew.
    """

    def __init__(self, registry: Mapping[str, type[Settings]], key: str = "kind") -> None:
        self._registry = registry
        self._key = key

    def _chosen(self, data: Any) -> Settings:
        names = ", ".join(self._registry)
        if isinstance(data, Settings) and type(data) in self._registry.values():
            return data
        if not isinstance(data, dict):
            allowed = f"a mapping of names to values, with {self._key}: one of {names}"
            raise Refusal(f"{shown(data)} is not a mapping", allowed)
        if self._key not in data:
            raise Refusal("is missing", names, (self._key,), "missing")
        kind = data[self._key]
        if not isinstance(kind, str) or kind not in self._registry:
            raise Refusal(f"{shown(kind)} is not known here", names, (self._key,), "unknown kind")
        return self._registry[kind].model_validate(data)

    def __get_pydantic_core_schema__(self, _: Any, __: GetCoreSchemaHandler) -> CoreSchema:
        # What was chosen is written out as what it is, not as the field's declared type.
        return core_schema.no_info_before_validator_function(self._chosen, core_schema.any_schema())

    def __get_pydantic_json_schema__(
        self, _: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        kinds = self._registry.values()
        return {"anyOf": [handler(kind.__pydantic_core_schema__) for kind in kinds]}
