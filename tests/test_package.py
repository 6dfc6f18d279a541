"""The package that users import, and what it says where another file hides one of ours."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

import analysis
import analysis.figures
import braintorrent

ROOT = Path(__file__).parents[1]
HEAVY = "import sys, braintorrent; print({'torch', 'pandas', 'pyarrow', 'sim'} & {*sys.modules})"
BUILT = (
    "import sys, braintorrent as bt; bt.load_scenario('churn').with_settings({'duration': '1 h'}); "
    "print({'torch', 'pandas', 'pyarrow'} & {*sys.modules})"
)
LOAD = "from braintorrent import load; print(load.__module__)"
# The working directory comes first with -m and -c; a command's script knows it from PYTHONPATH.
SCRIPT = "import sys; sys.path.remove(''); from braintorrent.__main__ import main; main()"
CHECK = ["check", "server_crash"]


def python(folder: Path, *arguments: str, path: str = "") -> subprocess.CompletedProcess[str]:
    """What Python says in `folder`, with `path` before our packages in PYTHONPATH."""
    places = [path, str(ROOT)] if path else [str(ROOT)]
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(places)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(params=["analysis.py", "models/__init__.py", "sim.py", "scenarios/__init__.py"])
def hiding(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A file or folder of the user's that has the name of one of our packages."""
    file = tmp_path / str(request.param)
    file.parent.mkdir(exist_ok=True)
    file.write_text("raise RuntimeError('a file of the user')")
    return file if file.parent == tmp_path else file.parent


def refusal(hiding: Path) -> str:
    return (
        f"{hiding.stem}: {hiding} hides braintorrent's own {hiding.stem}; rename it, or keep it "
        "off Python's path (the working directory, the script's folder, PYTHONPATH)\n"
    )


def test_the_command_names_the_file_that_hides_ours(hiding: Path) -> None:
    for arguments in (["-m", "braintorrent"], ["-c", SCRIPT]):
        done = python(hiding.parent, *arguments, *CHECK, path=".")
        assert (done.returncode, done.stdout, done.stderr) == (2, "", refusal(hiding))


def test_an_import_names_the_file_that_hides_ours(hiding: Path) -> None:
    done = python(hiding.parent, "-c", LOAD)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.endswith(f"\nImportError: {refusal(hiding)}")


@pytest.mark.parametrize("file", ["__init__.py", "net.py"])
def test_what_is_imported_already_hides_too(tmp_path: Path, file: str) -> None:
    models = tmp_path / "my" / "models"
    models.mkdir(parents=True)
    (models / file).touch()
    before = f"import sys; sys.path[:0] = ['my']; sys.path.remove({str(ROOT)!r}); import models"
    # -S: without the installed packages, ours is on the path only where we put it.
    done = python(tmp_path, "-S", "-c", f"{before}; sys.path.append({str(ROOT)!r}); {LOAD}")
    assert done.stderr.endswith(f"\nImportError: {refusal(models)}")


@pytest.mark.slow
def test_files_that_python_does_not_take_for_ours_do_no_harm(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()  # Without __init__.py: somebody's weights.
    (tmp_path / "models" / "best.pt").touch()
    (tmp_path / "analysis.ipynb").touch()
    assert python(tmp_path, "-c", LOAD, path=".").stdout == "analysis.loading\n"
    for arguments in (["-m", "braintorrent"], ["-c", SCRIPT]):
        done = python(tmp_path, *arguments, *CHECK, path=".")
        assert (done.returncode, done.stderr) == (0, "")
    (tmp_path / "sim.py").touch()  # Beside the command's script, it is on nobody's path.
    assert python(tmp_path, "-c", SCRIPT, *CHECK).returncode == 0


def test_the_module_is_the_command(tmp_path: Path) -> None:
    shown = python(tmp_path, "-m", "braintorrent", "--version")
    assert re.fullmatch(r"braintorrent (\d+\.\d+\.\d+|\(not installed.*\))\n", shown.stdout)
    done = python(tmp_path, "-m", "braintorrent", "check", "no_such_scenario")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert done.stderr.startswith("no_such_scenario")


def test_nothing_is_loaded_before_it_is_asked_for(tmp_path: Path) -> None:
    assert python(tmp_path, "-c", HEAVY).stdout == "set()\n"
    assert python(tmp_path, "-c", BUILT).stdout == "set()\n"


def test_it_has_what_the_analysis_has() -> None:
    assert {*analysis.__all__, "figures", "metrics", "__version__"} <= {*dir(braintorrent)}
    assert all(getattr(braintorrent, name) is getattr(analysis, name) for name in analysis.__all__)
    assert braintorrent.figures is analysis.figures
    for name in ("Scenario", "ScenarioError", "load_scenario", "run", "show", "sweep"):
        assert name in dir(braintorrent) and callable(getattr(braintorrent, name))
    for unknown in ("shipped", "_found_nowhere"):
        with pytest.raises(AttributeError, match=f"'braintorrent' has no attribute '{unknown}'"):
            getattr(braintorrent, unknown)


@pytest.mark.slow
def test_a_type_checker_knows_every_name(tmp_path: Path) -> None:
    names = dir(braintorrent)
    lines = ["import braintorrent as bt", *(f"bt.{name}" for name in names), "bt.no_such_name"]
    (tmp_path / "program.py").write_text("\n".join(lines))
    done = python(ROOT, "-m", "mypy", "--strict", str(tmp_path / "program.py"))
    assert [line.split(": ", 1)[1] for line in done.stdout.splitlines()[:-1]] == [
        'error: Module has no attribute "no_such_name"  [attr-defined]'
    ]


@pytest.mark.parametrize("path", ["README.md", *sorted(map(str, ROOT.glob("analysis/*.ipynb")))])
def test_what_the_readme_and_the_notebooks_use_is_there(path: str) -> None:
    text = (ROOT / path).read_text(encoding="utf-8")
    if path.endswith(".ipynb"):
        text = "\n".join(cell.source for cell in nbformat.reads(text, 4).cells)
    imports = re.findall(r"^from braintorrent import (?:\(([^)]+)\)|(.+))$", text, re.MULTILINE)
    names = re.split(r"[,\s]+", " ".join("".join(one) for one in imports))
    names += re.findall(r"\bbt\.(\w+)", text)
    assert any(names)
    for name in filter(None, names):
        assert hasattr(braintorrent, name), name
    assert not re.search(r"^(from|import) (sim|models|analysis)\b", text, re.MULTILINE)
