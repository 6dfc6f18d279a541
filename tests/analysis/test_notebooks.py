"""Notebooks as they stand in git: valid, and without what running them leaves behind."""

import copy
from pathlib import Path

import nbformat
import pytest
from nbstripout import strip_output

FOLDER = Path(__file__).parents[2] / "analysis"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
VERSION = 4


def test_there_are_notebooks() -> None:
    assert [path.stem for path in NOTEBOOKS] == [
        *("01_convergence", "02_failure_sweep", "03_timeline", "04_brains")
    ]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_is_valid_and_stripped(path: Path) -> None:
    notebook = nbformat.read(path, VERSION)
    nbformat.validate(notebook)
    stripped = strip_output(
        copy.deepcopy(notebook), keep_output=False, keep_count=False, keep_id=False
    )
    assert notebook == stripped, "`make format` strips it"
    # Neither whose Python it was last opened with, nor how a cell was shown.
    kernel = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
    assert notebook.metadata == {"kernelspec": kernel}
    assert all(cell.metadata == {} for cell in notebook.cells)
    assert path.read_text(encoding="utf-8") == nbformat.writes(notebook) + "\n"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_its_first_cell_of_code_has_the_one_path_to_change(path: Path) -> None:
    cells = [cell.source for cell in nbformat.read(path, VERSION).cells if cell.cell_type == "code"]
    assert [source.count("\nFOLDER = ") for source in cells] == [1, *[0] * (len(cells) - 1)]
    assert not any("import sim" in source or "torch" in source for source in cells)
