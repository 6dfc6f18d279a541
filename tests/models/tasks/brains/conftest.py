"""A cache folder of the tests' own, and one small cohort that most of them look at."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pytest import MonkeyPatch, TempPathFactory

from models.tasks import BrainsSettings
from models.tasks.brains.atlas import Atlas, read_atlas
from models.tasks.cohort import Cohort

SMALL: dict[str, Any] = {
    "name": "brains",
    "training_subjects": 2,
    "test_subjects": 1,
    "validation_subjects": 1,
    "slices": 6,
}

Generate = Callable[..., Cohort]


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: TempPathFactory) -> Any:
    """Where all these tests' cohorts are kept instead of the user's cache folder."""
    folder = tmp_path_factory.mktemp("cache")
    with MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))
        yield folder


@pytest.fixture(scope="session")
def generate(cache: Any) -> Generate:
    """generate(clients, **settings): a cohort like `SMALL` but for the settings."""

    def cohort(clients: int = 2, **settings: Any) -> Cohort:
        return BrainsSettings(**SMALL | settings).cohort(clients, lambda line: None)

    return cohort


@pytest.fixture(scope="session")
def cohort(generate: Generate) -> Cohort:
    return generate()


@pytest.fixture(scope="session")
def atlas() -> Atlas:
    return read_atlas(2.0)
