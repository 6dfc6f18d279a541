"""Where results can't go is told in a line, before anything is done for them."""

import os
from pathlib import Path

import pytest

from sim.record.errors import ScenarioError, shown
from sim.results import folder as results
from sim.results.place import check_name, check_writable

ALLOWED = "a folder that is there, or can be made (--out DIR)"


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("x" * 300, "cannot be looked into: File name too long"),
        ("x/" * 2000, "cannot be looked into: File name too long"),
        ("a\0b", "is no name of a file"),
        ("a\udcff", "is no name in UTF-8"),
    ],
)
def test_a_name_that_no_folder_can_have(name: str, what: str) -> None:
    with pytest.raises(ScenarioError) as error:
        check_name(Path(name))
    assert str(error.value) == f"--out {shown(str(Path(name)))}: {what}; allowed: {ALLOWED}"


def test_what_is_there_or_may_be_is_no_mistake(tmp_path: Path) -> None:
    for name in ("there", "x" * 255, "blank ", " ", "ü/ß/名", "name=value"):
        check_name(tmp_path / name)
        check_writable(tmp_path / name)


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("nowhere")
    for name in ("file", "link"):
        check_name(tmp_path / name / "out")
        with pytest.raises(ScenarioError) as error:
            check_writable(tmp_path / name / "out")
        what = f"{tmp_path}/{name} is no folder"
        assert str(error.value) == f"--out {tmp_path}/{name}/out: {what}; allowed: {ALLOWED}"
    if os.geteuid():  # Root may do anything.
        (tmp_path / "closed").mkdir(mode=0o500)
        with pytest.raises(ScenarioError, match=f"no permission in {tmp_path}/closed"):
            check_writable(tmp_path / "closed" / "out")


def test_what_stands_in_the_place_of_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").touch()
    (tmp_path / "swept").mkdir()
    (tmp_path / "swept" / "sweep.yaml").touch()
    for name, what in {
        "file": "is a file",
        "link": "is a link that leads nowhere",
        "pipe": "is no folder",
        "thesis": "holds other files",
        "swept": "holds a sweep, which `braintorrent sweep` continues",
    }.items():
        with pytest.raises(ScenarioError) as error:
            results.growth(tmp_path / name, "scenario.yaml", "name: x\n")
        allowed = "a new or an empty folder"
        assert str(error.value) == f"--out {tmp_path}/{name}: {what}; allowed: {allowed}"
