"""What models are judged by and trained for, by name: metrics, and losses; without PyTorch."""

from collections.abc import Sequence
from typing import Literal

from models.metrics.classes import F1, Accuracy, Auc, BalancedAccuracy
from models.metrics.metric import FunctionMetric, Metric
from models.metrics.numbers import R2, AbsoluteError, SquaredError
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


def own(name: str) -> object:
    """What the user's code calls `name`, as `my_code.focal`. Raises Refusal if there is none."""
    raise Refusal(f"{name} is code of your own", "the names that `braintorrent list` shows")


def metric(name: str, target: Target) -> Metric:
    """The metric called `name`, but for LOSS. Raises Refusal if there is none."""
    if "." in name:
        return _own_metric(name)
    if name not in METRICS[target]:
        names = ", ".join((*METRICS[target], LOSS))
        raise Refusal(f"{name!r} is no metric of a {target}", f"{names}, or your own: my_code.NAME")
    return METRICS[target][name]


def _own_metric(name: str) -> Metric:
    found = own(name)
    made = found() if isinstance(found, type) and issubclass(found, Metric) else found
    if not isinstance(made, Metric):
        if not callable(made):
            raise Refusal(f"{name} is no metric", "a function of outputs and labels, or a Metric")
        made = FunctionMetric(made)
    low, high = made.bounds
    if made.better not in ("higher", "lower") or (
        low is not None and high is not None and not low < high
    ):
        what = f"{name} has better = {made.better!r} and bounds = {made.bounds!r}"
        raise Refusal(what, "better: higher or lower; bounds: (least, most), None for no end")
    return made


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
    if "." in loss:
        if not callable(own(loss)):
            raise Refusal(f"{loss} is no loss", "a function of outputs and labels", ("loss",))
    elif loss not in LOSSES[target]:
        names = ", ".join(LOSSES[target])
        what = f"{loss!r} is no loss for a {target}"
        raise Refusal(what, f"{names}, or your own: my_code.NAME", ("loss",))


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
    "own",
]
