"""What a definition does: its syntax, that of all in the user's code that it uses, and libraries.

A comment, a docstring or another definition of the same file is no part of it.
"""

from __future__ import annotations

import ast
import hashlib
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from sim.record.code.source import OURS, Code, Module

# Whoever uses these may reach anything of its module, under a name that is written nowhere.
_REACHES_ALL = frozenset({"globals", "vars", "eval", "exec", "__import__", "importlib"})
_REACHES_ALL_ATTRIBUTES = frozenset({"modules", "__subclasses__", "__init_subclass__"})

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
    closure = _Closure(code)
    for name in names:
        module, _, inside = name.rpartition(".")
        closure.reach((module, inside))
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
    """One module: the statements that bind each name, and those that run whoever imports it."""

    def __init__(self, module: Module) -> None:
        self.module = module
        self.binding: dict[str, list[ast.stmt]] = {}
        self.always: list[ast.stmt] = []
        tree = module.tree()
        self.imported = dict(_imports(tree, module))
        for statement in tree.body:
            if _is_main(statement) or _is_text(statement):
                continue
            bound = list(_bound(statement))
            for name in bound:
                self.binding.setdefault(name, []).append(statement)
            # A decorator may put what it decorates into a table, where others find it.
            if not bound or getattr(statement, "decorator_list", None):
                self.always.append(statement)

    @property
    def everything(self) -> Iterator[_Reached]:
        name = self.module.name
        return iter([(name, None), *((name, inside) for inside in self.binding)])


class _Closure:
    """All that is reached from some definitions."""

    def __init__(self, code: Code) -> None:
        self.parts: dict[str, str] = {}
        self.libraries: set[str] = set()
        self._modules = code.by_name
        self._names: dict[str, _Names] = {}

    def reach(self, first: _Reached) -> None:
        waiting, done = [first], set()
        while waiting:
            here = waiting.pop()
            if here not in done:
                done.add(here)
                waiting += self._next(*here)

    def _of_module(self, name: str) -> _Names:
        if name not in self._names:
            self._names[name] = _Names(self._modules[name])
        return self._names[name]

    def _next(self, module: str, name: str | None) -> Iterator[_Reached]:
        """What a name of a module uses in turn; the name itself is noted."""
        if module not in self._modules:
            self._note_library(module)
            return
        names = self._of_module(module)
        if name is None:
            # To import a.b is to import a before.
            if above := module.rpartition(".")[0]:
                yield above, None
            yield from self._of_statements(names, names.always, f"{module}, when it is imported")
        elif name in names.binding:
            yield module, None
            yield from self._of_statements(names, names.binding[name], f"{module}.{name}")
        elif f"{module}.{name}" in self._modules:
            yield f"{module}.{name}", None
        else:
            # It comes from `import *`, or by a way that can't be read off.
            yield from names.everything

    def _note_library(self, module: str) -> None:
        top = module.partition(".")[0]
        if top and top not in sys.stdlib_module_names and top not in OURS:
            self.libraries.add(top)

    def _of_statements(
        self, names: _Names, statements: Sequence[ast.stmt], label: str
    ) -> Iterator[_Reached]:
        for statement in statements:
            # `a` of `a.b` is not used as a whole.
            before_dot = {id(one.value) for one in ast.walk(statement) if isinstance(one, _DOT)}
            for node in ast.walk(statement):
                yield from self._of_node(names, node, id(node) in before_dot)
        if statements:
            # Parsed anew: what is taken out of it must not be missing where it is read again.
            texts = (ast.unparse(statement) for statement in statements)
            self.parts[label] = "\n".join(speechless(ast.parse(text)) for text in texts)

    def _of_node(self, names: _Names, node: ast.AST, before_dot: bool) -> Iterator[_Reached]:
        if _reaches_all(node):
            yield from names.everything
        if isinstance(node, ast.Name):
            if node.id in names.binding:
                yield names.module.name, node.id
            if not before_dot:
                yield from self._whole(names, node.id)
        elif isinstance(node, _DOT) and isinstance(node.value, ast.Name):
            yield from self._inside(names, node.value.id, node.attr)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield from self._imported(names, node)

    def _whole(self, names: _Names, name: str) -> Iterator[_Reached]:
        """What an imported name stands for; a module that is handed on may be used in any way."""
        for module, inside in names.imported.get(name, ()):
            yield module, inside
            whole = f"{module}.{inside}" if inside else module
            if whole in self._modules:
                yield from self._of_module(whole).everything

    def _inside(self, names: _Names, name: str, attribute: str) -> Iterator[_Reached]:
        """What `name.attribute` stands for, if `name` is imported."""
        for module, inside in names.imported.get(name, ()):
            whole = f"{module}.{inside}" if inside else module
            yield (whole, attribute) if whole in self._modules else (module, inside)

    def _imported(self, names: _Names, node: ast.Import | ast.ImportFrom) -> Iterator[_Reached]:
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)
            return
        source = _source(node, names.module)
        for alias in node.names:
            if alias.name == "*" and source in self._modules:
                yield from self._of_module(source).everything
            else:
                yield source, alias.name if source in self._modules else None


_DOT = ast.Attribute


def _imports(tree: ast.Module, module: Module) -> Iterator[tuple[str, list[_Reached]]]:
    """What names mean that are imported anywhere in a module."""
    found: dict[str, list[_Reached]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                # `import a.b` binds a, by which a.b is reached, too.
                top = alias.name.partition(".")[0]
                targets = [alias.name] if alias.asname else [top, alias.name]
                known = found.setdefault(alias.asname or top, [])
                known += [(target, None) for target in targets]
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                source = _source(node, module)
                found.setdefault(alias.asname or alias.name, []).append((source, alias.name))
    yield from found.items()


def _source(node: ast.ImportFrom, module: Module) -> str:
    """The full name of the module that `from ... import` names."""
    if not node.level:
        return node.module or ""
    parts = module.name.split(".")
    above = parts[: len(parts) - node.level + module.is_package]
    return ".".join((*above, *((node.module,) if node.module else ())))


def _bound(statement: ast.stmt) -> Iterator[str]:
    """The names that a statement at the top of a module binds; a block binds all of its own."""
    if isinstance(statement, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        yield statement.name
    elif isinstance(statement, ast.Import | ast.ImportFrom):
        names = (alias.asname or alias.name.partition(".")[0] for alias in statement.names)
        yield from (name for name in names if name != "*")
    elif isinstance(statement, ast.Assign):
        yield from _plain(statement.targets)
    elif isinstance(statement, ast.AnnAssign | ast.AugAssign):
        yield from _plain([statement.target])
    elif isinstance(statement, ast.If | ast.Try):
        for inner in ast.iter_child_nodes(statement):
            if isinstance(inner, ast.stmt):
                yield from _bound(inner)
            elif isinstance(inner, ast.ExceptHandler):
                yield from (name for one in inner.body for name in _bound(one))


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


def _reaches_all(node: ast.AST) -> bool:
    """Whether what is done here may use any name of the module."""
    match node:
        case ast.Name(id=name):
            return name in _REACHES_ALL
        case ast.Attribute(attr=name):
            return name in _REACHES_ALL_ATTRIBUTES
        case ast.FunctionDef(name=name):
            return name in _REACHES_ALL_ATTRIBUTES
    return False


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
