"""How metrics are called, which way they point, and which of them a node is told of."""

from collections.abc import Mapping
from typing import Literal

Better = Literal["higher", "lower"]
"""Which values of a metric are the better ones."""
OWN_SITE = "own_site"

TEST, FINAL = "test", "final"
"""The held-out data of all sites, judged as at any look, or as at a run's end."""
VALIDATION = "validation"
"""Other held-out data, for whatever decides by a score: a goal, a tuned setting."""


def is_rising(metric: str, directions: Mapping[str, Better]) -> bool:
    """Whether more of `metric` is better: as its task says, or says of the metric that it is a part
    of, `hd95_mm` for `hd95_mm_thalamus`. Raises KeyError if the task says nothing of it.
    """
    for known in sorted(directions, key=len, reverse=True):
        if metric == known or metric.startswith((f"{known}_", f"{known}@")):
            return directions[known] == "higher"
    raise KeyError(metric)


def site_metric(metric: str, site: int) -> str:
    """The name of `metric` on the held-out samples of one site alone."""
    return f"{metric}@{site}"


def validation_metric(metric: str) -> str:
    """The name of `metric` on the validation data."""
    return f"{metric}_{VALIDATION}"


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
