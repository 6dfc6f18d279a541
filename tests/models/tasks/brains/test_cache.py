"""Cohorts in the cache: as they were, and each of its own description."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pytest import MonkeyPatch

from models.tasks import BrainsSettings
from models.tasks.brains import cache
from models.tasks.brains.cache import cache_path, cached
from models.tasks.cohort import Cohort, Subject
from sim.record.errors import Refusal
from tests.models.tasks.brains.conftest import SMALL

CHANGES: dict[str, Any] = {
    "training_subjects": 4,
    "test_subjects": 2,
    "validation_subjects": 2,
    "image_size": 96,
    "slices": 7,
    "site_effects": 0.5,
    "ages": (30.0, 90.0),
    "data_seed": 1,
}


def tiny(value: float = 0.5) -> Cohort:
    images = np.full((2, 4, 4), value, dtype=np.float32)
    labels = np.arange(32, dtype=np.uint8).reshape(2, 4, 4)
    subject = Subject("training_00", 1, "test", images, labels, np.diag([1.0, 2, 3, 1]))
    return Cohort((subject,), ("thalamus",))


def never() -> Cohort:
    raise AssertionError("generated twice")


def test_what_was_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "a.npz"
    (made,), (read,) = cached(path, tiny).subjects, cached(path, never).subjects
    assert (made.name, made.site, made.split) == (read.name, read.site, read.split)
    for array in ("images", "labels", "affine"):
        left, right = getattr(made, array), getattr(read, array)
        assert left.dtype == right.dtype
        assert np.array_equal(left, right)
    assert cached(path, never).structures == ("thalamus",)


def test_every_setting_and_the_sites_name_another_file(monkeypatch: MonkeyPatch) -> None:
    paths: list[Path] = []

    def note(path: Path, make: Any, tell: Any) -> Cohort:
        paths.append(path)
        return tiny()

    monkeypatch.setattr(cache, "cached", note)
    assert set(CHANGES) == set(BrainsSettings.model_fields) - {"name"}
    for change in ({}, *({key: value} for key, value in CHANGES.items())):
        BrainsSettings(**SMALL | change).cohort(2, lambda line: None)
    BrainsSettings(**SMALL).cohort(1, lambda line: None)
    assert len(set(paths)) == len(paths) == len(CHANGES) + 2
    BrainsSettings(**SMALL).cohort(2, lambda line: None)
    assert paths[-1] == paths[0]


def test_other_libraries_name_another_file(monkeypatch: MonkeyPatch) -> None:
    before = cache_path({})
    version = metadata.version
    monkeypatch.setattr(metadata, "version", lambda name: version(name) + "+other")
    assert cache_path({}) != before


def test_a_missing_extra_is_named_with_its_remedy(monkeypatch: MonkeyPatch) -> None:
    version = metadata.version

    def without(name: str) -> str:
        if name == "torchio":
            raise metadata.PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr(metadata, "version", without)
    with pytest.raises(Refusal) as error:
        BrainsSettings(**SMALL).cohort(2, lambda line: None)
    assert str(error.value) == (
        "the task brains needs the extra `brains`, and torchio is not installed; allowed: "
        'pip install ".[brains]", in the folder of its sources'
    )
    assert error.value.path == ("task", "name")
