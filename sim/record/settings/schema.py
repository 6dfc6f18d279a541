"""The JSON Schema of settings, which an editor completes and checks by."""

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import SchemaSerializer, core_schema


class Schema(GenerateJsonSchema):
    """As pydantic makes it, but with defaults as they are written, and no names but good ones."""

    def dict_schema(self, schema: core_schema.DictSchema) -> JsonSchemaValue:
        """See GenerateJsonSchema."""
        made = super().dict_schema(schema)
        return {**made, "additionalProperties": False} if "patternProperties" in made else made

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """See GenerateJsonSchema."""
        made = super().default_schema(schema)
        if "default" in made:
            made["default"] = _written(schema["default"], schema["schema"])
        return made


def _written(default: Any, schema: core_schema.CoreSchema) -> Any:
    """A default in JSON: a quantity with its unit."""
    if isinstance(default, BaseModel):
        return default.model_dump(mode="json", exclude_none=True)
    if isinstance(default, float | tuple):
        return SchemaSerializer(schema).to_python(default, mode="json")
    return default
