"""A user's network as one of ours: any callable that gives a module, its parameters as settings."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import create_model

from models.networks.settings import ModelSettings
from sim.record.errors import Refusal

if TYPE_CHECKING:
    from torch import nn

_GIVEN = ("input_shape", "outputs")
"""Parameters that the task decides; a callable has those that it wants."""


class OwnNetwork(ModelSettings):
    """A network of the user's own: what is built by `maker`."""

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
        if not any(one.requires_grad for one in module.parameters()):
            raise Refusal(f"{self.name} has nothing to train", "a module with parameters", path)
        was_training = module.training
        with torch.no_grad():
            found = module.eval()(torch.zeros(2, *input_shape))
        module.train(was_training)
        shape = tuple(getattr(found, "shape", ()))
        if shape[:2] != (2, outputs):
            what = f"{self.name} answers a batch [2, {_listed(input_shape)}] by {list(shape)}"
            raise Refusal(what, f"[2, {outputs}], a number for each class", path)
        return module


def own_network(name: str, maker: Any) -> type[ModelSettings] | None:
    """The settings of a network called `name`; None if that is nothing that may give a module.

    Raises Refusal if a parameter can't be a setting.
    """
    if isinstance(maker, type) and issubclass(maker, ModelSettings):
        return maker
    return _settings(name, maker) if _may_be_network(maker) else None


@functools.cache
def _settings(name: str, maker: Callable[..., nn.Module]) -> type[ModelSettings]:
    fields: dict[str, Any] = {}
    for parameter in inspect.signature(maker, eval_str=True).parameters.values():
        if parameter.name in _GIVEN or parameter.kind is parameter.VAR_POSITIONAL:
            continue
        if parameter.kind in (parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
            what = f"{name}: {parameter} can't be given as a setting"
            raise Refusal(what, "parameters with a name")
        if parameter.annotation is parameter.empty:
            what = f"{name}: the parameter {parameter.name} has no type"
            raise Refusal(what, f"one, as in {parameter.name}: int")
        if parameter.name == "name":
            raise Refusal(f"{name}: a parameter is called `name`", "any other name")
        default = ... if parameter.default is parameter.empty else parameter.default
        fields[parameter.name] = (parameter.annotation, default)
    made = create_model(maker.__name__, __base__=OwnNetwork, __module__=maker.__module__, **fields)
    made.__doc__ = maker.__doc__ or "A network of your own."
    made.__qualname__ = maker.__qualname__
    made.maker = staticmethod(maker)
    made.per_pixel = getattr(maker, "per_pixel", False)
    return made


def _may_be_network(maker: Any) -> bool:
    """Whether it is a class or function that the task may tell what to build."""
    if not callable(maker):
        return False
    try:
        parameters = inspect.signature(maker).parameters
    except (TypeError, ValueError):
        return False
    return "outputs" in parameters


def _listed(shape: tuple[int, ...]) -> str:
    return ", ".join(map(str, shape))
