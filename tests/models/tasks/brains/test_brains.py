"""The cohort: whole brains, upright, normalised, and each person the same one wherever scanned."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch
from pytest import MonkeyPatch

from models.tasks import BrainsSettings
from models.tasks.brains import generation
from models.tasks.brains.atlas import STRUCTURES, label
from models.tasks.brains.generation import HEAD_MM, LENGTH_MM
from models.tasks.cohort import Cohort, Subject
from sim.record.errors import Refusal
from tests.models.tasks.brains.conftest import SMALL, Generate


def same(left: Subject, right: Subject) -> bool:
    return (
        left.images.tobytes() == right.images.tobytes()
        and left.labels.tobytes() == right.labels.tobytes()
        and left.affine.tobytes() == right.affine.tobytes()
    )


def middle_mm(subject: Subject, *structures: str) -> Any:
    """The mean position of the structures' pixels: right, anterior, superior."""
    pixels = np.argwhere(np.isin(subject.labels, [label(name) for name in structures]))
    return (subject.affine @ np.append(pixels.mean(axis=0), 1))[:3]


def test_subjects_are_named_and_dealt_to_the_sites_in_turn(cohort: Cohort) -> None:
    assert [(s.name, s.site, s.split) for s in cohort.subjects] == [
        ("training_00", 0, "training"),
        ("training_01", 1, "training"),
        ("validation_00", 0, "validation"),
        ("test_00", 0, "test"),
    ]
    assert cohort.structures == tuple(STRUCTURES)


def test_images_are_normalised_and_no_slice_is_empty(cohort: Cohort) -> None:
    for subject in cohort.subjects:
        assert subject.images.shape == subject.labels.shape == (6, 64, 64)
        assert subject.images.dtype == np.float32
        assert subject.labels.dtype == np.uint8
        assert subject.images.min() == 0
        assert subject.images.max() == 1
        assert (subject.labels > 0).any(axis=(1, 2)).all()
        # The whole head is in the picture: nothing touches its edge.
        assert not subject.labels[:, [0, -1]].any()
        assert not subject.labels[:, :, [0, -1]].any()


@pytest.mark.slow
def test_signal_is_that_of_t1(generate: Generate) -> None:
    subject = generate(site_effects=0.0).subjects[0]
    signal = {
        name: subject.images[subject.labels == label(name)].mean()
        for name in ("lateral_ventricle", "cerebral_cortex", "cerebral_white_matter")
    }
    fluid, grey, white = signal.values()
    assert fluid < grey - 0.1
    assert grey < white - 0.1


def test_every_slice_lies_right_in_a_viewer(cohort: Cohort) -> None:
    for subject in cohort.subjects:
        assert np.allclose(
            np.linalg.norm(subject.affine[:3, :3], axis=0),
            [LENGTH_MM / 6, HEAD_MM / 64, HEAD_MM / 64],
        )
        cerebellum, cerebrum = (
            middle_mm(subject, "cerebellar_cortex"),
            middle_mm(subject, "cerebral_cortex"),
        )
        assert (cerebellum < cerebrum)[1:].all()  # behind and below
        assert abs(middle_mm(subject, "brainstem")[0]) < 10  # in the middle
        rows = np.argwhere(subject.labels == label("cerebellar_cortex"))[:, 1]
        assert rows.mean() > 32  # below: row 0 is on top


def test_people_do_not_depend_on_the_number_of_sites(generate: Generate, cohort: Cohort) -> None:
    for left, right in zip(cohort.subjects, generate(1).subjects, strict=True):
        assert np.array_equal(left.labels, right.labels)
        assert same(left, right) == (left.site == right.site)


@pytest.mark.slow
def test_without_site_effects_one_scanner_serves_all(generate: Generate) -> None:
    one, two = (generate(clients, site_effects=0.0) for clients in (1, 2))
    assert all(map(same, one.subjects, two.subjects))


@pytest.mark.slow
def test_more_subjects_leave_the_first_ones_alone(generate: Generate, cohort: Cohort) -> None:
    more = generate(training_subjects=3)
    assert all(map(same, cohort.subjects[:2], more.subjects))
    assert all(map(same, cohort.subjects[2:], more.subjects[3:]))


@pytest.mark.slow
def test_more_to_validate_on_leave_everybody_else_alone(generate: Generate, cohort: Cohort) -> None:
    more = {each.name: each for each in generate(validation_subjects=3).subjects}
    assert len(more) == len(cohort.subjects) + 2
    assert all(same(each, more[each.name]) for each in cohort.subjects)


def test_more_to_validate_on_shift_nobody() -> None:
    few, many = (
        {each.name: each for each in BrainsSettings(**SMALL | settings).people(3)}
        for settings in (
            {"training_subjects": 5},
            {"training_subjects": 5, "validation_subjects": 4},
        )
    )
    assert few.items() < many.items()
    added = [each for each in many.values() if each.name not in few]
    assert [(each.split, each.site) for each in added] == [
        ("validation", 1),
        ("validation", 2),
        ("validation", 0),
    ]


def test_each_run_may_have_people_of_its_own() -> None:
    own = BrainsSettings(**SMALL, data_seed="run")
    assert own.of_seed(7) == BrainsSettings(**SMALL, data_seed=7)
    assert own.of_seed(7).people(2) != own.of_seed(8).people(2)
    same_for_all = BrainsSettings(**SMALL, data_seed=7)
    assert same_for_all.of_seed(8) == same_for_all


SCRIPT = """
import sys
import torch
torch.set_num_threads(int(sys.argv[1]))
from models.tasks import BrainsSettings
settings = BrainsSettings(**{settings!r})
cohort = settings.cohort(2, lambda line: None)
sys.stdout.buffer.write(cohort.subjects[1].images.tobytes())
"""


@pytest.mark.slow
@pytest.mark.parametrize("threads", [1, 2])
def test_another_process_gives_the_same_bits(cohort: Cohort, tmp_path: Any, threads: int) -> None:
    images = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(settings=SMALL), str(threads)],
        env={"XDG_CACHE_HOME": str(tmp_path), "PYTHONPATH": ".", "OMP_NUM_THREADS": str(threads)},
        capture_output=True,
        check=True,
    ).stdout
    assert images == cohort.subjects[1].images.tobytes()


@pytest.mark.slow
def test_every_size_and_number_of_slices_gives_whole_brains(generate: Generate) -> None:
    for slices, image_size in ((1, 96), (60, 64)):
        for subject in generate(1, slices=slices, image_size=image_size, data_seed=9).subjects:
            assert subject.images.shape == (slices, image_size, image_size)
            assert (subject.labels > 0).any(axis=(1, 2)).all()


def numpy_state() -> str:
    state: Any = np.random.get_state()  # noqa: NPY002
    return f"{state[1].tolist()} {state[2:]}"


def test_random_state_and_threads_are_left_alone_and_progress_is_told(
    cache: Any, monkeypatch: MonkeyPatch
) -> None:
    monkeypatch.setattr(generation, "_EVERY", 2)
    torch.set_num_threads(2)  # put back by a fixture
    torch_before, numpy_before = torch.get_rng_state(), numpy_state()
    lines: list[str] = []
    settings = BrainsSettings(**SMALL | {"training_subjects": 1, "slices": 1})
    settings.cohort(1, lines.append)
    assert torch.get_num_threads() == 2
    assert torch.equal(torch_before, torch.get_rng_state())
    assert numpy_before == numpy_state()
    assert len(lines) == 2
    assert lines[0].startswith(f"generating 3 synthetic subjects, to be kept in {cache}")
    assert lines[1] == "2 of 3 subjects generated"
    settings.cohort(1, lines.append)
    assert len(lines) == 2  # nothing to tell


def refused(clients: int, **settings: Any) -> tuple[str, tuple[str | int, ...]]:
    with pytest.raises(Refusal) as error:
        BrainsSettings(**SMALL | settings).people(clients)
    return str(error.value), error.value.path


def test_too_few_subjects_or_lists_of_the_wrong_length_are_refused() -> None:
    assert refused(4) == (
        "2 training subjects for 4 sites leave a site without any; allowed: at least 4",
        ("task", "training_subjects"),
    )
    for key, value in (
        ("training_subjects", (3, 1, 1)),
        ("test_subjects", (3, 1, 1)),
        ("validation_subjects", (3, 1, 1)),
        ("ages", ((20.0, 30.0), (40.0, 50.0), (60.0, 70.0))),
    ):
        assert refused(2, **{key: value}) == (
            "a list of 3 for 2 clients; allowed: one value for all, or a list of 2",
            ("task", key),
        )
    assert refused(2, ages=((20.0, 30.0),))[1] == ("task", "ages")


def test_lists_give_each_site_its_own_subjects_and_ages() -> None:
    settings = BrainsSettings(
        **SMALL
        | {"training_subjects": (1, 3), "test_subjects": (2, 1), "ages": ((20, 30), (80.0, 90.0))}
    )
    people = settings.people(2)
    assert [p.site for p in people] == [0, 1, 1, 1, 0, 0, 1, 0]
    for person in people:
        low = (20, 80)[person.site]
        assert low <= person.age_years <= low + 10
    assert people == settings.people(2)


@pytest.mark.parametrize("ages", [(50.0, 40.0), (10.0, 40.0), (20.0, 120.0), ((20, 30), (9, 30))])
def test_ages_that_are_no_range_of_adults_are_refused(ages: Any) -> None:
    with pytest.raises(ValueError, match="the youngest first, both from 18 to 100 years"):
        BrainsSettings(**SMALL | {"ages": ages})
