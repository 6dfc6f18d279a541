"""What all settings share: strictness, and how a mistake says what is allowed."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Any, ClassVar, Literal, Self, get_args, get_origin

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    ValidationError,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError
from pydantic_core.core_schema import ErrorType

from sim.record.errors import Refusal, shown

_TYPES = frozenset(get_args(ErrorType))


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

    @model_validator(mode="wrap")
    @classmethod
    def _keys_fit(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        """Say what is allowed beside an unknown or missing key, which pydantic alone does not."""
        if not isinstance(data, (dict, cls)):
            required = [key for key, field in cls.model_fields.items() if field.is_required()]
            more = f", with {', '.join(required)}" if required else ", {} for none"
            raise Refusal(f"{shown(data)} is not a mapping", f"a mapping of names to values{more}")
        try:
            return handler(data)
        except ValidationError as error:
            raise refused(cls.__name__, [cls._explained(one) for one in details(error)]) from None

    @classmethod
    def _explained(cls, error: InitErrorDetails) -> InitErrorDetails:
        match error["type"], error["loc"]:
            case "extra_forbidden", (str(key),):
                names = ", ".join(cls.model_fields)
                return detail(Refusal("unknown key", names, (key,), "unknown key"))
            case "missing", (str(key),):
                return detail(cls._missing(key))
        return error

    @classmethod
    def _missing(cls, key: str) -> Refusal:
        field = cls.model_fields[key]
        hint = field.annotation
        names = ", ".join(get_args(hint)) if get_origin(hint) is Literal else ""
        allowed = names or field.description or f"a value for {key}"
        return Refusal("is missing", allowed, (key,), "missing")


def details(error: ValidationError) -> list[InitErrorDetails]:
    """What a ValidationError holds, so that it can be raised again with more."""
    return [
        InitErrorDetails(
            # A validator of somebody's own may raise an error of its own.
            type=one["type"]
            if one["type"] in _TYPES
            else PydanticCustomError("own", "{msg}", {"msg": one["msg"]}),
            loc=one["loc"],
            input=one["input"],
            ctx=one.get("ctx", {}),
        )
        for one in error.errors(include_url=False)
    ]


def detail(refusal: Refusal, path: Sequence[str | int] = ()) -> InitErrorDetails:
    """A mistake at `path`, as pydantic knows it."""
    return InitErrorDetails(type="value_error", loc=tuple(path), input=None, ctx={"error": refusal})


def refused(title: str, found: list[InitErrorDetails]) -> ValidationError:
    """The error of several mistakes together."""
    return ValidationError.from_exception_data(title, found)


def values(part: Any) -> Iterator[Any]:
    """A part of a description and all values in it, from the outside to the inside."""
    yield part
    if isinstance(part, Settings):
        inner: Iterable[Any] = (value for _, value in part)
    elif isinstance(part, dict):
        inner = part.values()
    else:
        inner = part if isinstance(part, list | tuple) else ()
    for value in inner:
        yield from values(value)


Count = Annotated[int, Field(ge=1, le=1_000_000_000)]
"""A whole number, one or more; what counts beyond a billion can't be played, and may overflow."""
Positive = Annotated[float, Field(gt=0)]
"""A number above zero, without a unit."""
Seed = Annotated[int, Field(ge=0, lt=2**63)]
"""What draws are keyed by: a whole number."""
