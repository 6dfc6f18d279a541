"""One module's statements: what they bind and import, and which act whoever imports it."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from sim.record.code.source import Code, Module

Reached = tuple[str, str | None]
"""A module and a name in it; None for what runs whenever the module is imported."""


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


class Names:
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
    def everything(self) -> Iterator[Reached]:
        """All that is in it."""
        name = self.module.name
        return iter([(name, None), *((name, inside) for inside in self.binding)])


def _imported(tree: ast.Module, module: Module) -> dict[str, list[Reached]]:
    """What names mean that are imported anywhere in a module."""
    found: dict[str, list[Reached]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                # `import a.b` binds a.
                top = alias.name.partition(".")[0]
                target = alias.name if alias.asname else top
                found.setdefault(alias.asname or top, []).append((target, None))
        elif isinstance(node, ast.ImportFrom):
            source = source_of(node, module)
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
            source = source_of(node, module)
            found += [source, *(f"{source}.{alias.name}" for alias in node.names)]
    return found


def _at_import(node: ast.AST) -> Iterator[ast.AST]:
    """All below a node but what is in functions."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield child
            yield from _at_import(child)


def source_of(node: ast.ImportFrom, module: Module) -> str:
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
    parts = dotted(decorator.func if isinstance(decorator, ast.Call) else decorator)
    return bool(parts) and parts[-1] in _STANDARD and parts[0] not in theirs


def _calls(value: ast.expr, theirs: set[str]) -> bool:
    """Whether a value comes of a call that meets anything of the user's code."""
    every = (node for node in ast.walk(value) if isinstance(node, ast.Call))
    calls = (call for call in every if not _is_standard(call, theirs))
    names = (node for call in calls for node in ast.walk(call) if isinstance(node, ast.Name))
    return any(name.id in theirs for name in names)


def dotted(node: ast.AST) -> list[str]:
    """The parts of `a.b.c`; empty if a node is no such name."""
    if isinstance(node, ast.Name):
        return [node.id]
    if isinstance(node, ast.Attribute) and (before := dotted(node.value)):
        return [*before, node.attr]
    return []


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
