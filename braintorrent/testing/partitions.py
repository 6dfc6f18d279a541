"""Partitions of random samples among random numbers of clients."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from braintorrent.testing.broken import Broken, explained
from braintorrent.testing.kinds import PARTITION, chosen
from models.partitions import PartitionSettings
from models.partitions.settings import Ints
from sim.record.errors import Refusal
from sim.world import Streams


def check_partition(
    partition: str | type[PartitionSettings] | PartitionSettings,
    settings: Mapping[str, Any] | None = None,
    *,
    deals: int = 50,
    seed: int = 0,
) -> int:
    """Deal random samples by a partition, with `settings` as in YAML; raise Broken if it fails.

    Each time up to 500 samples of up to 10 classes go to up to 12 clients. Each sample must go to
    exactly one of them, every client's must ascend and be one at least, and the same draws must
    deal the same again. The partition may raise Refusal; returns how often it didn't.

    >>> check_partition("iid") > 0
    True

    Raises ScenarioError for a mistake in the settings.
    """
    kind = chosen(PARTITION, partition, settings)
    dealt = 0
    for number in range(deals):
        with explained(type(kind), partial("deal {} of seed {}".format, number, seed)):
            dealt += _is_dealt(kind, Streams(seed), number)
    if not dealt:
        raise Broken(f"{kind.kind} refused all of {deals} deals")
    return dealt


def _is_dealt(kind: PartitionSettings, streams: Streams, number: int) -> bool:
    """Whether the deal of that number is done, not refused. Raises Broken if it's done wrong."""
    draws = streams.stream("samples", number)
    clients, classes, count = (
        1 + draws.integers(12),
        2 + draws.integers(9),
        12 + draws.integers(489),
    )
    labels = draws.integers(classes, size=count)
    before = labels.copy()
    try:
        parts, again = (
            kind.deal(labels, int(clients), streams.stream("deal", number)) for _ in range(2)
        )
    except Refusal:
        return False
    if not np.array_equal(labels, before):
        raise Broken("deal() changes the labels that it is given")
    _check_parts(parts, int(clients), int(count))
    if not all(map(np.array_equal, parts, again)):
        raise Broken("the same draws deal otherwise; take them from `draws` alone")
    return True


def _check_parts(parts: list[Ints], clients: int, count: int) -> None:
    if len(parts) != clients:
        raise Broken(f"deal() gives {len(parts)} parts for {clients} clients")
    for client, part in enumerate(parts):
        if not len(part) or (np.diff(part) <= 0).any():
            raise Broken(f"client {client}'s samples are none, or don't ascend: {part}")
    if not np.array_equal(np.sort(np.concatenate(parts)), np.arange(count)):
        raise Broken(f"not each of {count} samples goes to exactly one of {clients} clients")
