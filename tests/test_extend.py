"""What code of one's own is made of: all of it from one place, and each name explained."""

import ast
import inspect
import itertools
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from braintorrent import extend

ROOT = Path(__file__).parents[1]
OWN = Path(__file__).parent / "outside" / "own"
BORROWED = {"Field", "model_validator"}


def explained(name: str) -> bool:
    """Whether a class or function says what it is, or a text follows where a type is made."""
    value: Any = getattr(extend, name)
    if inspect.isclass(value) or inspect.isfunction(value):
        return bool(value.__doc__)
    for room in ("sim/record", "sim/world", "models"):
        for path in (ROOT / room).rglob("*.py"):
            body = ast.parse(path.read_text(encoding="utf-8")).body
            for statement, after in itertools.pairwise(body):
                match statement, after:
                    case ast.Assign(targets=[ast.Name(id=found)]), ast.Expr(
                        value=ast.Constant(value=str())
                    ) if found == name:
                        return True
    return False


@pytest.mark.parametrize("name", sorted(set(extend.__all__) - BORROWED))
def test_each_name_is_explained(name: str) -> None:
    assert explained(name)


def test_code_of_ones_own_needs_no_other_of_our_names_and_few_lines() -> None:
    for path in OWN.glob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        sources = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        sources |= {
            alias.name
            for node in ast.walk(tree)
            if isinstance(node, ast.Import)
            for alias in node.names
        }
        ours = {each for each in sources if each and each.split(".")[0] in ("sim", "models")}
        assert not ours, path
    assert len((OWN / "my_code.py").read_text(encoding="utf-8").splitlines()) <= 60


def test_a_protocol_needs_no_torch() -> None:
    code = "import sys, braintorrent.extend as e; e.Protocol; assert 'torch' not in sys.modules"
    code += "; e.Task, e.supervised; assert 'torch' in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_what_is_not_there_is_told() -> None:
    with pytest.raises(AttributeError, match=r"'braintorrent\.extend' has no attribute 'Nothing'"):
        _ = extend.Nothing
