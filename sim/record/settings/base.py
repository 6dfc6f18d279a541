"""What all settings share: strictness, and how a mistake says what is allowed."""

from typing import Annotated, Any, ClassVar, Literal, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, model_validator

from sim.record.errors import Refusal


class Settings(BaseModel):
    """A frozen description; unknown keys, implicit conversions and non-finite numbers are refused.

    Raises ``pydantic.ValidationError`` on construction from anything that does not fit.
    """

    AS_OWN: ClassVar[str] = "a class of your own"
    """What a user writes who adds a kind."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        allow_inf_nan=False,
    )

    @model_validator(mode="before")
    @classmethod
    def _keys_fit(cls, data: Any) -> Any:
        """Say what is allowed beside an unknown or missing key, which pydantic alone does not."""
        if not isinstance(data, dict):
            return data
        for key in data:
            if key not in cls.model_fields:
                names = ", ".join(cls.model_fields)
                raise Refusal("unknown key", names, (str(key),), "unknown key")
        for key, field in cls.model_fields.items():
            if field.is_required() and key not in data:
                hint = field.annotation
                names = ", ".join(get_args(hint)) if get_origin(hint) is Literal else ""
                raise Refusal("is missing", names or str(field.description), (key,), "missing")
        return data


Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
