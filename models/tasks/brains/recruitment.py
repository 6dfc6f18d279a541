"""Who is scanned where, at what age: the subjects before anything is generated."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from models.bits import generator
from models.tasks.cohort import Split
from sim.record.errors import Refusal

_Value = TypeVar("_Value")


@dataclass(frozen=True)
class Person:
    """`number` counts within the `split`, over all sites."""

    split: Split
    number: int
    site: int
    age_years: float
    name: str


def recruited(
    training: int | Sequence[int],
    validation: int | Sequence[int],
    test: int | Sequence[int],
    ages: Sequence[tuple[float, float]],
    clients: int,
    data_seed: int,
) -> tuple[Person, ...]:
    """All subjects of `clients` sites, those to train on first.

    `training`, `validation`, `test`: how many in all, or a list of one number per site; `ages`
    [clients]: of the youngest and oldest. They are dealt to the sites in turn, so the n-th person
    of a split is the same one for any number of sites, and of the others. Raises Refusal if a list
    is not one per site, or a site has nobody to train on.
    """
    to_train_on = _counts("training_subjects", training, clients)
    if not all(to_train_on):
        raise Refusal(
            f"{sum(to_train_on)} training subjects for {clients} sites leave a site without any",
            f"at least {clients}",
            ("task", "training_subjects"),
        )
    splits: dict[Split, list[int]] = {
        "training": to_train_on,
        "validation": _counts("validation_subjects", validation, clients),
        "test": _counts("test_subjects", test, clients),
    }
    people = []
    for split, counts in splits.items():
        digits = max(2, len(str(sum(counts) - 1)))
        # Every site gets its first, then its second, ...
        turns = [(turn, site) for turn in range(max(counts)) for site in range(clients)]
        dealt = [site for turn, site in turns if turn < counts[site]]
        for number, site in enumerate(dealt):
            low, high = ages[site]
            share = float(generator(data_seed, f"brains_{split}_age", number).random())
            name = f"{split}_{number:0{digits}}"
            people.append(Person(split, number, site, low + share * (high - low), name))
    return tuple(people)


def _counts(key: str, subjects: int | Sequence[int], clients: int) -> list[int]:
    if isinstance(subjects, int):
        return [subjects // clients + (site < subjects % clients) for site in range(clients)]
    return list(one_per_site(key, subjects, clients))


def one_per_site(key: str, values: Sequence[_Value], clients: int) -> Sequence[_Value]:
    """The `values`, one for each client. Raises Refusal if they aren't so many."""
    if len(values) != clients:
        what = f"a list of {len(values)} for {clients} clients"
        raise Refusal(what, f"one value for all, or a list of {clients}", ("task", key))
    return values
