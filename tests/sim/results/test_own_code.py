"""What a result folder knows of the code that made it, wherever a command was stopped."""

from __future__ import annotations

from pathlib import Path

import pytest

from sim.record.code import NO_CODE, Code, Module, kept
from sim.record.errors import ScenarioError
from sim.record.folder import whole
from sim.results.own_code import Used, changed, keep, told


def used(*names: str, **texts: str) -> Used:
    modules = (Module(name, f"/home/me/{name}.py", text) for name, text in sorted(texts.items()))
    return Used(Code(tuple(modules), ("mine",)), names)


ONE = used("mine.Net", mine="import helper\nclass Net:\n    x = helper.y\n", helper="y = 1\n")
COMMENT = used("mine.Net", mine=f"# one\n{ONE.code.by_name['mine'].text}", helper="y = 1\nz = 2\n")
OTHER = used("mine.Net", mine=ONE.code.by_name["mine"].text, helper="y = 2\n")
NONE = Used(NO_CODE, ())


def texts(folder: Path) -> dict[str, str]:
    return {module.name: module.text for module in kept(folder / "code").modules}


def of(one: Used) -> dict[str, str]:
    return {module.name: module.text for module in one.code.modules}


def test_the_copy_is_the_code_and_nothing_of_what_was_there_before(tmp_path: Path) -> None:
    keep(tmp_path, ONE)
    assert texts(tmp_path) == of(ONE)
    alone = used("mine.Net", mine="class Net: ...\n")
    keep(tmp_path, alone)
    assert texts(tmp_path) == of(alone)
    keep(tmp_path, NONE)
    assert texts(tmp_path) == {}


def test_no_code_leaves_no_folder(tmp_path: Path) -> None:
    keep(tmp_path, NONE)
    assert list(tmp_path.iterdir()) == []


def test_the_same_code_is_not_written_again(tmp_path: Path) -> None:
    keep(tmp_path, ONE)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.py")}
    keep(tmp_path, ONE)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.py")} == before


def test_what_changed_is_refused_or_accepted_and_words_change_nothing(tmp_path: Path) -> None:
    keep(tmp_path, ONE)
    assert changed(tmp_path, ONE, None, made=True, accept=False) == ()
    assert changed(tmp_path, COMMENT, None, made=True, accept=False) == ()
    assert changed(tmp_path, OTHER, None, made=True, accept=True) == ("helper.y has changed",)
    with pytest.raises(ScenarioError) as refusal:
        changed(tmp_path, OTHER, None, made=True, accept=False)
    assert str(refusal.value) == (
        f"--out {tmp_path}: was made with other code: helper.y has changed; allowed: "
        "--accept-code, which makes its tables anew, or another folder (--out DIR)"
    )


def test_where_no_tables_are_nothing_has_to_be_made_anew(tmp_path: Path) -> None:
    assert changed(tmp_path, ONE, None, made=False, accept=False) == ()
    keep(tmp_path, ONE)
    assert changed(tmp_path, OTHER, None, made=False, accept=False) == ()


def test_a_definition_that_came_or_went_is_told(tmp_path: Path) -> None:
    keep(tmp_path, ONE)
    inside = used("mine.Net", mine="class Net:\n    x = 1\n")
    found = changed(tmp_path, inside, None, made=True, accept=True)
    assert found == ("mine.Net has changed", "helper.y is gone", "mine.helper is gone")
    moved = used("yours.Net", yours="class Net: ...\n")
    assert changed(tmp_path, moved, None, made=True, accept=True) == ("yours.Net is new",)


def test_of_many_changes_the_first_are_told() -> None:
    assert told(["a", "b", "c"]) == "a, b, c"
    assert told(["a", "b", "c", "d", "e"]) == "a, b, c and 2 more"


def test_whoever_was_stopped_while_copying_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A first copy is never taken for code that has made something."""
    with monkeypatch.context() as stopped:
        written: list[Path] = []

        def one_only(target: Path, *, ours: bool) -> object:
            if written:
                raise KeyboardInterrupt
            written.append(target)
            return whole(target, ours=ours)

        stopped.setattr("sim.results.own_code.whole", one_only)
        with pytest.raises(KeyboardInterrupt):
            keep(tmp_path, ONE)
    assert 0 < len(texts(tmp_path)) < len(of(ONE))
    assert changed(tmp_path, ONE, None, made=False, accept=False) == ()
    keep(tmp_path, ONE)
    assert texts(tmp_path) == of(ONE)
