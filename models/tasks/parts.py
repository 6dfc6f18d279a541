"""What a user's file of labelled samples holds, and what is made of it: checked, and held out.

Files differ in how they are read, not in what can be wrong with what they say.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from models.bits import generator
from models.tasks.alike import repeated, told_apart
from models.tasks.cohort import Split
from models.tasks.settings import Tell
from sim.record.errors import Refusal

Ints = npt.NDArray[np.int64]
_SHOWN = 3
TOLERANCE = 1e-3
"""How far from a whole number a label may be stored: as a float, it may be a rounding error off."""


@dataclass(frozen=True)
class Part:
    """Samples for one purpose.

    `inputs` float32 [n, ...]; `labels` [n], int64 classes from 0 or float32 numbers; `sites` [n]:
    the name of the site whose each is, or None. `name(k)` is what a user calls the k-th sample, and
    `classes` what the classes are called, if not by their numbers. `categories`: before samples are
    `prepared`, the columns of `inputs` that hold codes.
    """

    inputs: npt.NDArray[Any]
    labels: npt.NDArray[Any]
    sites: npt.NDArray[np.str_] | None
    name: Callable[[int], str]
    classes: tuple[str, ...] = ()
    categories: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.labels)

    def chosen(self, places: Ints) -> Part:
        """The samples at `places`."""
        sites = None if self.sites is None else self.sites[places]
        name = self.name
        return replace(
            self,
            inputs=self.inputs[places],
            labels=self.labels[places],
            sites=sites,
            name=lambda k: name(int(places[k])),
        )


Parts = Mapping[Split, Part]
"""What there is for training, validation and testing; what is not told apart is for training."""


@dataclass(frozen=True)
class Shares:
    """How much to hold out where the user's files don't say, and the seed that draws it."""

    test: float
    validation: float
    data_seed: int


def completed(source: str, parts: Parts, shares: Shares) -> dict[Split, Part]:
    """The parts, with what is held out drawn from the training part where it is not given.

    Each class of each site is held out in its shares, of what is told to be for training; numbers
    count as one class. A group of two or more has a sample to train on and one to test on, one of
    three or more one to validate on. Another site changes no draw of this one. Raises Refusal,
    naming `source`, if nothing is left for one of the three.
    """
    training = parts.get("training")
    if training is None or not len(training):
        raise Refusal(f"{source}: no sample to train on", "one or more", ("task", "path"))
    wanted: dict[Split, float] = {"test": shares.test, "validation": shares.validation}
    wanted = {split: share for split, share in wanted.items() if split not in parts}
    # What is given whole stays as it is, mapped if it was.
    places = _drawn(training, wanted, shares.data_seed) if wanted else {}
    found = {**parts, **{split: training.chosen(each) for split, each in places.items()}}
    for split in ("training", "validation", "test"):
        if not len(found[split]):
            what = f"{source}: no sample is left for {split}"
            raise Refusal(what, "more samples", ("task", "path"))
    return found


def _drawn(part: Part, wanted: Mapping[Split, float], data_seed: int) -> dict[Split, Ints]:
    """The places of each split of a part, ascending; "training" has what is in no other."""
    held: dict[Split, list[Ints]] = {split: [] for split in ("training", *wanted)}
    for key, members in _groups(part):
        order = generator(data_seed, "held_out", *key).permutation(members)
        for split, share in wanted.items():
            count = max(0, min(len(order) - 1, max(1, round(share * len(members)))))
            held[split].append(order[:count])
            order = order[count:]
        held["training"].append(order)
    return {split: np.sort(np.concatenate(places)) for split, places in held.items()}


def _groups(part: Part) -> list[tuple[tuple[int, ...], Ints]]:
    """The places of each class of each site, with a key that is theirs alone."""
    sites = np.zeros(len(part), "U1") if part.sites is None else part.sites
    classes = np.zeros(len(part), np.int64) if part.labels.dtype.kind == "f" else part.labels
    names, of_site = np.unique(sites, return_inverse=True)
    pairs, group = np.unique(np.stack([of_site, classes]), axis=1, return_inverse=True)
    order = np.argsort(group, kind="stable")
    members = np.split(order, np.flatnonzero(np.diff(group[order])) + 1)
    keys = ((*str(names[site]).encode(), -1, int(label)) for site, label in pairs.T.tolist())
    return list(zip(keys, members, strict=True))


def site_names(source: str, parts: Parts, clients: int, note: Tell) -> tuple[str, ...]:
    """The sites by name, by number if all names are numbers; client 0 is the first of them.

    Raises Refusal unless there is one for each of `clients`, with samples to train on, and unless
    all look different; `note` is told of those that have none to test on.
    """
    sites = {split: np.unique(_sites_of(part)).tolist() for split, part in parts.items()}
    for line in told_apart(source, "sites", itertools.chain(*sites.values()), ("task", "path")):
        note(line)
    # Python reads no number of thousands of digits; no site is called so.
    are_numbers = all(name.isdecimal() and len(name) < 20 for name in sites["training"])
    names = sorted(sites["training"], key=int) if are_numbers else sites["training"]
    for split in ("test", "validation"):
        if unknown := [name for name in sites[split] if name not in names]:
            what = f"{source}: {_listed(unknown)} has {split} samples and none to train on"
            raise Refusal(what, "training samples of each site", ("task", "path"))
    if len(names) != clients:
        what = f"{clients} clients for {len(names)} sites ({_listed(names)})"
        raise Refusal(what, f"{len(names)}, a client for each site", ("clients", "count"))
    if lacking := [name for name in names if name not in sites["test"]]:
        note(f"{source}: no test samples of {_listed(lacking)}: no score on their own data")
    return tuple(names)


def numbers_of(sites: npt.NDArray[np.str_], names: Sequence[str]) -> Ints:
    """The place of each of `sites` [n] in `names`, where they all are."""
    numbers = {name: number for number, name in enumerate(names)}
    found, inverse = np.unique(sites, return_inverse=True)
    return np.array([numbers[name] for name in found.tolist()], np.int64)[inverse]


def _sites_of(part: Part) -> npt.NDArray[np.str_]:
    assert part.sites is not None
    return part.sites


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:_SHOWN])
    return f"{shown} and {len(names) - _SHOWN} more" if len(names) > _SHOWN else shown


def check_classes(source: str, parts: Parts) -> int:
    """How many classes there are: all that are trained on.

    Raises Refusal if there is one alone, if numbers are left out between them, or if one is held
    out that nobody trains on.
    """
    trained_on = np.unique(parts["training"].labels)
    called = parts["training"].classes
    if len(trained_on) == 1:
        what = f"{source}: all training samples are of class {_called(trained_on[0], called)}"
        raise Refusal(what, "two classes or more", ("task", "path"))
    for split in ("test", "validation"):
        strange = np.setdiff1d(parts[split].labels, trained_on)
        if len(strange):
            name = _called(strange[0], called)
            what = f"{source}: class {name} is in the {split} data, and not trained on"
            raise Refusal(what, "classes that are trained on", ("task", "path"))
    gaps = np.flatnonzero(trained_on != np.arange(len(trained_on)))
    if len(gaps):
        what = f"{source}: there is no class {gaps[0]} among 0 to {trained_on[-1]}"
        raise Refusal(what, "classes from 0 without gaps", ("task", "path"))
    return len(trained_on)


def _called(label: int, classes: Sequence[str]) -> str:
    return repr(classes[label]) if classes else str(label)


def doubts(source: str, parts: Parts) -> Iterator[str]:
    """Say, with examples, which classes have one sample alone, how many held-out samples are
    trained on as well, and how many images are of two classes at once.
    """
    digests = {split: _digests(part) for split, part in parts.items()}
    trained_on = {digest: place for place, digest in enumerate(digests["training"])}
    training = parts["training"]
    if training.labels.dtype.kind == "i":
        yield from _alone(source, parts)
    for split in ("test", "validation"):
        found = [
            (place, trained_on[digest])
            for place, digest in enumerate(digests[split])
            if digest in trained_on
        ]
        if found:
            held_out, place = found[0]
            yield (
                f"{source}: {len(found)} of {len(parts[split])} {split} samples are in the "
                f"training data too, as {parts[split].name(held_out)}, which is "
                f"{training.name(place)}: scores on them may be too good"
            )
    # Of rows it may well be that another person like this one was another's.
    if training.inputs.ndim > 2 and training.labels.dtype.kind == "i":
        yield from _contradictions(source, training, digests["training"])


def _alone(source: str, parts: Parts) -> Iterator[str]:
    labels = parts["training"].labels
    counts = np.bincount(np.concatenate([part.labels for part in parts.values()]))
    for label in np.flatnonzero(counts == 1).tolist():
        name = _called(label, parts["training"].classes)
        place = parts["training"].name(int(np.flatnonzero(labels == label)[0]))
        yield f"{source}: class {name} has one sample alone, {place}: no score on it; a typo?"


def _contradictions(source: str, part: Part, digests: Sequence[bytes]) -> Iterator[str]:
    labels = part.labels
    found = [(one, other) for one, other in repeated(digests) if labels[one] != labels[other]]
    if found:
        one, other = map(part.name, found[0])
        yield (
            f"{source}: {len(found)} training samples are the same as another of another class, "
            f"as {other}, which is {one}"
        )


def _digests(part: Part) -> list[bytes]:
    # Of zeros one may have a sign.
    return [hashlib.blake2b((row + 0).tobytes(), digest_size=16).digest() for row in part.inputs]
