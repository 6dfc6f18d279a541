"""Counts what crosses the walls of `sim`'s rooms, and draws it: `python tests/rooms.py [FOLDER]`.

A room is a folder or a file at the top of `sim`. An import is a pair (importing file, imported
module), wherever in the file it stands and whether or not it is for types only.
"""

import ast
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
Edges = dict[str, set[str]]


def edges(root: Path, package: str) -> Edges:
    """By module of `package` the modules of it that it imports."""
    files = {_module(path, root): path for path in sorted((root / package).rglob("*.py"))}
    return {name: set(_imported(path, name, files)) for name, path in files.items()}


def _module(path: Path, root: Path) -> str:
    return ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")


def _imported(path: Path, own: str, files: dict[str, Path]) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            # `from package import module` imports the module, any other name what holds it.
            whole = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [name if name in files else node.module for name in whole]
        yield from (name for name in names if name in files and name != own)


def room(module: str) -> str:
    """The room that a module stands in: the part behind the package's name."""
    return (module + "..").split(".")[1]


def crossing(found: Edges) -> Counter[tuple[str, str]]:
    """How many imports lead from one room to another, by (from, to)."""
    pairs = ((room(one), room(other)) for one, others in found.items() for other in others)
    return Counter((one, other) for one, other in pairs if one != other and one and other)


def circle(found: Edges) -> list[str]:
    """Some modules that import each other in a circle, the first once more at the end; or none."""
    done: set[str] = set()

    def visit(module: str, way: list[str]) -> list[str]:
        if module in way:
            return [*way[way.index(module) :], module]
        if module in done:
            return []
        for other in sorted(found[module]):
            if back := visit(other, [*way, module]):
                return back
        done.add(module)
        return []

    return next((back for module in sorted(found) if (back := visit(module, []))), [])


def picture(found: Edges) -> str:
    """A matrix: how often each room (row) imports each other (column), highest floor first."""
    counts = crossing(found)
    below: dict[str, set[str]] = defaultdict(set)
    for one, other in counts:
        below[one].add(other)
    rooms = sorted({name for pair in counts for name in pair}, key=lambda name: -len(below[name]))
    rows = [" ".join(f"{name[:9]:>9}" for name in ("", *rooms))]
    for one in rooms:
        cells = (str(counts[one, other] or ".") for other in rooms)
        rows.append(" ".join(f"{cell:>9}" for cell in (one[:9], *cells)))
    return "\n".join(rows)


if __name__ == "__main__":
    everything = edges(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT, "sim")
    total = sum(map(len, everything.values()))
    between = crossing(everything)
    print(picture(everything))
    print(f"{total} imports, {between.total()} of them through a wall; {len(between)} arrows")
    print("circle:", " -> ".join(circle(everything)) or "none")
