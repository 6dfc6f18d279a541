"""Labelled samples: what is held out of them, whose they are, and what is told of them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np
import pytest

from models.tasks.cohort import Split
from models.tasks.parts import (
    Part,
    Parts,
    Shares,
    check_classes,
    completed,
    doubts,
    numbers_of,
    site_names,
)
from sim.record.errors import Refusal

SHARES = Shares(0.2, 0.1, 0)


def part(labels: Sequence[Any], sites: Sequence[str] | None = None, first: int = 0) -> Part:
    """Samples with numbers from `first` on as their inputs."""
    inputs = np.arange(first, first + len(labels), dtype=np.float32)[:, None]
    whose = None if sites is None else np.array(sites)
    return Part(inputs, np.array(labels), whose, lambda k: f"row {first + k}")


def rows(found: Part) -> list[int]:
    return [int(value) for value in found.inputs[:, 0]]


def refused(what: str, path: tuple[str, ...] = ("task", "path")) -> Any:
    return pytest.raises(Refusal, match=what)


def test_each_class_of_each_site_is_held_out_in_its_shares() -> None:
    labels, sites = [0] * 60 + [1] * 40, (["b"] * 30 + ["a"] * 30 + ["b"] * 20 + ["a"] * 20)
    found = completed("data", {"training": part(labels, sites)}, SHARES)
    assert sorted(chain(*map(rows, found.values()))) == list(range(100))
    for one, counts in ((found["test"], (6, 6, 4, 4)), (found["validation"], (3, 3, 2, 2))):
        assert one.sites is not None and rows(one) == sorted(rows(one))
        groups = zip(one.labels.tolist(), one.sites.tolist(), strict=True)
        of = sorted(groups)
        wanted = [(0, "a"), (0, "b"), (1, "a"), (1, "b")]
        assert [of.count(group) for group in wanted] == list(counts)
        assert one.name(0) == f"row {rows(one)[0]}"


def test_another_site_changes_no_draw_of_this_one() -> None:
    alone = completed("data", {"training": part([0] * 20, ["a"] * 20)}, SHARES)
    both = completed("data", {"training": part([0] * 40, ["a"] * 20 + ["0"] * 20)}, SHARES)
    for split in ("test", "validation"):
        assert rows(alone[split]) == [row for row in rows(both[split]) if row < 20]
    other = completed("data", {"training": part([0] * 20, ["a"] * 20)}, Shares(0.2, 0.1, 1))
    assert rows(other["test"]) != rows(alone["test"])


def test_more_to_validate_on_leaves_the_test_data_as_they_were() -> None:
    few, many = (
        completed("data", {"training": part([0, 1] * 30)}, Shares(0.2, share, 0))
        for share in (0.1, 0.5)
    )
    assert rows(few["test"]) == rows(many["test"])
    assert set(rows(few["validation"])) < set(rows(many["validation"]))


def test_what_is_given_is_not_drawn() -> None:
    given: dict[Split, Part] = {"training": part([0, 1] * 20), "test": part([0, 1], first=100)}
    found = completed("data", given, SHARES)
    assert rows(found["test"]) == [100, 101]
    assert len(found["validation"]) == 4 and len(found["training"]) == 36
    given["validation"] = part([0, 1], first=200)
    whole = completed("data", given, SHARES)
    assert all(whole[split] is given[split] for split in given)


def test_numbers_are_held_out_as_one_class() -> None:
    found = completed("data", {"training": part([i / 7 for i in range(50)])}, SHARES)
    assert len(found["test"]) == 10 and len(found["validation"]) == 5


def test_small_groups_keep_a_sample_to_train_on_first() -> None:
    found = completed("data", {"training": part([0, 1, 1, 2, 2, 2])}, SHARES)
    assert sorted(found["training"].labels.tolist()) == [0, 1, 2]
    assert found["test"].labels.tolist() == [1, 2] and found["validation"].labels.tolist() == [2]


@pytest.mark.parametrize(
    ("parts", "what"),
    [
        ({"training": part([0, 1])}, "data: no sample is left for validation"),
        ({"training": part([0, 0, 1, 1])}, "data: no sample is left for validation"),
        ({"training": part([])}, "data: no sample to train on; allowed: one or more"),
        ({"training": part([0] * 9), "test": part([])}, "data: no sample is left for test"),
    ],
)
def test_too_few_samples_are_refused(parts: Parts, what: str) -> None:
    with refused(what):
        completed("data", parts, SHARES)


def test_clients_are_the_sites_by_name_or_by_number() -> None:
    told: list[str] = []
    one = part([0, 0, 0], ["9", "10", "9"])
    parts: Parts = {"training": one, "test": one, "validation": part([0], ["9"])}
    assert site_names("data", parts, 2, told.append) == ("9", "10")
    named: Parts = dict.fromkeys(parts, part([0, 0, 0], ["b", "10", "b"]))
    assert site_names("data", named, 2, told.append) == ("10", "b")
    endless: Parts = dict.fromkeys(parts, part([0, 0], ["9", "1" * 5000]))
    assert site_names("data", endless, 2, told.append) == ("1" * 5000, "9")
    assert told == []
    assert numbers_of(np.array(["9", "10", "9"]), ("9", "10")).tolist() == [0, 1, 0]


def test_a_site_that_can_t_be_tested_is_told_of_and_one_that_can_t_be_trained_refused() -> None:
    told: list[str] = []
    parts: dict[Split, Part] = {
        "training": part([0] * 3, ["a", "b", "c"]),
        "test": part([0], ["b"]),
        "validation": part([0], ["b"]),
    }
    site_names("data", parts, 3, told.append)
    assert told == ["data: no test samples of a, c: no score on their own data"]
    with refused("data: d has test samples and none to train on"):
        site_names("data", parts | {"test": part([0], ["d"])}, 3, told.append)
    with refused(r"2 clients for 3 sites \(a, b, c\); allowed: 3, a client for each site"):
        site_names("data", parts, 2, told.append)


@pytest.mark.parametrize(
    ("training", "test", "what"),
    [
        ([1, 1], [1], "data: all training samples are of class 1"),
        ([0, 1], [2], "data: class 2 is in the test data, and not trained on"),
        ([0, 3], [0], "data: there is no class 1 among 0 to 3"),
    ],
)
def test_classes_that_can_t_be_learned_are_refused(
    training: list[int], test: list[int], what: str
) -> None:
    with refused(what):
        check_classes(
            "data", {"training": part(training), "test": part(test), "validation": part([0])}
        )


def test_a_sample_that_is_trained_on_and_tested_on_is_told_of_once() -> None:
    parts: Parts = {
        "training": part([0] * 10),
        "test": part([0] * 3, first=8),
        "validation": part([0], first=20),
    }
    assert list(doubts("data", parts)) == [
        "data: 2 of 3 test samples are in the training data too, as row 8, which is row 8: scores "
        "on them may be too good"
    ]
