"""Folders of images: what lies where, and what is refused."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from models.tasks.images.files import FOLDER, class_names, content, images_at
from sim.record.errors import Refusal
from tests.models.tasks.images.pictures import write, write_all


def found(folder: Path) -> list[tuple[str | None, str | None, str, str]]:
    return [(each.split, each.site, each.label, each.file.name) for each in images_at(folder)]


def test_a_folder_a_class(tmp_path: Path) -> None:
    write_all(tmp_path, "dog/b.png", "cat/a.PNG", "dog/a.jpeg", "dog/B.JPG")
    assert found(tmp_path) == [
        (None, None, "cat", "a.PNG"),
        (None, None, "dog", "B.JPG"),
        (None, None, "dog", "a.jpeg"),
        (None, None, "dog", "b.png"),
    ]
    assert class_names(images_at(tmp_path)) == ("cat", "dog")


def test_a_folder_a_site_and_in_it_a_class(tmp_path: Path) -> None:
    write_all(tmp_path, "north/cat/1.png", "north/dog/1.png", "south/dog/1.png")
    assert found(tmp_path) == [
        (None, "north", "cat", "1.png"),
        (None, "north", "dog", "1.png"),
        (None, "south", "dog", "1.png"),
    ]


@pytest.mark.parametrize("inner", [("cat", "dog"), ("here/cat", "here/dog")])
def test_uppermost_folders_say_what_images_are_for(tmp_path: Path, inner: tuple[str, str]) -> None:
    one, two = inner
    write_all(tmp_path, f"Train/{one}/1.png", f"Train/{two}/2.png", f"test/{two}/3.png")
    write_all(tmp_path, f"val/{one}/4.png")
    splits = [(each.split, each.label) for each in images_at(tmp_path)]
    assert splits == [
        ("test", "dog"),
        ("training", "cat"),
        ("training", "dog"),
        ("validation", "cat"),
    ]


def test_what_file_managers_leave_is_no_image(tmp_path: Path) -> None:
    write_all(tmp_path, "cat/1.png", "dog/1.png")
    for name in (".DS_Store", "Thumbs.db", "cat/.DS_Store", "dog/desktop.ini", "dog/.hidden.png"):
        (tmp_path / name).touch()
    (tmp_path / ".git").mkdir()
    assert len(images_at(tmp_path)) == 2


def test_links_are_followed(tmp_path: Path) -> None:
    write_all(tmp_path / "elsewhere", "1.png")
    folder = write_all(tmp_path / "here", "cat/1.png", "dog/1.png")
    (folder / "cat" / "2.png").symlink_to(tmp_path / "elsewhere" / "1.png")
    (folder / "bird").symlink_to(tmp_path / "elsewhere")
    assert [each.label for each in images_at(folder)] == ["bird", "cat", "cat", "dog"]


def test_a_class_may_be_missing_at_a_site(tmp_path: Path) -> None:
    write_all(tmp_path, "north/cat/1.png", "north/dog/1.png", "south/dog/1.png")
    (tmp_path / "south" / "cat").mkdir()
    assert len(images_at(tmp_path)) == 3


def test_content_names_what_lies_where_below_the_folder(tmp_path: Path) -> None:
    one, other = (write_all(tmp_path / name, "cat/1.png", "dog/1.png") for name in "ab")
    first = content(images_at(one))
    assert content(images_at(other)) == first
    (other / "dog" / "1.png").rename(other / "dog" / "2.png")
    assert content(images_at(other)) != first
    write(one / "cat" / "1.png", "cat/1.png", side=5)
    assert content(images_at(one)) != first


def moved(folder: Path, where: str) -> None:
    """Both classes lie there instead."""
    for name in ("cat", "dog"):
        (folder / where).mkdir(exist_ok=True)
        (folder / name).rename(folder / where / name)


def linked(folder: Path, name: str, target: str) -> None:
    (folder / name).symlink_to(folder / target)


def in_turn(*steps: Callable[[Path], object]) -> Callable[[Path], object]:
    return lambda at: [step(at) for step in steps]


MISTAKES: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "an image beside the classes": (
        lambda at: write_all(at, "stray.png"),
        "stray.png: lies in no folder of a class",
        "CLASS/IMAGE or SITE/CLASS/IMAGE",
    ),
    "an image beside the classes to train on": (
        in_turn(
            lambda at: moved(at, "train"),
            lambda at: write_all(at, "test/cat/1.png", "train/stray.png"),
        ),
        "train/stray.png: lies in no folder of a class",
        "CLASS/IMAGE",
    ),
    "a level too many": (
        lambda at: write_all(at, "a/b/c/1.png"),
        "a/b/c/1.png: lies too deep",
        "CLASS/IMAGE",
    ),
    "many levels too many": (
        lambda at: write_all(at, "a/b/c/d/1.png"),
        "a/b/c/d: lies too deep",
        "CLASS/IMAGE",
    ),
    "a link that leads round in circles": (
        lambda at: linked(at, "cat/again", "."),
        "cat/again/cat/again: lies too deep",
        "CLASS/IMAGE",
    ),
    "sites and classes side by side": (
        lambda at: write_all(at, "south/cat/1.png"),
        "south/cat/1.png: does not lie as ",
        "for all",
    ),
    "another file": (
        lambda at: (at / "cat" / "notes.txt").touch(),
        "cat/notes.txt: is no image",
        "files that end in .png, .jpg, .jpeg",
    ),
    "a name without an ending": (
        lambda at: (at / "cat" / "png").touch(),
        "cat/png: is no image",
        "files that end in .png",
    ),
    "a link that leads nowhere": (
        lambda at: linked(at, "cat/2.png", "gone.png"),
        "cat/2.png: leads nowhere",
        "a PNG or JPEG file",
    ),
    "a pipe": (
        lambda at: os.mkfifo(at / "cat" / "2.png"),
        "cat/2.png: is no file",
        "a PNG or JPEG file",
    ),
    "a folder that is called as an image is": (
        lambda at: (at / "cat" / "2.png").mkdir(),
        "cat/2.png: holds no images",
        "CLASS/IMAGE",
    ),
    "an empty class": (
        lambda at: (at / "bird").mkdir(),
        "bird: holds no images",
        "CLASS/IMAGE",
    ),
    "an empty site": (
        in_turn(lambda at: moved(at, "north"), lambda at: (at / "south").mkdir()),
        "south: holds no images",
        "CLASS/IMAGE",
    ),
    "one class": (
        lambda at: shutil.rmtree(at / "dog"),
        "all images are of the class cat",
        "two or more",
    ),
    "a class that nobody trains on": (
        in_turn(
            lambda at: moved(at, "train"),
            lambda at: write_all(at, "test/cat/1.png", "test/bird/1.png"),
        ),
        "has no images of the class bird to train on",
        "some of each class",
    ),
    "nothing to test on": (
        lambda at: moved(at, "train"),
        "has no folder test",
        "train and test, or neither",
    ),
    "nothing to train on": (
        lambda at: moved(at, "test"),
        "has no folder train",
        "train and test, or neither",
    ),
    "a class beside train and test": (
        lambda at: write_all(at, "train/cat/1.png", "test/cat/1.png"),
        "has the folder cat beside train and test",
        "only train, val, validation, test",
    ),
    "an empty folder": (
        in_turn(lambda at: shutil.rmtree(at / "cat"), lambda at: shutil.rmtree(at / "dog")),
        "holds no images",
        "CLASS/IMAGE",
    ),
    "what is hidden alone": (
        lambda at: moved(at, ".hidden"),
        "holds no images",
        "CLASS/IMAGE",
    ),
    "no folder": (
        lambda at: shutil.rmtree(at),
        "no such folder",
        "a folder: CLASS/IMAGE",
    ),
    "a file instead of a folder": (
        in_turn(lambda at: shutil.rmtree(at), lambda at: at.touch()),
        "is a file",
        "a folder: CLASS/IMAGE",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_what_does_not_lie_as_it_should_is_named(mistake: str, tmp_path: Path) -> None:
    folder = write_all(tmp_path / "pets", "cat/1.png", "dog/1.png")
    make, what, allowed = MISTAKES[mistake]
    make(folder)
    with pytest.raises(Refusal) as error:
        images_at(folder)
    assert str(folder) in error.value.what and what in error.value.what
    assert allowed in error.value.allowed
    assert error.value.path == FOLDER


def test_a_file_that_is_gone_when_it_is_read_is_named(tmp_path: Path) -> None:
    images = images_at(write_all(tmp_path, "cat/1.png", "dog/1.png"))
    images[1].file.unlink()
    with pytest.raises(Refusal, match="dog/1.png: no such file"):
        content(images)


def test_a_folder_that_can_not_be_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(folder: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", denied)
    with pytest.raises(Refusal, match=r"can't be read \(Permission denied\)"):
        images_at(tmp_path)


def test_a_name_that_is_no_text_is_a_name(tmp_path: Path) -> None:
    write_all(tmp_path, "cat/1.png", "dog/1.png")
    odd = os.fsdecode(b"\xff.png")
    (tmp_path / "cat" / "1.png").rename(tmp_path / "cat" / odd)
    assert found(tmp_path)[0] == (None, None, "cat", odd)
    assert len(content(images_at(tmp_path))) == 64


def test_a_name_that_no_folder_can_have_is_that_of_none(tmp_path: Path) -> None:
    for name in ("x" * 300, "null\0"):
        with pytest.raises(Refusal) as error:
            images_at(tmp_path / name)
        assert error.value.what == f"{tmp_path / name}: no such folder"
