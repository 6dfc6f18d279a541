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

from sim.record.code.source import OURS, Code, Module

# Whoever uses these may reach anything of its own module, under a name that is written nowhere ...
_REACH_MODULE = frozenset({"globals", "vars"})
# ... or of any module: by text that is run, or since whoever derives from a class enrols with it.
_REACH_ALL = frozenset({"eval", "exec", "__import__", "importlib"})
_REACH_ALL_METHODS = frozenset({"__subclasses__", "__init_subclass__"})

_Reached = tuple[str, str | None]
"""A module and a name in it; None for what runs whenever the module is imported."""


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


def speechless(node: ast.AST) -> str:
    """The code of a syntax tree, without what only people read; the tree is changed."""
    return ast.unparse(_Speechless().visit(node))


class _Speechless(ast.NodeTransformer):
    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        """A string that stands alone explains what is above it."""
        return None if _is_text(node) else self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """Of `Field(default=1, description="...")` the default is left."""
        if isinstance(node.func, ast.Name) and node.func.id == "Field":
            node.keywords = [each for each in node.keywords if each.arg != "description"]
        return self.generic_visit(node)


class _Names:
    """One module: the statements that bind each name, and those that act whoever imports it.

    `imported`: what names mean that are imported anywhere in it; `loaded`: what it imports;
    `silent`: each statement without what only people read.
    """

    def __init__(self, module: Module, code: Code) -> None:
        self.module = module
        tree = module.tree()
        self.imported = _imported(tree, module)
        self.loaded = _loaded(tree, module)
        told = [one for one in tree.body if not _is_text(one)]
        statements = [one for one in told if not _is_main(one)]
        # A second tree: what is taken out of it must not be missing where uses are looked for.
        silent = _Speechless().visit(module.tree()).body
        self.silent = {one: other for one, other in zip(told, silent, strict=True)}
        self.binding: dict[str, list[ast.stmt]] = {}
        for statement in statements:
            for name in dict.fromkeys(_bound(statement)):
                self.binding.setdefault(name, []).append(statement)
        theirs = {name for name in self.binding if self._is_of(code, name)}
        self.always = [one for one in statements if _acts(one, theirs)]

    def _is_of(self, code: Code, name: str) -> bool:
        """Whether a name may mean something in the user's code, and not only a library."""
        if not all(isinstance(one, ast.Import | ast.ImportFrom) for one in self.binding[name]):
            return True
        return any(module in code.by_name for module, _ in self.imported.get(name, ()))

    @property
    def everything(self) -> Iterator[_Reached]:
        name = self.module.name
        return iter([(name, None), *((name, inside) for inside in self.binding)])


class _Closure:
    """All that is reached from some definitions."""

    def __init__(self, code: Code) -> None:
        self.parts: dict[str, str] = {}
        self.libraries: set[str] = set()
        self._code = code
        self._names: dict[str, _Names] = {}

    def reach(self, first: Sequence[_Reached]) -> None:
        waiting, done = list(first), set()
        while waiting:
            here = waiting.pop()
            if here not in done:
                done.add(here)
                waiting += self._next(*here)

    def _of_module(self, name: str) -> _Names:
        if name not in self._names:
            self._names[name] = _Names(self._code.by_name[name], self._code)
        return self._names[name]

    def _is_here(self, module: str) -> bool:
        return module in self._code.by_name

    def _next(self, module: str, name: str | None) -> Iterator[_Reached]:
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

    def _when_imported(self, names: _Names) -> Iterator[_Reached]:
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
        self, names: _Names, statements: Sequence[ast.stmt], label: str
    ) -> Iterator[_Reached]:
        for statement in statements:
            inside: set[int] = set()  # Parts of dotted names, which are looked at as a whole.
            for node in ast.walk(statement):
                if id(node) not in inside:
                    inside.update(_inner(node))
                    yield from self._of_node(names, node)
        if statements:
            texts = (ast.unparse(names.silent[statement]) for statement in statements)
            self.parts[label] = "\n".join(texts)

    def _of_node(self, names: _Names, node: ast.AST) -> Iterator[_Reached]:
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
        elif parts := _dotted(node):
            if parts[0] in names.binding:
                yield names.module.name, parts[0]
            yield from self._of_dotted(names.module.name, parts)

    def _everything(self, module: str) -> Iterator[_Reached]:
        return self._of_module(module).everything

    def _of_dotted(self, module: str, parts: Sequence[str]) -> Iterator[_Reached]:
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

    def _imported_as(self, module: str, name: str) -> Sequence[_Reached]:
        return self._of_module(module).imported.get(name, ())

    def _modules_called(self, module: str, name: str, seen: frozenset[_Reached]) -> Iterator[str]:
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

    def _imports(self, node: ast.Import | ast.ImportFrom, module: Module) -> Iterator[_Reached]:
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)
            return
        source = _source(node, module)
        for alias in node.names:
            if not self._is_here(source):
                yield source, None
            elif alias.name == "*":
                yield from self._everything(source)
            else:
                yield source, alias.name


def _imported(tree: ast.Module, module: Module) -> dict[str, list[_Reached]]:
    """What names mean that are imported anywhere in a module."""
    found: dict[str, list[_Reached]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                # `import a.b` binds a.
                top = alias.name.partition(".")[0]
                target = alias.name if alias.asname else top
                found.setdefault(alias.asname or top, []).append((target, None))
        elif isinstance(node, ast.ImportFrom):
            source = _source(node, module)
            for alias in node.names:
                found.setdefault(alias.asname or alias.name, []).append((source, alias.name))
    return found


def _loaded(tree: ast.Module, module: Module) -> list[str]:
    """The modules that are imported when a module is, and some names in them that may be some."""
    found: list[str] = []
    for node in _at_import(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            source = _source(node, module)
            found += [source, *(f"{source}.{alias.name}" for alias in node.names)]
    return found


def _at_import(node: ast.AST) -> Iterator[ast.AST]:
    """All below a node but what is in functions."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield child
            yield from _at_import(child)


def _source(node: ast.ImportFrom, module: Module) -> str:
    """The full name of the module that `from ... import` names."""
    if not node.level:
        return node.module or ""
    parts = module.name.split(".")
    above = parts[: len(parts) - node.level + module.is_package]
    return ".".join((*above, *((node.module,) if node.module else ())))


def _bound(statement: ast.stmt) -> Iterator[str]:
    """The names that a statement at the top of a module binds; a block binds all of its own."""
    match statement:
        case ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
            yield statement.name
            # Whoever calls it binds these.
            for node in ast.walk(statement):
                yield from node.names if isinstance(node, ast.Global) else ()
            return
        case ast.Import() | ast.ImportFrom():
            names = (alias.asname or alias.name.partition(".")[0] for alias in statement.names)
            yield from (name for name in names if name != "*")
        case ast.Assign():
            yield from _plain(statement.targets)
        case ast.AnnAssign() | ast.AugAssign():
            yield from _plain([statement.target])
        case ast.If() | ast.Try():
            yield from (name for inner in _block(statement) for name in _bound(inner))
    yield from (node.target.id for node in _at_import(statement) if isinstance(node, ast.NamedExpr))


def _block(statement: ast.If | ast.Try) -> Iterator[ast.stmt]:
    """The statements in a block, on whatever condition they are done."""
    for inner in ast.iter_child_nodes(statement):
        if isinstance(inner, ast.stmt):
            yield inner
        elif isinstance(inner, ast.ExceptHandler):
            yield from inner.body


def _plain(targets: Sequence[ast.expr]) -> list[str]:
    """The names assigned to; none if anything else is, too: `a.b = c` changes what others see."""
    names: list[str] = []
    for target in targets:
        if isinstance(target, ast.Name):
            names.append(target.id)
        elif isinstance(target, ast.Tuple | ast.List) and (inner := _plain(target.elts)):
            names += inner
        else:
            return []
    return names


def _acts(statement: ast.stmt, theirs: set[str]) -> bool:
    """Whether a statement at the top may do more than bind its names: change what others see.

    `theirs`: the names of what a user's code defines. A decorator may put what it decorates into a
    table, where others find it, and so may a function that is called.
    """
    match statement:
        case ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
            return not all(_is_standard(each, theirs) for each in statement.decorator_list)
        case ast.Import() | ast.Pass() | ast.Raise():
            return False
        case ast.ImportFrom():
            return any(alias.name == "*" for alias in statement.names)
        case ast.Assign() | ast.AnnAssign() if any(_bound(statement)):
            return statement.value is not None and _calls(statement.value, theirs)
        case ast.If(test=test) if _calls(test, theirs):
            return True
        case ast.If() | ast.Try():
            return any(_acts(inner, theirs) for inner in _block(statement))
    return not _is_text(statement)


_STANDARD = frozenset(
    {"dataclass", "cache", "lru_cache", "wraps", "contextmanager", "total_ordering", "partial"}
)


def _is_standard(decorator: ast.expr, theirs: set[str]) -> bool:
    """Whether a decorator, or what is called, is one of Python's own that enrol nothing."""
    parts = _dotted(decorator.func if isinstance(decorator, ast.Call) else decorator)
    return bool(parts) and parts[-1] in _STANDARD and parts[0] not in theirs


def _calls(value: ast.expr, theirs: set[str]) -> bool:
    """Whether a value comes of a call that meets anything of the user's code."""
    every = (node for node in ast.walk(value) if isinstance(node, ast.Call))
    calls = (call for call in every if not _is_standard(call, theirs))
    names = (node for call in calls for node in ast.walk(call) if isinstance(node, ast.Name))
    return any(name.id in theirs for name in names)


def _reaches(node: ast.AST, names: _Names, built_in: frozenset[str]) -> bool:
    """Whether a node is one of these names of Python, whatever it is called here."""
    if not (parts := _dotted(node)):
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
            return any(_dotted(base) == ["type"] for base in bases)
    return False


def _dotted(node: ast.AST) -> list[str]:
    """The parts of `a.b.c`; empty if a node is no such name."""
    if isinstance(node, ast.Name):
        return [node.id]
    if isinstance(node, ast.Attribute) and (before := _dotted(node.value)):
        return [*before, node.attr]
    return []


def _inner(node: ast.AST) -> Iterator[int]:
    """What is below a dotted name and part of it."""
    while isinstance(node, ast.Attribute) and _dotted(node):
        node = node.value
        yield id(node)


def _is_main(statement: ast.stmt) -> bool:
    """Whether it is the block that runs only where the file is run by itself."""
    return (
        isinstance(statement, ast.If)
        and not statement.orelse
        and ast.unparse(statement.test) == "__name__ == '__main__'"
    )


def _is_text(statement: ast.stmt) -> bool:
    """Whether it is a string that stands alone."""
    if not isinstance(statement, ast.Expr) or not isinstance(statement.value, ast.Constant):
        return False
    return isinstance(statement.value.value, str)
