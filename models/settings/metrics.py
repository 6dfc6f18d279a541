"""How metrics are called, and which of them a node is told of."""

from __future__ import annotations

from collections.abc import Mapping

LOWER_IS_BETTER = frozenset({"loss"})
OWN_SITE = "own_site"

TEST, FINAL = "test", "final"
"""The held-out data of all sites, judged as at any look, or as at a run's end."""


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
