"""A user's code in this process: run when it is first asked for, and never another's."""

from __future__ import annotations

import asyncio
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import simpy

from sim.protocols import Protocol
from sim.record.code import NO_CODE, Code, activate, active, kinds, own, read, suggest, whose_fault
from sim.record.errors import Refusal, ScenarioError
from sim.world.clock import Clock


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where files are written, and the program is started."""
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    activate(NO_CODE, {})
    suggest("")


def given(**texts: str) -> Code:
    """Code of modules in files, the first of them named by the user."""
    for name, text in texts.items():
        Path(f"{name}.py").write_text(text, encoding="utf-8")
    return read([f"{next(iter(texts))}.py"])


def refused(call: Callable[[], object]) -> str:
    with pytest.raises((Refusal, ScenarioError)) as told:
        call()
    return str(told.value)


def test_nothing_runs_before_a_name_is_looked_up() -> None:
    activate(given(mine="open('ran', 'w').close()\nx = 1"))
    assert active().given == ("mine",) and not Path("ran").exists()
    assert own("churn") is None and not Path("ran").exists()
    assert own("mine.x") == 1 and Path("ran").exists()


def test_code_is_as_it_was_read_whatever_its_file_says_now() -> None:
    activate(given(mine="import helper\nx = helper.y", helper="y = 1"))
    for name in ("mine", "helper"):
        Path(f"{name}.py").write_text("x = y = 2")
    assert own("mine.x") == 1


def test_codes_of_one_name_do_not_mix_and_come_back_as_they_were() -> None:
    one = given(mine="import helper\nclass A:\n    x = helper.x", helper="x = 1")
    other = given(mine="import helper\nclass A:\n    x = helper.x", helper="x = 2")
    activate(one)
    first = own("mine.A")
    activate(other)
    assert own("mine.A").x == 2
    activate(one)
    assert own("mine.A") is first and first.x == 1
    activate(NO_CODE)
    assert "mine" not in sys.modules and "helper" not in sys.modules
    with pytest.raises(ModuleNotFoundError):
        __import__("helper")


def test_a_module_that_could_not_be_run_is_tried_again() -> None:
    code = given(mine="import os\nx = os.environ['NOWHERE']")
    activate(code)
    assert refused(lambda: own("mine.x")) == "mine.py:2: KeyError: 'NOWHERE'"
    assert "mine" not in sys.modules
    assert refused(lambda: own("mine.x")) == "mine.py:2: KeyError: 'NOWHERE'"


def test_a_folder_on_the_path_with_the_same_names_is_not_in_the_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    code = given(mine="import helper\nx = helper.x", helper="x = 1")
    Path("helper.py").write_text("x = 2")
    activate(code)
    assert own("mine.x") == 1


def test_a_package_may_import_within_itself() -> None:
    Path("pkg").mkdir()
    Path("pkg/__init__.py").write_text("from .sub import x\nfrom . import deep")
    Path("pkg/sub.py").write_text("from pkg.deep import y\nx = y")
    Path("pkg/deep.py").write_text("y = 5")
    activate(read(["pkg"]))
    assert own("pkg.x") == own("pkg.deep.y") == 5


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("mine.Net", "", "mine.py defines no Net; allowed: a class or function"),
        (
            "mine.Net",
            "class A: ...\ndef b(): ...\n_c = 1",
            "mine.py defines no Net; allowed: A, b",
        ),
        ("yours.Net", "", "yours.Net: no such module was given; allowed: mine.NAME"),
        ("mine.x", "import nowhere", "mine.py:1: ModuleNotFoundError: No module named 'nowhere'"),
        (
            "mine.x",
            "from . import y",
            "mine.py:1: ImportError: attempted relative import with no known parent package",
        ),
        (
            "mine.x",
            "def f():\n    1 / 0\nf()",
            "mine.py:2: in f: ZeroDivisionError: division by zero",
        ),
        ("mine.x", "import helper", "helper.py:1: ValueError: from beside"),
        ("mine.x", "return 1", "mine.py:1: 'return' outside function"),
        (
            "mine.x",
            "from braintorrent.extend import Protocol\nclass P(Protocol):\n    period = 20.0",
            "mine.py:2: PydanticUserError: A non-annotated attribute was detected: `period = 20.0`",
        ),
    ],
)
def test_what_is_not_there_or_does_not_run_is_told_with_its_line(
    name: str, text: str, told: str
) -> None:
    activate(given(mine=text, helper="raise ValueError('from beside\\nand more')"))
    assert refused(lambda: own(name)).startswith(told)


def test_who_gives_no_code_is_told_how() -> None:
    how = "mine.Net is nothing of braintorrent's own; allowed: --code"
    assert refused(lambda: own("mine.Net")) == f"{how} with the Python file that defines it"
    suggest("results/x/code")
    assert refused(lambda: own("mine.Net")) == f"{how} results/x/code"


def test_kinds_are_complete_subclasses_that_the_user_defines() -> None:
    text = "from braintorrent.extend import Protocol\nfrom helper import Other\n"
    text += "class Base(Protocol): ...\n"
    text += "class Mine(Base):\n    def run(self, world): ...\nclass _Hidden(Mine): ...\nx = 1\n"
    other = "from braintorrent.extend import Protocol\nclass Other(Protocol):\n"
    activate(given(mine=text, helper=f"{other}    def run(self, world): ..."))
    assert [name for name, _ in kinds(Protocol)] == ["mine.Other", "mine.Mine"]  # type: ignore[type-abstract]
    activate(NO_CODE)
    assert list(kinds(Protocol)) == []  # type: ignore[type-abstract]


def failure(call: Callable[[], object]) -> str | None:
    try:
        call()
    except Exception as error:
        return whose_fault(error)
    raise AssertionError


def test_the_line_to_blame_is_the_last_of_the_users() -> None:
    text = "import json\ndef f():\n    return json.loads('{')\ndef g():\n    return f()\n"
    activate(given(mine=text))
    assert (failure(own("mine.g")) or "").startswith("mine.py:3: in f: JSONDecodeError: Expecting")
    assert failure(lambda: 1 / 0) is None


def test_of_several_errors_the_one_that_the_user_raised_is_told() -> None:
    text = "def f():\n    try:\n        {}['x']\n    except KeyError as error:\n"
    activate(given(mine=text + "        raise ValueError('no x') from error\n"))
    assert failure(own("mine.f")) == "mine.py:5: in f: ValueError: no x"

    def ours() -> None:
        try:
            own("mine.f")()
        except ValueError:
            raise RuntimeError("ours") from None

    assert failure(ours) is None


def test_simpys_copies_of_an_error_do_not_hide_where_it_was() -> None:
    text = "def inner(clock):\n    yield clock.after(1.0)\n    raise ValueError('here')\n"
    text += "def outer(clock):\n    yield clock.process(inner(clock))\n"
    activate(given(mine=text))
    clock = Clock()

    def behaviour() -> simpy.events.ProcessGenerator:
        yield from own("mine.outer")(clock)

    clock.process(behaviour())
    told = failure(lambda: asyncio.run(clock.run_until(2.0)))
    assert told == "mine.py:3: in inner: ValueError: here"


def test_tracebacks_show_the_users_line() -> None:
    activate(given(mine="def f():\n    return 1 / 0  # here\n"))
    try:
        own("mine.f")()
    except ZeroDivisionError:
        assert "return 1 / 0  # here" in traceback.format_exc()


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: own("mine.f")(1, 2), "mine.py:1: TypeError: f() takes 1 positional argument"),
        (lambda: own("mine.A")().g(), "mine.py:4: TypeError: A.g() missing 1 required positional"),
        (lambda: own("mine.A")().g(1, h=2), "mine.py:4: TypeError: A.g() got an unexpected"),
        (lambda: own("mine.A")(1), "mine.py:5: TypeError: A.__init__() takes 1 positional"),
        (lambda: int([]), None),  # type: ignore[call-overload]
        (lambda: own("mine.nothing"), None),
    ],
)
def test_a_call_that_a_users_function_does_not_take_is_told_with_its_line(
    call: Callable[[], object], told: str | None
) -> None:
    text = "def f(x): ...\nimport os\nclass A:\n    def g(self, x): ...\n"
    activate(given(mine=f"{text}    def __init__(self): ..."))
    own("mine.A")
    found = failure(call)
    assert found is None if told is None else str(found).startswith(told)


def test_a_function_that_a_user_only_imports_is_not_to_blame() -> None:
    activate(given(mine="from random import choice"))
    assert failure(own("mine.choice")) is None


def test_kinds_of_a_package_are_those_of_its_modules_too() -> None:
    for name, text in {"__init__": "", "deep/__init__": "", "deep/one": PROTOCOL}.items():
        path = Path("mine", f"{name}.py")
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(text, encoding="utf-8")
    activate(read(["mine"]))
    assert [name for name, _ in kinds(Protocol)] == ["mine.deep.one.P"]  # type: ignore[type-abstract]


PROTOCOL = """
from braintorrent.extend import Protocol
class P(Protocol):
    def run(self, world): ...
"""
