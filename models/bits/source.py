"""A Python file's name by what it does, not by what it says."""

from __future__ import annotations

import ast
import hashlib
from pathlib import Path


def digest(file: Path) -> bytes:
    """The SHA-256 of a file's code, as one Python version writes it.

    Comments, formatting, docstrings and arguments called `description` are no part of it, so a
    better word for a setting renames no model.
    """
    code = _Speechless().visit(ast.parse(file.read_bytes()))
    return hashlib.sha256(ast.unparse(code).encode()).digest()


class _Speechless(ast.NodeTransformer):
    """Drops what only people read."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        """A string that stands alone explains what is above it."""
        value = node.value
        stands_alone = isinstance(value, ast.Constant) and isinstance(value.value, str)
        return None if stands_alone else self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """Of `Field(default=1, description="...")` the default is left."""
        node.keywords = [each for each in node.keywords if each.arg != "description"]
        return self.generic_visit(node)
