"""The task `images`: what a folder comes to, decoded once, and what would make it another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from pytest import MonkeyPatch

from models.bits import code
from models.tasks import ImagesSettings
from models.tasks.images import pixels
from models.tasks.task import Task
from sim.record.errors import Refusal
from tests.models.tasks.images.pictures import numbered, write, write_all

PETS = ("cat", "dog")
DEALT: dict[str, Any] = {"partition": {"kind": "iid"}}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "braintorrent" / "images"


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    return write_all(tmp_path / "pets", *numbered(PETS, 10))


def described(path: Path, **settings: Any) -> ImagesSettings:
    fields = {"name": "images", "path": str(path), "size": 4, "channels": 1, **settings}
    return ImagesSettings.model_validate(fields)


def load(path: Path, clients: int = 2, **settings: Any) -> Task:
    return described(path, **settings).load(clients, lambda line: None)


def images_of(task: Task) -> list[tuple[bytes, int]]:
    return sorted(
        (image.numpy().tobytes(), int(label))
        for part in (task, task.test, task.validation)
        for image, label in zip(part.inputs, part.labels, strict=True)
    )


def test_every_image_is_in_one_part_with_its_class(pets: Path) -> None:
    task = load(pets, **DEALT)
    wanted = []
    for label, pet in enumerate(PETS):
        for file in sorted((pets / pet).iterdir()):
            grey = np.asarray(Image.open(file), dtype=np.float32)
            wanted.append(((grey / 255).tobytes(), label))
    assert images_of(task) == sorted(wanted)
    assert task.input_shape == (1, 4, 4) and task.inputs.dtype == torch.float32
    assert (task.outputs, task.sites) == (2, None)
    for part, each in ((task.test, 2), (task.validation, 1)):
        assert part.labels.bincount().tolist() == [each, each]


def test_sites_are_clients_in_their_order_by_name(tmp_path: Path) -> None:
    write_all(tmp_path / "pets", *numbered(["south/cat", "north/dog", "south/dog"], 5))
    task = load(tmp_path / "pets")
    assert task.sites is not None
    assert [(site, int(label)) for site, label in zip(task.sites, task.labels, strict=True)] == [
        *[(0, 1)] * 3,
        *[(1, 0)] * 3,
        *[(1, 1)] * 3,
    ]


def test_folders_tell_what_images_are_for(tmp_path: Path) -> None:
    folders = [f"{split}/{pet}" for split in ("train", "test") for pet in PETS]
    write_all(tmp_path / "pets", *numbered(folders, 10))
    task = load(tmp_path / "pets", validation_fraction=0.3, **DEALT)
    sizes = [len(each.labels) for each in (task, task.test, task.validation)]
    assert sizes == [14, 20, 6]
    write_all(tmp_path / "pets", *numbered([f"val/{pet}" for pet in PETS], 1))
    task = load(tmp_path / "pets", **DEALT)
    assert [len(each.labels) for each in (task, task.test, task.validation)] == [20, 20, 2]


def test_an_image_that_is_tested_and_trained_on_is_told(tmp_path: Path) -> None:
    folders = [f"{split}/{pet}" for split in ("train", "test") for pet in PETS]
    path = write_all(tmp_path / "pets", *numbered(folders, 4))
    write(path / "train" / "cat" / "copy.jpeg", "test/dog/02.png")
    (line,) = described(path, **DEALT).load(2, print).notes
    assert "1 of 8 test samples" in line
    assert "test/dog/02.png" in line and "train/cat/copy.jpeg" in line


def test_an_image_of_two_classes_and_classes_that_look_alike_are_told(tmp_path: Path) -> None:
    classes = ["cat", "Cat", "01", "1"]
    folders = [f"{split}/{name}" for split in ("train", "test", "val") for name in classes]
    path = write_all(tmp_path / "pets", *numbered(folders, 3))
    write(path / "train" / "Cat" / "copy.png", "train/cat/02.png")
    assert [line.removeprefix(f"{path}: ") for line in load(path, **DEALT).notes] == [
        "the classes 'Cat' and 'cat' differ in case or width alone, and count as two",
        "the classes '01' and '1' are one number, and count as two",
        "1 training samples are the same as another of another class, as train/cat/02.png, which "
        "is train/Cat/copy.png",
    ]


def test_a_link_to_an_image_that_is_trained_on_is_told(tmp_path: Path) -> None:
    folders = [f"{split}/{pet}" for split in ("train", "test") for pet in PETS]
    path = write_all(tmp_path / "pets", *numbered(folders, 4))
    (path / "test" / "cat" / "00.png").unlink()
    (path / "test" / "cat" / "00.png").symlink_to(path / "train" / "cat" / "00.png")
    (line,) = load(path, **DEALT).notes
    assert "1 of 8 test samples" in line and "test/cat/00.png, which is train/cat/00.png" in line


def test_classes_that_look_the_same_are_refused(tmp_path: Path) -> None:
    path = write_all(tmp_path / "pets", *numbered(["caf\u00e9", "cafe\u0301"], 5))
    with pytest.raises(Refusal, match=r"'cafe\\u0301' and 'caf\xe9' look the same"):
        load(path, **DEALT)


def test_more_images_than_main_memory_holds_are_refused(
    pets: Path, monkeypatch: MonkeyPatch
) -> None:
    monkeypatch.setattr("os.sysconf", lambda name: {"SC_PAGE_SIZE": 4096}.get(name, 1))
    what = "20 images of 8 x 8 pixels would take 5.1 kB; allowed: less than main memory, 4.1 kB"
    with pytest.raises(Refusal, match=what) as refused:
        load(pets, size=8, **DEALT)
    assert refused.value.path == ("task", "size")


def test_images_are_decoded_once(pets: Path, cache: Path, monkeypatch: MonkeyPatch) -> None:
    told: list[str] = []
    first = described(pets, **DEALT).load(2, told.append)
    assert len(told) == 1 and "decoding 20 images" in told[0]
    monkeypatch.setattr(pixels, "_opened", lambda file: pytest.fail("decoded again"))
    again = load(pets, data_seed=0, **DEALT)
    assert again.digest == first.digest
    assert load(pets, data_seed=1, test_fraction=0.5, **DEALT).digest != first.digest
    assert len(list(cache.glob("*.npz"))) == 1


def test_what_decides_pixels_names_another_file(
    pets: Path, cache: Path, monkeypatch: MonkeyPatch
) -> None:
    changes: list[dict[str, Any]] = [{}, {"size": 5}, {"channels": 3}]
    for change in changes:
        load(pets, **DEALT, **change)
    version = code.library_version
    monkeypatch.setattr("models.tasks.images.library_version", lambda name: version(name) + "+1")
    load(pets, **DEALT)
    monkeypatch.undo()
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache.parents[1]))
    write(pets / "cat" / "00.png", "another")
    load(pets, **DEALT)
    assert len(list(cache.glob("*.npz"))) == len(changes) + 2


def test_images_that_change_as_they_are_decoded_are_not_kept(
    pets: Path, cache: Path, monkeypatch: MonkeyPatch
) -> None:
    opened = pixels._opened

    def late(file: Path) -> Image.Image:
        write(pets / "dog" / "09.png", "another")
        return opened(file)

    monkeypatch.setattr(pixels, "_opened", late)
    with pytest.raises(Refusal, match="changed as they were read; allowed: images at rest"):
        load(pets, **DEALT)
    assert list(cache.glob("*.npz")) == []


def test_images_are_named_by_their_content(pets: Path, tmp_path: Path) -> None:
    pinned = described(pets, **DEALT).pinned()
    assert pinned.files_sha256 is not None
    pets.rename(tmp_path / "animals")
    elsewhere = described(tmp_path / "animals", **DEALT)
    assert elsewhere.pinned().files_sha256 == pinned.files_sha256
    write(tmp_path / "animals" / "cat" / "00.png", "another")
    changed = pinned.model_copy(update={"path": str(tmp_path / "animals")})
    with pytest.raises(Refusal, match="have changed since; allowed: the files as they were"):
        changed.load(2, lambda line: None)


@pytest.mark.parametrize(
    ("settings", "what", "path"),
    [
        ({}, "is missing: .*doesn't say whose a sample is", ("task", "partition")),
        ({"partition": {"kind": "dirichlet", "alpha": 1e-3}}, "fewer than 8 of 14", None),
    ],
)
def test_what_does_not_go_together_is_refused(
    pets: Path, settings: dict[str, Any], what: str, path: tuple[str, ...] | None
) -> None:
    with pytest.raises(Refusal, match=what) as error:
        task = load(pets, **settings)
        described(pets, **settings).deal(task, 2, np.random.default_rng(0))
    assert path in (None, error.value.path)


@pytest.mark.parametrize(("name", "value"), [("size", 0), ("size", 1025), ("channels", 2)])
def test_values_have_limits(pets: Path, name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=name):
        described(pets, **DEALT | {name: value})


def test_one_image_of_a_class_is_too_few(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="no sample is left for"):
        load(write_all(tmp_path, "cat/1.png", "dog/1.png"), **DEALT)
