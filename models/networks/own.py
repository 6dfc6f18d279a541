"""A user's network as one of ours: any callable that gives a module, its parameters as settings."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, get_args, get_origin

from pydantic import BeforeValidator, ConfigDict, PydanticUserError, create_model
from pydantic.errors import PydanticUndefinedAnnotation

from models.networks.settings import ModelSettings
from sim.record.code import whose_fault
from sim.record.errors import Refusal

if TYPE_CHECKING:
    import torch
    from torch import nn

_GIVEN = ("input_shape", "outputs")
"""Parameters that the task decides; a callable has those that it wants."""


class OwnNetwork(ModelSettings):
    """A network of the user's own: what is built by `maker`."""

    model_config = ConfigDict(validate_default=True, protected_namespaces=())
    maker: ClassVar[Callable[..., nn.Module]]

    def build(self, input_shape: tuple[int, ...], outputs: int) -> nn.Module:
        """See ModelSettings; Refusal if it gives no module, or one that doesn't fit the task."""
        given = {"input_shape": input_shape, "outputs": outputs}
        wanted = inspect.signature(self.maker).parameters
        settings = {field: getattr(self, field) for field in type(self).model_fields}
        del settings["name"]
        module: Any = self.maker(**{key: given[key] for key in _GIVEN if key in wanted}, **settings)
        return self._checked(module, input_shape, outputs)

    def _checked(self, module: Any, input_shape: tuple[int, ...], outputs: int) -> nn.Module:
        import torch

        path = ("model", "name")
        if not isinstance(module, torch.nn.Module):
            given = type(module).__name__
            raise Refusal(f"{self.name} gives a {given}", "a torch.nn.Module", path)
        try:
            answer = _answer(module, torch.zeros(2, *input_shape))
        except Exception as error:
            if whose_fault(error):
                raise
            # Layers of PyTorch's, put together: no line of the user's is on the way.
            what = f"{self.name} can't take a batch {_listed((2, *input_shape))}: {error}"
            raise Refusal(what, f"a module for inputs {_listed(input_shape)}", path) from None
        if not any(one.requires_grad for one in module.parameters()):
            raise Refusal(f"{self.name} has nothing to train", "a module with parameters", path)
        shape = getattr(answer, "shape", None)
        wanted = (2, outputs, *(input_shape[1:] if self.per_pixel else ()))
        if shape is None or tuple(shape) != wanted:
            given = type(answer).__name__ if shape is None else _listed(shape)
            what = f"{self.name} answers a batch {_listed((2, *input_shape))} by {given}"
            each = "pixel" if self.per_pixel else "sample"
            raise Refusal(what, f"{_listed(wanted)}, {outputs} numbers for each {each}", path)
        return module


def _answer(module: nn.Module, batch: torch.Tensor) -> Any:
    """What a module makes of a batch, which leaves its buffers and its mode as they were."""
    import torch

    modes = {one: one.training for one in module.modules()}
    with torch.no_grad():
        answer = module.eval()(batch)
    for one, mode in modes.items():
        one.training = mode
    return answer


def own_network(name: str, maker: Any) -> type[ModelSettings] | None:
    """The settings of a network called `name`; None if that is nothing that may give a module.

    Raises Refusal if a parameter can't be a setting.
    """
    if isinstance(maker, type) and issubclass(maker, ModelSettings):
        return maker
    parameters = _parameters(name, maker) if callable(maker) else {}
    return _settings(name, maker) if "outputs" in parameters else None


@functools.cache
def _settings(name: str, maker: Callable[..., nn.Module]) -> type[ModelSettings]:
    parameters = [one for key, one in _parameters(name, maker).items() if key not in _GIVEN]
    fields: dict[str, Any] = {
        one.name: (_hint(name, one), ... if one.default is one.empty else one.default)
        for one in parameters
        if one.kind is not one.VAR_POSITIONAL
    }
    module, _, called = name.rpartition(".")
    try:
        made = create_model(called, __base__=OwnNetwork, __module__=module, **fields)
        made.model_json_schema()
    except (PydanticUserError, PydanticUndefinedAnnotation) as error:
        what = f"{name}: {str(error).partition(chr(10))[0].rstrip('.')}"
        raise Refusal(what, "parameters that YAML has values for") from None
    made.__doc__ = inspect.getdoc(maker) or "A network of your own."
    made.maker = staticmethod(maker)
    made.per_pixel = getattr(maker, "per_pixel", False)
    return made


def _parameters(name: str, maker: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    """Those that a callable has; none if Python can't tell."""
    try:
        return inspect.signature(maker, eval_str=True).parameters
    except (TypeError, ValueError):
        return {}
    except Exception as error:  # Whatever comes of the text of an annotation.
        what = f"{name}: the types of its parameters can't be read ({error})"
        raise Refusal(what, "types that are known where it stands") from None


def _hint(name: str, parameter: inspect.Parameter) -> Any:
    """The type of a setting. Raises Refusal if the parameter can't be one."""
    if parameter.kind in (parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
        raise Refusal(f"{name}: {parameter} can't be given as a setting", "parameters with a name")
    called = parameter.name
    if parameter.annotation is parameter.empty:
        raise Refusal(f"{name}: the parameter {called} has no type", f"one, as in {called}: int")
    if hasattr(OwnNetwork, called) or called == "name" or called.startswith("_"):
        raise Refusal(f"{name}: a parameter can't be called `{called}`", "any other name")
    hint = parameter.annotation
    return Annotated[hint, BeforeValidator(_tuples)] if _mentions_tuple(hint) else hint


def _mentions_tuple(hint: Any) -> bool:
    return get_origin(hint) is tuple or any(map(_mentions_tuple, get_args(hint)))


def _tuples(value: Any) -> Any:
    """Tuples for lists, which are all that YAML has."""
    return tuple(map(_tuples, value)) if isinstance(value, list | tuple) else value


def _listed(shape: Sequence[int]) -> str:
    return f"[{', '.join(map(str, shape))}]"
