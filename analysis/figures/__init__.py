"""Figures of results, by name; each is a function that takes results and returns a figure."""

from collections.abc import Callable

from matplotlib.figure import Figure

from analysis.canvas.choices import default_figure as default_figure
from analysis.canvas.look import printed as printed
from analysis.figures.clients import clients as clients
from analysis.figures.convergence import convergence as convergence
from analysis.figures.difference import difference as difference
from analysis.figures.failure_rate import failure_rate as failure_rate
from analysis.figures.map import difference_map as difference_map
from analysis.figures.merges import merges as merges
from analysis.figures.network_use import network_use as network_use
from analysis.figures.structures import structures as structures
from analysis.figures.time_to_target import time_to_target as time_to_target
from analysis.figures.timeline import timeline as timeline

OF_SEVERAL = ("convergence",)
"""Those that show several folders' results together."""
# Called with results, and keyword options of its own.
FIGURES: dict[str, Callable[..., Figure]] = {
    "convergence": convergence,
    "failure_rate": failure_rate,
    "difference": difference,
    "map": difference_map,
    "time_to_target": time_to_target,
    "timeline": timeline,
    "network_use": network_use,
    "clients": clients,
    "merges": merges,
    "structures": structures,
}
