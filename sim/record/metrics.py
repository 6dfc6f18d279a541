"""How metrics are called, which way they point, and which of them a node is told of."""

from collections.abc import Iterable, Mapping

LOWER_IS_BETTER = ("loss", "hd95_mm")
"""Metrics of which less is better, as it is of those that begin so: `hd95_mm_thalamus`."""
OWN_SITE = "own_site"

TEST, FINAL = "test", "final"
"""The held-out data of all sites, judged as at any look, or as at a run's end."""


def is_rising(metric: str, lower_is_better: Iterable[str] = LOWER_IS_BETTER) -> bool:
    """Whether more of `metric` is better."""
    return not metric.startswith(tuple(lower_is_better))


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
