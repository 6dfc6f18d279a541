"""Classes that a user holds, in a notebook's cell or a script, as code that can be compared."""

from __future__ import annotations

import ast
import inspect
import linecache
import sys
import textwrap
from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import Any

from sim.record.code.source import Module
from sim.record.errors import ScenarioError

_CONSTANTS = (type(None), bool, int, float, complex, str, bytes)


def modules(classes: Mapping[str, type]) -> tuple[Module, ...]:
    """A module for each class, named after it: its code and what it uses of where it stands.

    Only to be compared and kept: a value that isn't a plain one is left out. Raises ScenarioError
    for a class whose text nobody knows.
    """
    return tuple(_module(name, kind) for name, kind in classes.items())


def files(classes: Mapping[str, type]) -> tuple[str, ...]:
    """Where the classes stand, as tracebacks name it."""
    return tuple(dict.fromkeys(file for kind in classes.values() for file in _files(kind)))


def _module(name: str, kind: type) -> Module:
    parts: dict[str, str] = {}
    waiting = [(kind.__qualname__, kind)]
    while waiting:
        called, value = waiting.pop()
        if called not in parts:
            parts[called] = _text(called, value, kind.__module__)
            waiting += _used(parts[called], value) if callable(value) else []
    return Module(
        name, next(iter(_files(kind)), ""), "\n\n".join(parts[each] for each in sorted(parts))
    )


def _text(name: str, value: Any, module: str) -> str:
    """The source of a class or function of the module, or an assignment of a plain value."""
    if not inspect.isclass(value) and not inspect.isroutine(value):
        return f"{name} = {value!r}" if _is_plain(value) else ""
    if getattr(value, "__module__", None) != module:
        return f"from {getattr(value, '__module__', '?')} import {name}"
    try:
        return textwrap.dedent(inspect.getsource(value))
    except (OSError, TypeError):
        return _in_cell(name, value)


def _in_cell(name: str, value: Any) -> str:
    """A class's source in a cell, which only its functions know."""
    for file in _files(value):
        text = "".join(linecache.getlines(file))
        for node in ast.walk(ast.parse(text) if text else ast.Module([], [])):
            if isinstance(node, ast.ClassDef) and node.name == name.rpartition(".")[2]:
                return ast.get_source_segment(text, node) or ""
    allowed = "a class in a file of its own, which the scenario names as file.Class"
    raise ScenarioError(f"code: the source of {name} can't be read; allowed: {allowed}")


def _files(value: Any) -> Iterator[str]:
    functions = vars(value).values() if isinstance(value, type) else (value,)
    for each in map(inspect.unwrap, functions):
        # Of a class's functions some are pydantic's.
        if hasattr(each, "__code__") and each.__module__ == value.__module__:
            yield each.__code__.co_filename


def _used(text: str, value: Any) -> list[tuple[str, Any]]:
    """What a source names of the globals that it meets."""
    there = vars(sys.modules.get(value.__module__, ModuleType("")))
    names = (node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name))
    return [(name, there[name]) for name in dict.fromkeys(names) if name in there]


def _is_plain(value: Any) -> bool:
    if isinstance(value, tuple | list):
        return all(map(_is_plain, value))
    return isinstance(value, _CONSTANTS)
