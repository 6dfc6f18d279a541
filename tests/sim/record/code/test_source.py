"""What `--code` reads, which is text alone, and what it refuses, in one line."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from sim.record import files
from sim.record.code import Code, Module, kept, read, source
from sim.record.errors import ScenarioError


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where files are written, and the program is started."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(**texts: str) -> None:
    """Files by their names; `pkg__sub` is `pkg/sub.py`."""
    for name, text in texts.items():
        path = Path(*name.split("__")).with_suffix(".py") if "__" in name else Path(f"{name}.py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def package(name: str, text: str = "") -> None:
    Path(name).mkdir(parents=True, exist_ok=True)
    (Path(name) / "__init__.py").write_text(text, encoding="utf-8")


def names(*arguments: str) -> tuple[list[str], tuple[str, ...]]:
    found = read(arguments)
    return [module.name for module in found.modules], found.given


def refusal(*arguments: str) -> str:
    with pytest.raises(ScenarioError) as told:
        read(arguments)
    assert "\n" not in str(told.value)
    return str(told.value)


def test_a_file_brings_what_it_imports_from_beside_it_and_no_more() -> None:
    write(mine="import a\nfrom p.q import x\nimport random", a="from b import y", b="y = 1")
    write(other="", p__q="x = 1", random="raise SystemExit")
    assert names("mine.py") == (["a", "b", "mine", "p", "p.q"], ("mine",))


def test_the_text_is_what_was_read_whatever_becomes_of_the_file() -> None:
    write(mine="x = 1\n")
    found = read(["mine.py"])
    Path("mine.py").unlink()
    assert found.modules == (Module("mine", "mine.py", "x = 1\n"),)
    assert found and not Code()


def test_a_folder_is_a_package_if_it_says_so_and_else_holds_modules() -> None:
    package("pkg", "from . import sub")
    write(pkg__sub="import os", pkg__deep__er="x = 1")
    assert names("pkg") == (["pkg", "pkg.deep", "pkg.deep.er", "pkg.sub"], ("pkg",))
    write(loose__one="", loose__two="")
    package("loose/inner")
    Path("loose/notes.txt").write_text("no code")
    Path("loose/not-a-name.py").write_text("no code")
    for folder in ("loose/dotted.name", "loose/file.py", "pkg/dotted.name"):
        package(folder)
    assert names("loose/") == (["inner", "one", "two"], ("inner", "one", "two"))
    assert names("./pkg", "loose") == (
        ["inner", "one", "pkg", "pkg.deep", "pkg.deep.er", "pkg.sub", "two"],
        ("pkg", "inner", "one", "two"),
    )


def test_an_importable_module_is_given_by_its_name_with_its_whole_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = tmp_path / "site"
    monkeypatch.syspath_prepend(installed)
    package("site/mylib")
    write(site__mylib__kinds="x = 1", site__single="x = 1")
    assert names("mylib.kinds") == (["mylib", "mylib.kinds"], ("mylib.kinds",))
    assert names("single") == (["single"], ("single",))
    assert "mylib" not in sys.modules and "single" not in sys.modules
    assert refusal("mylib.nothing").startswith("--code mylib.nothing: mylib has no such module")


@pytest.mark.parametrize("path", ["mine.py", "./mine.py", "sub/../mine.py"])
def test_a_relative_path_does(path: str) -> None:
    write(mine="import helper", helper="", sub__x="")
    assert names(path) == (["helper", "mine"], ("mine",))


def test_a_file_may_lie_beside_our_own_packages() -> None:
    root = Path(__file__).parents[4]
    path = root / "tests" / "sim" / "tiny.py"
    assert (root / "sim").is_dir() and names(os.path.relpath(path))[1] == ("tiny",)
    link = Path("linked.py")
    link.symlink_to(path)
    assert names("linked.py")[1] == ("linked",)


def test_links_that_lead_back_are_followed_once() -> None:
    package("pkg")
    for name in ("again", "more"):
        Path(f"pkg/{name}").symlink_to(Path("pkg").resolve(), target_is_directory=True)
    assert "pkg.again" in names("pkg")[0] and len(names("pkg")[0]) < 10


def test_the_same_file_may_be_given_twice_and_two_of_one_name_may_not() -> None:
    write(mine="x = 1", there__mine="x = 2")
    assert names("mine.py", "./mine.py") == (["mine"], ("mine",))
    assert refusal("mine.py", "there/mine.py") == (
        "--code there/mine.py: mine.py is called so, too; allowed: a .py file, a folder of them, "
        "or the name of a module that is installed"
    )


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("mine.py", "x = (", "mine.py:1: not valid Python ('(' was never closed); allowed: Python"),
        ("mine.py", "x = 1\n  y = 2", "mine.py:2: not valid Python (unexpected indent)"),
        ("mine.py", "x = '\0'", "mine.py:1: not valid Python (source code"),
        ("mine.py", "x = " + "-" * 100_000 + "1", "mine.py:1: not valid Python"),
        ("mine.txt", "x = 1", "--code mine.txt: is no Python file; allowed: a .py file, a folder"),
        ("my-code.py", "", "--code my-code.py: 'my-code' can't be a module's name; allowed:"),
        ("class.py", "", "--code class.py: 'class' can't be a module's name"),
        ("a.b.py", "", "--code a.b.py: 'a.b' can't be a module's name"),
        ("random.py", "", "--code random.py: Python has another module random; allowed: a name"),
        ("torch.py", "", "--code torch.py: Python has another module torch"),
        ("sim.py", "", "--code sim.py: Python has another module sim"),
        ("mine.py", "import models", "--code mine.py: Python has another module models"),
        ("mine.py", "import numpy", "--code mine.py: Python has another module numpy"),
    ],
)
def test_what_cannot_be_used_is_told_in_a_line(name: str, text: str, told: str) -> None:
    write(models="x = 1", numpy="x = 1")
    Path(name).write_text(text, encoding="utf-8")
    assert refusal(name).startswith(told)


@pytest.mark.parametrize(
    ("argument", "told"),
    [
        ("nothing.py", "--code nothing.py: no such file or folder"),
        ("no/such", "--code no/such: no such file or folder"),
        ("nothing", "--code nothing: no such file, folder or module"),
        ("nothing.inside", "--code nothing.inside: no such file, folder or module"),
        ("", "--code '': names nothing"),
        ("empty", "--code empty: holds no Python file"),
        ("sim.runs", "--code sim.runs: is no code of yours"),
        ("json", "--code json: is no code of yours"),
        ("/", "--code /: holds no Python file"),
    ],
)
def test_what_is_not_there_is_told_in_a_line(argument: str, told: str) -> None:
    Path("empty").mkdir()
    assert refusal(argument).startswith(told + "; allowed: ")


@pytest.mark.parametrize(
    "data",
    [b"\xef\xbb\xbfx = '\xc3\xa9'\n", b"# coding: latin-1\nx = '\xe9'\n", b"x = '\xc3\xa9'\r\n"],
)
def test_encodings_are_pythons_and_a_copy_reads_the_same(tmp_path: Path, data: bytes) -> None:
    Path("mine.py").write_bytes(data)
    (module,) = read(["mine.py"]).modules
    assert "x = 'é'\n" in module.text
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / module.file).write_bytes(module.data)
    assert [one.text for one in kept(tmp_path / "copy").modules] == [module.text]


@pytest.mark.parametrize("data", [b"x = '\xe9'", b"# coding: klingon\n", b"\xff\xfe\x00"])
def test_what_is_no_text_is_told(data: bytes) -> None:
    Path("mine.py").write_bytes(data)
    assert refusal("mine.py") == "--code mine.py: is no text; allowed: Python in UTF-8"


def test_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    package("pkg")
    write(**{f"pkg__m{n}": "" for n in range(4)})
    monkeypatch.setattr("sim.record.code.source._MOST_FILES", 3)
    assert refusal("pkg").startswith("--code pkg: holds more than 3 Python files")
    monkeypatch.setattr("sim.record.code.source._MOST_FILES", 10)
    monkeypatch.setattr("sim.record.code.source._MOST_BYTES", 5)
    write(pkg__m0="x = 12")
    assert refusal("pkg").startswith("--code pkg/m0.py: code of more than 5 characters")
    write(pkg__m0="x=1", pkg__m1="y=2")
    assert refusal("pkg").startswith("--code pkg: code of more than 5 characters")


def test_what_vanishes_while_it_is_read_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    write(mine="")
    read_bytes = files.read_bytes

    def vanishing(path: Path) -> bytes:
        path.unlink()
        return read_bytes(path)

    monkeypatch.setattr(source, "read_bytes", vanishing)
    assert refusal("mine.py") == "--code mine.py: cannot be read (No such file or directory)"


def test_what_a_folder_keeps_is_what_it_was_made_of(tmp_path: Path) -> None:
    package("pkg", "# first")
    write(pkg__sub="x = 1", pkg__deep__er="", mine="import pkg")
    given = read(["mine.py"])
    for module in given.modules:
        path = tmp_path / "code" / module.file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(module.data)
    found = kept(tmp_path / "code")
    told = [(one.name, one.text, one.is_package) for one in given.modules]
    assert [(one.name, one.text, one.is_package) for one in found.modules] == told
    assert names("code")[0] == [name for name, _, _ in told]
    assert kept(tmp_path / "nothing") == Code()


def test_the_digest_names_every_word_and_a_copy_is_equal() -> None:
    write(mine="x = 1")
    one = read(["mine.py"])
    assert one == read(["mine.py"]) and one.digest == read(["mine.py"]).digest
    write(mine="x = 1  # one")
    assert read(["mine.py"]).digest != one.digest
