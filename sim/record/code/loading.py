"""A user's code in this process: one bundle at a time is active, and its names can be looked up."""

from __future__ import annotations

import ast
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import inspect
import re
import sys
import traceback
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from types import CodeType, ModuleType
from typing import Any, TypeVar

from sim.record.code import direct
from sim.record.code.source import NO_CODE, Code, Module
from sim.record.errors import Refusal, ScenarioError

T = TypeVar("T")


class _Loader(importlib.abc.InspectLoader):
    """Runs a module's text as it was read, whatever has become of its file."""

    def __init__(self, module: Module) -> None:
        self._module = module

    def get_source(self, fullname: str) -> str:
        return self._module.text

    def get_code(self, fullname: str) -> CodeType:
        return self.source_to_code(self._module.text, self._module.path or f"<{fullname}>")

    def is_package(self, fullname: str) -> bool:
        return self._module.is_package


class _Finder(importlib.abc.MetaPathFinder):
    """Finds the modules of the active code, and nothing else."""

    def __init__(self) -> None:
        self.code = NO_CODE
        self.direct: Mapping[str, type] = {}
        self.at_hand = ""
        # By digest: code that comes back is what it was, not run again.
        self.away: dict[str, dict[str, ModuleType]] = {}

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        module = self.code.by_name.get(name)
        if module is None:
            return None
        spec = importlib.util.spec_from_loader(name, _Loader(module), origin=module.path)
        assert spec is not None
        spec.has_location = bool(module.path)
        return spec


_finder = _Finder()


def active() -> Code:
    """The code that is looked up now; empty if none was given."""
    return _finder.code


def everything() -> Code:
    """The active code and the classes given directly: what results are compared and kept by."""
    given = direct.modules(_finder.direct)
    return Code((*_finder.code.modules, *given), _finder.code.given) if given else _finder.code


def definition(kind: type) -> str:
    """The name of a user's class in `everything`."""
    if name := _direct_name(kind):
        return f"{name}.{kind.__qualname__}"
    return f"{kind.__module__}.{kind.__qualname__}"


def _direct_name(kind: Any) -> str | None:
    return next((name for name, one in _finder.direct.items() if one is kind), None)


def activate(code: Code, classes: Mapping[str, type] | None = None) -> None:
    """Let names be looked up in `code`, and no longer in what was active before.

    `classes`: kinds that the user holds and that decide no numbers, by their names; None leaves
    them as they are. Nothing of the code is run before one of its names is looked up.
    """
    if _finder not in sys.meta_path:
        # First, so that a folder on Python's path that has modules of these names is not in the
        # way; `read` has refused names that mean something else.
        sys.meta_path.insert(0, _finder)
    if classes is not None:
        _finder.direct = dict(classes)
    if code.digest == _finder.code.digest:
        return
    before = _finder.code
    there = (name for name in before.by_name if _is_loaded(name))
    _finder.away[before.digest] = {name: sys.modules.pop(name) for name in there}
    for name in code.by_name:
        sys.modules.pop(name, None)
    _finder.code = code
    sys.modules.update(_finder.away.pop(code.digest, {}))


def suggest(folder: str) -> None:
    """Where code may lie that nobody has given, for whoever names something in it."""
    _finder.at_hand = folder


def _is_loaded(name: str) -> bool:
    module = sys.modules.get(name)
    return module is not None and isinstance(getattr(module, "__loader__", None), _Loader)


def own(name: str) -> Any:
    """What the active code defines as `module.name`, or the class of that name given directly.

    None for a name that is neither: one without a dot. Raises Refusal, in words that say how code
    is given, if there is no such thing, and ScenarioError, with file and line, if the module can't
    be run.
    """
    if name in _finder.direct:
        return _finder.direct[name]
    module_name, dot, attribute = name.rpartition(".")
    if not dot:
        return None
    code = _finder.code
    if not code:
        raise Refusal(f"{name} is nothing of braintorrent's own", _how(), sort="unknown kind")
    if module_name not in code.by_name:
        allowed = ", ".join(f"{one}.NAME" for one in code.given)
        raise Refusal(f"{name}: no such module was given", allowed, sort="unknown kind")
    module = _loaded(module_name)
    try:
        return getattr(module, attribute)
    except AttributeError:
        names = ", ".join(_defined(code.by_name[module_name])) or "a class or function"
        what = f"{code.by_name[module_name].path} defines no {attribute}"
        raise Refusal(what, names, sort="unknown kind") from None


def _how() -> str:
    at_hand = _finder.at_hand
    return f"--code {at_hand}" if at_hand else "--code with the Python file that defines it"


def _loaded(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except Exception as error:
        raise ScenarioError(whose_fault(error) or f"--code {name}: {error}") from None


def _defined(module: Module) -> list[str]:
    """The names of a module's classes and functions."""
    sorts = ast.ClassDef | ast.FunctionDef
    found = (node.name for node in module.tree().body if isinstance(node, sorts))
    return [name for name in found if not name.startswith("_")]


def is_own(value: Any) -> bool:
    """Whether a class or function comes from the active code, or was given directly."""
    module = getattr(value, "__module__", None)
    return module in _finder.code.by_name or _direct_name(value) is not None


def is_named(text: str) -> bool:
    """Whether a text is `module.name` of something in the active code that has been run."""
    module, _, name = text.rpartition(".")
    return module in _finder.code.by_name and hasattr(sys.modules.get(module), name)


def kinds(
    base: type[T], adapt: Callable[[str, Any], Any] | None = None
) -> Iterator[tuple[str, type[T]]]:
    """The complete subclasses of `base` that the user gave, each with the name to use it by.

    `adapt` may make one of anything else that the user has defined. Runs all modules that were
    given. Raises ScenarioError as `own` does.
    """
    given = _finder.code.given
    starts = tuple(f"{name}." for name in given)
    inside = (name for name in _finder.code.by_name if name.startswith(starts))
    modules = ((f"{name}.", vars(_loaded(name))) for name in dict.fromkeys((*given, *inside)))
    for start, names in (*modules, ("", _finder.direct)):
        for name, value in list(names.items()):
            if name.startswith("_") or not is_own(value):
                continue
            try:
                kind = adapt(start + name, value) if adapt else value
            except Refusal:  # It only looks like one; who names it is told.
                continue
            if isinstance(kind, type) and issubclass(kind, base) and not inspect.isabstract(kind):
                yield start + name, kind


def mistake_in(function: Callable[..., Any], what: str, allowed: str) -> ScenarioError:
    """The error of a function that gives what it may not, with its file and line."""
    code = inspect.unwrap(function).__code__
    place = f"{code.co_filename}:{code.co_firstlineno}: in {function.__qualname__}"
    return ScenarioError(f"{place}: {what}; allowed: {allowed}")


def whose_fault(error: BaseException) -> str | None:
    """Where in the active code an error came up and what it is, in a line; None if not there."""
    paths = {*(module.path for module in _finder.code.modules), *direct.files(_finder.direct)}
    found, seen = None, error
    while True:
        found = _blamed(seen, paths) or found
        cause = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)
        if cause is None or (found and not _is_copy(seen, cause)):
            return found
        seen = cause


def _blamed(error: BaseException, paths: Collection[str]) -> str | None:
    """The last of the lines in `paths` that an error has come through, and what it is."""
    if isinstance(error, SyntaxError) and error.filename in paths:
        return f"{error.filename}:{error.lineno}: {error.msg}"
    frames = [one for one in traceback.extract_tb(error.__traceback__) if one.filename in paths]
    if not frames:
        return _uncalled(error, paths)
    last = frames[-1]
    inside = "" if last.name == "<module>" else f" in {last.name}:"
    text = str(error).strip().partition("\n")[0]
    return f"{last.filename}:{last.lineno}:{inside} {type(error).__name__}: {text}"


def _uncalled(error: BaseException, paths: Collection[str]) -> str | None:
    """The same of a call that a function in `paths` doesn't take.

    It has no line of the function's, which never began; only its text has the function's name, as
    in "Gossip.run() takes 1 positional argument but 2 were given".
    """
    refused = _REFUSED_CALL.match(str(error)) if type(error) is TypeError else None
    if refused is None:
        return None
    modules = (*_finder.code.by_name, *(kind.__module__ for kind in _finder.direct.values()))
    for function in (_found(sys.modules.get(module), refused[1]) for module in modules):
        code = getattr(function, "__code__", None)
        if code is not None and code.co_filename in paths:
            return f"{code.co_filename}:{code.co_firstlineno}: TypeError: {error}"
    return None


def _found(module: ModuleType | None, qualified_name: str) -> Any:
    """What a module calls so; None if nothing, or nothing that can be reached by its name."""
    found: Any = module
    for part in qualified_name.split("."):
        found = getattr(found, part, None)
    return found


_REFUSED_CALL = re.compile(r"([\w.]+)\(\) (?:takes|missing|got) ")


def _is_copy(error: BaseException, cause: BaseException) -> bool:
    """Whether SimPy has raised it for its cause, which knows better where it was."""
    return type(error) is type(cause) and error.args == cause.args
