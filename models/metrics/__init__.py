"""What models are judged by and trained for, by name: metrics, and losses; without PyTorch."""

import math
from collections.abc import Sequence
from typing import Literal

from models.metrics.classes import F1, Accuracy, Auc, BalancedAccuracy
from models.metrics.metric import FunctionMetric, Metric
from models.metrics.numbers import R2, AbsoluteError, SquaredError
from sim.record.code import own
from sim.record.errors import Refusal
from sim.record.metrics import Better, Bounds

Target = Literal["class", "number"]
"""What a network is to say of a sample."""

METRICS: dict[Target, dict[str, Metric]] = {
    "class": {
        "accuracy": Accuracy(),
        "balanced_accuracy": BalancedAccuracy(),
        "f1": F1(),
        "auc": Auc(),
    },
    "number": {"mae": AbsoluteError(), "mse": SquaredError(), "r2": R2()},
}
LOSS = "loss"
"""The metric that is the loss trained with, whatever that is."""
LOSSES: dict[Target, tuple[str, ...]] = {"class": ("cross_entropy",), "number": ("mse",)}
"""Their names; the functions are in models/metrics/losses.py, which needs PyTorch."""


def metric(name: str, target: Target) -> Metric:
    """The metric called `name`, but for LOSS. Raises Refusal if there is none."""
    if name in METRICS[target]:
        return METRICS[target][name]
    found = own(name)
    if found is None:
        allowed = f"{', '.join(METRICS[target])}, {LOSS}, or your own: my_code.NAME"
        raise Refusal(f"{name!r} is no metric of a {target}", allowed)
    made = found() if isinstance(found, type) and issubclass(found, Metric) else found
    if not isinstance(made, Metric):
        if not callable(made):
            raise Refusal(f"{name} is no metric", "a function of outputs and labels, or a Metric")
        made = FunctionMetric(made)
    _check_facts(name, made)
    return made


def _check_facts(name: str, made: Metric) -> None:
    if made.better not in ("higher", "lower"):
        raise Refusal(f"{name} has better = {made.better!r}", "higher, lower")
    try:
        low, high = (math.nan if end is None else float(end) for end in made.bounds)
    except (TypeError, ValueError):
        low, high = 0.0, 0.0
    if low >= high:
        allowed = "(least, most), None where there is no end"
        raise Refusal(f"{name} has bounds = {made.bounds!r}", allowed)


def directions_of(names: Sequence[str], target: Target) -> dict[str, Better]:
    """Which values of the metrics are the better ones."""
    return {name: "lower" if name == LOSS else metric(name, target).better for name in names}


def bounds_of(names: Sequence[str], target: Target, loss: str) -> dict[str, Bounds]:
    """Between which values the metrics lie, where `loss` is trained with."""
    of_loss = getattr(own(loss), "bounds_of", (None, None)) if "." in loss else (0.0, None)
    return {name: of_loss if name == LOSS else metric(name, target).bounds for name in names}


def check_names(metrics: Sequence[str], target: Target, loss: str) -> None:
    """Raise Refusal, with the way to it, for a name that means nothing or stands twice."""
    for index, name in enumerate(metrics):
        if name in metrics[:index]:
            raise Refusal(f"{name} is listed twice", "each metric once", ("metrics", index))
        try:
            if name != LOSS:
                metric(name, target)
        except Refusal as refusal:
            raise refusal.below("metrics", index) from None
    try:
        if loss not in LOSSES[target] and not callable(own(loss)):
            allowed = f"{', '.join(LOSSES[target])}, or a function of your own: my_code.NAME"
            raise Refusal(f"{loss!r} is no loss of a {target}", allowed)
    except Refusal as refusal:
        raise refusal.below("loss") from None


__all__ = [
    "LOSS",
    "LOSSES",
    "METRICS",
    "Metric",
    "Target",
    "bounds_of",
    "check_names",
    "directions_of",
    "metric",
]
