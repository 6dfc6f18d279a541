"""Who is scanned where, at what age: the subjects before anything is generated.

A room of its own because here a user's numbers meet the number of clients, and may not fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from models.generators import generator
from models.settings import BrainsSettings
from sim.record.settings.base import DataError

_Value = TypeVar("_Value")


@dataclass(frozen=True)
class Person:
    """`role` is "training" or "test"; `number` counts within it, over all sites."""

    role: str
    number: int
    site: int
    age_years: float
    name: str


def recruited(settings: BrainsSettings, clients: int) -> tuple[Person, ...]:
    """All subjects of `clients` sites, those to train on first.

    They are dealt to the sites in turn, so the n-th person is the same one for any number of sites.
    Raises DataError if a list is not one per site, or a site has nobody to train on.
    """
    training = _counts("training_subjects", settings.training_subjects, clients)
    if not all(training):
        raise DataError(
            f"{sum(training)} training subjects for {clients} sites leave a site without any; "
            f"allowed: at least {clients}",
            ("task", "training_subjects"),
        )
    test = _counts("test_subjects", settings.test_subjects, clients)
    ages = _ages(settings, clients)
    people = []
    for role, counts in (("training", training), ("test", test)):
        digits = max(2, len(str(sum(counts) - 1)))
        for number, site in enumerate(_dealt(counts)):
            low, high = ages[site]
            share = float(generator(settings.data_seed, f"brains_{role}_age", number).random())
            name = f"{role}_{number:0{digits}}"
            people.append(Person(role, number, site, low + share * (high - low), name))
    return tuple(people)


def _counts(key: str, subjects: int | Sequence[int], clients: int) -> list[int]:
    if isinstance(subjects, int):
        return [subjects // clients + (site < subjects % clients) for site in range(clients)]
    return list(_one_per_site(key, subjects, clients))


def _ages(settings: BrainsSettings, clients: int) -> Sequence[tuple[float, float]]:
    ranges = settings.age_ranges
    one_for_all = ranges == (settings.ages,)
    return ranges * clients if one_for_all else _one_per_site("ages", ranges, clients)


def _one_per_site(key: str, values: Sequence[_Value], clients: int) -> Sequence[_Value]:
    if len(values) != clients:
        raise DataError(
            f"a list of {len(values)} for {clients} clients; allowed: one value for all, or a list "
            f"of {clients}",
            ("task", key),
        )
    return values


def _dealt(counts: Sequence[int]) -> list[int]:
    """The site of each subject: every site gets its first, then its second, ..."""
    sites = range(len(counts))
    return [site for turn in range(max(counts)) for site in sites if turn < counts[site]]
