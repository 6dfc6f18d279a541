"""How metrics are called, which way they point, and which of them a node is told of."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

Better = Literal["higher", "lower"]
"""Which values of a metric are the better ones."""
Bounds = tuple[float | None, float | None]
"""Between which values a metric lies; None: there is no such end."""
OWN_SITE = "own_site"

TEST, FINAL, VALIDATION = "test", "final", "validation"
"""The test data of all sites, judged as at any look or as at a run's end; and the validation data,
which a run may look at to decide something, as when to stop.
"""

LabelShares = Sequence[Sequence[float]]
"""[clients][classes]: how a client's training samples fall to the classes; a client's sum is 1."""


def is_rising(metric: str, directions: Mapping[str, Better]) -> bool:
    """Whether more of `metric` is better: as its task says, or says of the metric that it is a part
    of, `hd95_mm` for `hd95_mm_thalamus`. Raises KeyError if the task says nothing of it.
    """
    known = _known(metric, directions)
    if known is None:
        raise KeyError(metric)
    return directions[known] == "higher"


def limits(metric: str, bounds: Mapping[str, Bounds]) -> tuple[float, float]:
    """Between which values `metric` lies, by the same rule; infinite where nothing is said."""
    known = _known(metric, bounds)
    low, high = (None, None) if known is None else bounds[known]
    return -math.inf if low is None else low, math.inf if high is None else high


def _known(metric: str, names: Iterable[str]) -> str | None:
    """The longest of `names` that `metric` is, or is a part of."""
    found = (
        name for name in names if metric == name or metric.startswith((f"{name}_", f"{name}@"))
    )
    return max(found, key=len, default=None)


def site_metric(metric: str, site: int) -> str:
    """The name of `metric` on the held-out samples of one site alone."""
    return f"{metric}@{site}"


def validation_metric(metric: str) -> str:
    """The name of `metric` on the validation data."""
    return f"{metric}_{VALIDATION}"


def class_metric(metric: str, label: int) -> str:
    """The name of `metric` on the held-out samples of one class alone."""
    return f"{metric}#{label}"


def seen_from(
    site: int | None, scores: Mapping[str, float], label_shares: LabelShares | None = None
) -> dict[str, float]:
    """The scores of a node at `site`, with those on its own kind of data as `<metric>_own_site`.

    Where metrics are known by site, that is its own site's; where by class, their mean, weighted by
    the `label_shares` of the site's client. `site` is None for a node that is nowhere, as a server.
    """
    seen: dict[str, float] = {}
    by_class: dict[str, dict[int, float]] = {}
    for name, value in scores.items():
        metric, of_site, number = name.partition("@")
        kind, of_class, label = name.partition("#")
        if of_class:
            by_class.setdefault(kind, {})[int(label)] = value
        elif not of_site:
            seen[name] = value
        elif int(number) == site:
            seen[f"{metric}_{OWN_SITE}"] = value
    if site is not None and label_shares is not None:
        for metric, values in by_class.items():
            seen |= _weighted(f"{metric}_{OWN_SITE}", values, label_shares[site])
    return seen


def _weighted(name: str, values: Mapping[int, float], shares: Sequence[float]) -> dict[str, float]:
    """The mean over classes; one that isn't held out is left out, and if that is all, so is it."""
    total = sum(shares[label] for label in values)
    weighted = sum(shares[label] * value for label, value in values.items())
    return {name: weighted / total} if total else {}
