"""What a definition does: its syntax, that of all in the user's code that it uses, and libraries.

A comment, a docstring or another definition of the same file is no part of it.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from sim.record.code.names import Names, Reached, dotted, source_of
from sim.record.code.source import OURS, Code, Module

# Whoever uses these may reach anything of its own module, under a name that is written nowhere ...
_REACH_MODULE = frozenset({"globals", "vars"})
# ... or of any module: by text that is run, or since whoever derives from a class enrols with it.
_REACH_ALL = frozenset({"eval", "exec", "__import__", "importlib"})
_REACH_ALL_METHODS = frozenset({"__subclasses__", "__init_subclass__"})


@dataclass(frozen=True)
class Meaning:
    """What a definition does, in parts that can be compared, and the libraries that it imports.

    `parts`: by module and name the code of each definition that is used.
    """

    parts: dict[str, str]
    libraries: tuple[str, ...]

    @property
    def digest(self) -> str:
        """Names what is done, but for the libraries' versions."""
        return hashlib.sha256(repr(sorted(self.parts.items())).encode()).hexdigest()


def meaning(code: Code, names: Iterable[str]) -> Meaning:
    """What the definitions called `module.name` do. Raises KeyError for a module that isn't there.

    More may be in it than is used, as where one name means two things, but hardly less: a name that
    is put together when the program runs is followed by taking in all of its module.
    """
    return _meaning(code, tuple(sorted(set(names))))


@functools.lru_cache(64)
def _meaning(code: Code, names: tuple[str, ...]) -> Meaning:
    closure = _Closure(code)
    closure.reach([code.definition(name) for name in names])
    return Meaning(dict(sorted(closure.parts.items())), tuple(sorted(closure.libraries)))


def differences(before: Meaning, after: Meaning) -> list[str]:
    """What has changed, a phrase for each definition."""
    one, other = before.parts, after.parts
    return [
        *(f"{name} has changed" for name in one if name in other and one[name] != other[name]),
        *(f"{name} is new" for name in other if name not in one),
        *(f"{name} is gone" for name in one if name not in other),
    ]


class _Closure:
    """All that is reached from some definitions."""

    def __init__(self, code: Code) -> None:
        self.parts: dict[str, str] = {}
        self.libraries: set[str] = set()
        self._code = code
        self._names: dict[str, Names] = {}

    def reach(self, first: Sequence[Reached]) -> None:
        waiting, done = list(first), set()
        while waiting:
            here = waiting.pop()
            if here not in done:
                done.add(here)
                waiting += self._next(*here)

    def _of_module(self, name: str) -> Names:
        if name not in self._names:
            self._names[name] = Names(self._code.by_name[name], self._code)
        return self._names[name]

    def _is_here(self, module: str) -> bool:
        return module in self._code.by_name

    def _next(self, module: str, name: str | None) -> Iterator[Reached]:
        """What a name of a module uses in turn; the name itself is noted."""
        if not self._is_here(module):
            self._note_library(module)
            return
        names = self._of_module(module)
        if name is None:
            yield from self._when_imported(names)
            return
        yield module, None
        if name in names.binding:
            yield from self._of_statements(names, names.binding[name], f"{module}.{name}")
        elif not self._is_here(f"{module}.{name}"):
            # It comes from `import *`, or by a way that can't be read off.
            yield from names.everything
        if self._is_here(f"{module}.{name}"):
            yield f"{module}.{name}", None

    def _when_imported(self, names: Names) -> Iterator[Reached]:
        """To import a.b is to import a before, and all that either imports."""
        module = names.module.name
        if above := module.rpartition(".")[0]:
            yield above, None
        yield from ((loaded, None) for loaded in names.loaded if self._is_here(loaded))
        yield from self._of_statements(names, names.always, f"{module}, when it is imported")

    def _note_library(self, module: str) -> None:
        top = module.partition(".")[0]
        if top and top not in sys.stdlib_module_names and top not in OURS:
            self.libraries.add(top)

    def _of_statements(
        self, names: Names, statements: Sequence[ast.stmt], label: str
    ) -> Iterator[Reached]:
        for statement in statements:
            inside: set[int] = set()  # Parts of dotted names, which are looked at as a whole.
            for node in ast.walk(statement):
                if id(node) not in inside:
                    inside.update(_inner(node))
                    yield from self._of_node(names, node)
        if statements:
            texts = (ast.unparse(names.silent[statement]) for statement in statements)
            self.parts[label] = "\n".join(texts)

    def _of_node(self, names: Names, node: ast.AST) -> Iterator[Reached]:
        if _reaches(node, names, _REACH_MODULE):
            yield from names.everything
        if _reaches(node, names, _REACH_ALL) or _enrols(node):
            yield from (one for each in self._code.by_name for one in self._everything(each))
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from self._imports(node, names.module)
        elif isinstance(node, ast.Constant):
            # A type in quotes, or what is asked for by name.
            if isinstance(node.value, str) and node.value in names.binding:
                yield names.module.name, node.value
        elif parts := dotted(node):
            if parts[0] in names.binding:
                yield names.module.name, parts[0]
            yield from self._of_dotted(names.module.name, parts)

    def _everything(self, module: str) -> Iterator[Reached]:
        return self._of_module(module).everything

    def _of_dotted(self, module: str, parts: Sequence[str]) -> Iterator[Reached]:
        """What `a.b.c` stands for in a module, as far as `a` and `a.b` are modules."""
        for one in self._modules_called(module, parts[0], frozenset()):
            if len(parts) == 1:
                # A module that is handed on may be used in any way.
                yield from self._everything(one)
            else:
                yield one, parts[1]
                yield from self._of_dotted(one, parts[1:])
        sources = (source for source, _ in self._imported_as(module, parts[0]))
        yield from ((source, None) for source in sources if not self._is_here(source))

    def _imported_as(self, module: str, name: str) -> Sequence[Reached]:
        return self._of_module(module).imported.get(name, ())

    def _modules_called(self, module: str, name: str, seen: frozenset[Reached]) -> Iterator[str]:
        """The modules of the code that `name` may stand for in a module of it."""
        if (module, name) in seen:
            return
        if self._is_here(f"{module}.{name}"):
            yield f"{module}.{name}"
        for source, inside in self._imported_as(module, name):
            if not self._is_here(source):
                continue
            if inside is None:
                yield source
            else:
                yield from self._modules_called(source, inside, seen | {(module, name)})

    def _imports(self, node: ast.Import | ast.ImportFrom, module: Module) -> Iterator[Reached]:
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)
            return
        source = source_of(node, module)
        for alias in node.names:
            if not self._is_here(source):
                yield source, None
            elif alias.name == "*":
                yield from self._everything(source)
            else:
                yield source, alias.name


def _reaches(node: ast.AST, names: Names, built_in: frozenset[str]) -> bool:
    """Whether a node is one of these names of Python, whatever it is called here."""
    if not (parts := dotted(node)):
        return False
    meant = [(module, inside or "") for module, inside in names.imported.get(parts[0], ())]
    if ("sys", "modules") in (*meant, *((module, parts[1]) for module, _ in meant if parts[1:])):
        return True
    return parts[0] in built_in or any({module, inside} & built_in for module, inside in meant)


def _enrols(node: ast.AST) -> bool:
    """Whether classes that derive from one are known to it, without being named."""
    match node:
        case ast.Attribute(attr=name) | ast.FunctionDef(name=name):
            return name in _REACH_ALL_METHODS
        case ast.ClassDef(bases=bases):
            return any(dotted(base) == ["type"] for base in bases)
    return False


def _inner(node: ast.AST) -> Iterator[int]:
    """What is below a dotted name and part of it."""
    while isinstance(node, ast.Attribute) and dotted(node):
        node = node.value
        yield id(node)
