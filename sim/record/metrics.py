"""How metrics are called, which way they point, and which of them a node is told of."""

import math
from collections.abc import Iterable, Mapping
from typing import Literal

Better = Literal["higher", "lower"]
"""Which values of a metric are the better ones."""
Bounds = tuple[float | None, float | None]
"""Between which values a metric lies; None: there is no such end."""
OWN_SITE = "own_site"
VALIDATION = "validation"
"""Ends the name of a metric of validation data: what a run aims at, is stopped or tuned by."""

TEST, FINAL = "test", "final"
"""The held-out data of all sites, judged as at any look, or as at a run's end."""


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


def seen_from(site: int | None, scores: Mapping[str, float]) -> dict[str, float]:
    """The scores of a node at `site`: of the sites' metrics its own alone, as `<metric>_own_site`.

    `site` is None for a node that is nowhere, as a server.
    """
    seen = {}
    for name, value in scores.items():
        metric, at, number = name.partition("@")
        if not at:
            seen[metric] = value
        elif site is not None and int(number) == site:
            seen[f"{metric}_{OWN_SITE}"] = value
    return seen
