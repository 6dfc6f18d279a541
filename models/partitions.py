"""How the training samples fall to the clients: each sample to exactly one of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from models.settings import DirichletSettings, IidSettings, QuantitySettings
from sim.record.settings.base import DataError

Ints = npt.NDArray[np.int64]
REDRAWS = 1_000
"""Draws that leave a client with too little are repeated so often before the user is told."""


def iid(
    settings: IidSettings, labels: Ints, clients: int, generator: np.random.Generator
) -> list[Ints]:
    """Equal random shares: sizes differ by one at most."""
    if clients > len(labels):
        raise DataError(
            f"{len(labels)} training samples leave some of {clients} clients without data; "
            f"allowed: at most {len(labels)} clients"
        )
    return [np.sort(part) for part in np.array_split(generator.permutation(len(labels)), clients)]


def dirichlet(
    settings: DirichletSettings, labels: Ints, clients: int, generator: np.random.Generator
) -> list[Ints]:
    """Label skew: each class is dealt in Dirichlet(alpha) shares (Hsu et al. 2019)."""

    def draw() -> list[Ints]:
        owner = np.empty(len(labels), dtype=np.int64)
        for label in np.unique(labels):
            members = generator.permutation(np.flatnonzero(labels == label))
            shares = generator.dirichlet(np.full(clients, settings.alpha))
            owner[members] = _dealt(shares, len(members))
        return [np.flatnonzero(owner == client) for client in range(clients)]

    return _enough(draw, settings.minimum_samples, len(labels), clients)


def quantity(
    settings: QuantitySettings, labels: Ints, clients: int, generator: np.random.Generator
) -> list[Ints]:
    """Quantity skew: sizes follow one Dirichlet(alpha) draw (Li et al. 2021)."""

    def draw() -> list[Ints]:
        order = generator.permutation(len(labels))
        owner = _dealt(generator.dirichlet(np.full(clients, settings.alpha)), len(labels))
        return [np.sort(order[owner == client]) for client in range(clients)]

    return _enough(draw, settings.minimum_samples, len(labels), clients)


def _dealt(shares: npt.NDArray[np.float64], count: int) -> Ints:
    """The owner of each of `count` items when they are dealt in order by `shares` [clients]."""
    bounds = np.round(np.cumsum(shares)[:-1] * count)
    return np.searchsorted(bounds, np.arange(count), side="right").astype(np.int64)


def _enough(draw: Callable[[], list[Ints]], minimum: int, total: int, clients: int) -> list[Ints]:
    if minimum * clients <= total:
        for _ in range(REDRAWS):
            parts = draw()
            if min(len(part) for part in parts) >= minimum:
                return parts
    raise DataError(
        f"the partition leaves a client with fewer than {minimum} of {total} training samples "
        f"among {clients} clients; allowed: a larger alpha, fewer clients or a smaller "
        "minimum_samples"
    )


# Called with (settings, labels [n], clients, generator); sample indices per client, ascending.
PARTITIONS: dict[str, Callable[[Any, Ints, int, np.random.Generator], list[Ints]]] = {
    "iid": iid,
    "dirichlet": dirichlet,
    "quantity": quantity,
}
