"""The house: few files in a folder, few arrows between rooms, no circle."""

from collections import Counter
from pathlib import Path

import pytest

from tests.rooms import ROOT, circle, crossing, edges

MOST_FILES, MOST_TEST_FILES = 12, 20
# One file a kind: there may be as many as there are kinds.
KINDS = {f"sim/{name}" for name in ("protocols", "faults")} | {
    f"models/{name}" for name in ("tasks", "networks", "partitions")
}


def test_the_rooms_of_the_simulation_are_nine() -> None:
    rooms = [path for path in (ROOT / "sim").iterdir() if (path / "__init__.py").exists()]
    files = {path.name for path in (ROOT / "sim").glob("*.py")}
    assert len(rooms) == 9 and files == {"__init__.py"}


def test_little_crosses_the_walls() -> None:
    between = crossing(edges(ROOT, "sim"))
    assert between.total() <= 356
    assert len(between) <= 25


@pytest.mark.parametrize("package", ["braintorrent", "sim", "models", "analysis"])
def test_no_modules_import_each_other_in_a_circle(package: str) -> None:
    assert circle(edges(ROOT, package)) == []


@pytest.mark.parametrize("top", ["braintorrent", "sim", "models", "analysis", "tests"])
def test_a_folder_holds_few_files(top: str) -> None:
    paths = (path.relative_to(ROOT) for path in (ROOT / top).rglob("*.py"))
    files = Counter(str(path.parent) for path in paths if path.name != "__init__.py")
    most = MOST_TEST_FILES if top == "tests" else MOST_FILES
    kinds = {f"tests/{name}" for name in KINDS} | KINDS
    assert {folder: n for folder, n in files.items() if n > most and folder not in kinds} == {}


def test_what_is_counted_is_what_stands_there(tmp_path: Path) -> None:
    for name, text in {
        "sim/__init__.py": "",
        "sim/low/__init__.py": "from sim.low.one import a",
        "sim/low/one.py": "a = 1",
        "sim/high/__init__.py": "",
        "sim/high/two.py": "def f():\n    from sim.low import one, a\n    import sim.low.one",
        "sim/three.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n import sim.high.two",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    found = edges(tmp_path, "sim")
    assert crossing(found) == {("high", "low"): 2, ("three", "high"): 1}
    assert circle(found) == []
    (tmp_path / "sim/low/one.py").write_text("import sim.three", encoding="utf-8")
    assert circle(edges(tmp_path, "sim")) == [
        "sim.high.two", "sim.low", "sim.low.one", "sim.three", "sim.high.two"
    ]  # fmt: skip
