"""Metrics: by hand, against scikit-learn's own averages, by class and by site, and of one's own."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from sklearn import metrics as sklearn_metrics

from models import metrics
from models.metrics import LOSS, METRICS, Metric, Target, check_names
from models.metrics.judge import MOST_SITES, judge
from models.metrics.losses import loss
from models.metrics.metric import FunctionMetric
from sim.record.errors import Refusal
from sim.record.metrics import class_metric, seen_from, site_metric

CLASSES = (*METRICS["class"], LOSS)
OUTPUT = torch.tensor([[0.0, 0.0, -90.0], [0.0, 0.0, -90.0], [0.0, 30.0, 0.0], [30.0, 0.0, 0.0]])
LABELS = torch.tensor([0, 0, 2, 2])
"""Class 1 is not there."""


def judged(
    outputs: torch.Tensor,
    labels: torch.Tensor,
    names: Sequence[str] = CLASSES,
    sites: Sequence[int] | None = None,
    batch: int = 1_000,
) -> dict[str, float]:
    target: Target = "number" if labels.is_floating_point() else "class"
    trained_with = loss("mse" if target == "number" else "cross_entropy", target, 3)
    by_site = None if sites is None else np.array(sites)
    return judge(names, target, trained_with, by_site)(torch.split(outputs, batch), labels)


@pytest.fixture
def random() -> tuple[torch.Tensor, torch.Tensor]:
    draws = np.random.Generator(np.random.Philox(5))
    labels = torch.from_numpy(draws.integers(0, 4, 200))
    outputs = torch.from_numpy(draws.standard_normal((200, 4), dtype=np.float32))
    outputs[torch.arange(200), labels] += 1
    return outputs, labels


@pytest.mark.parametrize("batch", [1, 3, 4])
def test_classes_of_a_known_output(batch: int) -> None:
    found = judged(OUTPUT, LABELS, batch=batch)
    wanted = {
        "accuracy": (0.5, 1.0, 0.0),
        "balanced_accuracy": (0.5, 1.0, 0.0),
        # Class 0 is found three times, twice rightly; class 1 once, and it isn't there.
        "f1": ((0.8 + 0 + 0) / 3, 0.8, 0.0),
        # Class 0: two of its samples against one that it beats and one that beats it. Class 2: the
        # samples of class 0 give it least, so that it comes before both.
        "auc": ((0.5 + 1) / 2, 0.5, 1.0),
        "loss": ((2 * math.log(2) + 30 + 30) / 4, math.log(2), 30.0),
    }
    parts = [(class_metric(name, 0), class_metric(name, 2)) for name in wanted]
    assert found == pytest.approx(
        {name: values[0] for name, values in wanted.items()}
        | {
            part: value
            for pair, values in zip(parts, wanted.values(), strict=True)
            for part, value in zip(pair, values[1:], strict=True)
        },
        rel=1e-6,
    )


def test_all_classes_are_judged_as_scikit_learn_does(
    random: tuple[torch.Tensor, torch.Tensor],
) -> None:
    outputs, labels = random
    found = judged(outputs, labels)
    truth, guess = labels.numpy(), outputs.argmax(dim=1).numpy()
    shares = outputs.double().softmax(dim=1).numpy()
    assert found["accuracy"] == pytest.approx(sklearn_metrics.accuracy_score(truth, guess))
    wanted = sklearn_metrics.balanced_accuracy_score(truth, guess)
    assert found["balanced_accuracy"] == pytest.approx(wanted)
    assert found["f1"] == pytest.approx(sklearn_metrics.f1_score(truth, guess, average="macro"))
    wanted = sklearn_metrics.roc_auc_score(truth, shares, multi_class="ovr")
    assert found["auc"] == pytest.approx(wanted)
    assert found["loss"] == pytest.approx(sklearn_metrics.log_loss(truth, shares))


def test_own_site_is_the_average_that_scikit_learn_calls_weighted(
    random: tuple[torch.Tensor, torch.Tensor],
) -> None:
    outputs, labels = random
    truth, guess = labels.numpy(), outputs.argmax(dim=1).numpy()
    as_held_out = (np.bincount(truth) / len(truth)).tolist()
    seen = seen_from(0, judged(outputs, labels), [as_held_out])
    wanted = {
        "balanced_accuracy": sklearn_metrics.recall_score(truth, guess, average="weighted"),
        "f1": sklearn_metrics.f1_score(truth, guess, average="weighted"),
        "auc": sklearn_metrics.roc_auc_score(
            truth,
            outputs.double().softmax(dim=1).numpy(),
            multi_class="ovr",
            average="weighted",
        ),
    }
    for name, value in wanted.items():
        assert seen[f"{name}_own_site"] == pytest.approx(value)


def test_each_site_is_judged_on_its_own_samples(random: tuple[torch.Tensor, torch.Tensor]) -> None:
    outputs, labels = random
    sites = [0, 0, 0, 2] * 50
    found = judged(outputs, labels, sites=sites)
    for site in (0, 2):
        members = torch.tensor(sites) == site
        alone = judged(outputs[members], labels[members])
        for name in CLASSES:
            assert found[site_metric(name, site)] == pytest.approx(alone[name], abs=1e-12)
    assert len(found) == len(CLASSES) * (1 + 2)


def test_what_is_undefined_at_a_site_is_left_out() -> None:
    found = judged(OUTPUT, LABELS, ("auc", "accuracy"), sites=[0, 0, 0, 1])
    assert set(found) == {"auc", "auc@0", "accuracy", "accuracy@0", "accuracy@1"}


def test_what_diverged_is_no_number_and_does_not_pass_for_undefined() -> None:
    outputs = OUTPUT.clone()
    outputs[3] = math.nan
    found = judged(outputs, LABELS)
    for name in ("auc", "loss"):
        assert math.isnan(found[name]) and math.isnan(found[class_metric(name, 2)])
    assert found["accuracy"] == 0.5


def test_many_sites_are_not_told_apart() -> None:
    count = MOST_SITES + 1
    labels, outputs = torch.arange(count) % 2, torch.zeros(count, 2)
    assert "accuracy@0" in judged(outputs[1:], labels[1:], sites=range(count - 1))
    assert set(judged(outputs, labels, ("accuracy",), range(count))) == {
        "accuracy",
        "accuracy#0",
        "accuracy#1",
    }


def test_numbers_of_a_known_output() -> None:
    outputs, labels = torch.tensor([[1.0], [2.0], [6.0]]), torch.tensor([1.0, 4.0, 4.0])
    names = ("mae", "mse", "r2", "loss")
    found = judged(outputs, labels, names, sites=[0, 0, 1], batch=2)
    assert found == pytest.approx(
        {
            **{"mae": 4 / 3, "mae@0": 1.0, "mae@1": 2.0},
            **{"mse": 8 / 3, "mse@0": 2.0, "mse@1": 4.0},
            # The labels' variance is 2, and 9/4 at site 0; there is none at site 1.
            **{"r2": 1 - (8 / 3) / 2, "r2@0": 1 - 2 / (9 / 4)},
            **{"loss": 8 / 3, "loss@0": 2.0, "loss@1": 4.0},
        }
    )
    assert judged(outputs, labels, ("mae",)) == {"mae": pytest.approx(4 / 3)}
    assert math.isnan(judged(outputs * math.inf, labels, ("r2",))["r2"])


# -- of one's own ----------------------------------------------------------------------------------


def sensitivity(outputs: Any, labels: Any) -> float:
    ill = labels == 1
    return float((outputs.argmax(axis=1)[ill] == 1).mean()) if ill.any() else math.nan


def cost(outputs: Any, labels: Any) -> float:
    return float(10 * (labels - outputs.argmax(axis=1) > 0).mean())


cost.better = "lower"  # type: ignore[attr-defined]
cost.bounds = (0.0, 10.0)  # type: ignore[attr-defined]


class Worst(Metric):
    """The worst class's accuracy."""

    def value(self, outputs: torch.Tensor, labels: torch.Tensor) -> float:
        return min(METRICS["class"]["accuracy"].by_class(outputs, labels).values())


class Upwards(Worst):
    better = "upwards"  # type: ignore[assignment]


class Askew(Worst):
    bounds = (1.0, 0.0)


class Endless(Worst):
    bounds = 1.0  # type: ignore[assignment]


OWN: dict[str, Any] = {
    "my.sensitivity": sensitivity,
    "my.cost": cost,
    "my.Worst": Worst,
    "my.Upwards": Upwards,
    "my.Askew": Askew,
    "my.Endless": Endless,
    "my.number": 3,
}


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "own", OWN.get)


@pytest.mark.usefixtures("own")
def test_metrics_of_one_s_own_are_judged_by_too() -> None:
    names = ("my.sensitivity", "my.cost", "my.Worst", "accuracy")
    outputs = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 0.0]])
    labels = torch.tensor([0, 1, 1, 1])
    found = judged(outputs, labels, names)
    assert found["my.sensitivity"] == found["my.Worst"] == pytest.approx(1 / 3)
    assert found["my.cost"] == 5.0 and found["my.cost#0"] == 0.0
    # The healthy alone have no sensitivity.
    assert "my.sensitivity#0" not in found and found["my.sensitivity#1"] == pytest.approx(1 / 3)
    assert metrics.directions_of(names, "class") == {
        **{"my.sensitivity": "higher", "my.cost": "lower", "my.Worst": "higher"},
        "accuracy": "higher",
    }
    assert metrics.bounds_of(names, "class", "cross_entropy") == {
        **{"my.sensitivity": (None, None), "my.cost": (0.0, 10.0), "my.Worst": (0.0, 1.0)},
        "accuracy": (0.0, 1.0),
    }
    assert math.isnan(judged(outputs * math.nan, labels, names)["my.cost"])


ALLOWED = "accuracy, balanced_accuracy, f1, auc, loss, or your own: my_code.NAME"


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize(
    ("names", "trained_with", "place", "line"),
    [
        (["f2"], "", ("metrics", 0), f"'f2' is no metric of a class; allowed: {ALLOWED}"),
        (["mae"], "", ("metrics", 0), f"'mae' is no metric of a class; allowed: {ALLOWED}"),
        (["f1", "f1"], "", ("metrics", 1), "f1 is listed twice; allowed: each metric once"),
        (
            ["f1", "my.number"],
            "",
            ("metrics", 1),
            "my.number is no metric; allowed: a function of outputs and labels, or a Metric",
        ),
        (
            ["my.Upwards"],
            "",
            ("metrics", 0),
            "my.Upwards has better = 'upwards'; allowed: higher, lower",
        ),
        (
            ["my.Askew"],
            "",
            ("metrics", 0),
            "my.Askew has bounds = (1.0, 0.0); allowed: (least, most), None where there is no end",
        ),
        (
            ["my.Endless"],
            "",
            ("metrics", 0),
            "my.Endless has bounds = 1.0; allowed: (least, most), None where there is no end",
        ),
        (
            ["f1"],
            "mse",
            ("loss",),
            "'mse' is no loss of a class; allowed: cross_entropy, or a function of your own: "
            "my_code.NAME",
        ),
        (
            ["f1"],
            "my.number",
            ("loss",),
            "'my.number' is no loss of a class; allowed: cross_entropy, or a function of your "
            "own: my_code.NAME",
        ),
    ],
)
def test_a_name_that_means_nothing_is_refused(
    names: Sequence[str], trained_with: str, place: tuple[str | int, ...], line: str
) -> None:
    with pytest.raises(Refusal) as refused:
        check_names(names, "class", trained_with or "cross_entropy")
    assert (str(refused.value), refused.value.path) == (line, place)


# -- losses ----------------------------------------------------------------------------------------


def focal(outputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    log_p = outputs.log_softmax(dim=1).gather(1, labels[:, None])[:, 0]
    return -((1 - log_p.exp()) ** 2) * log_p


def of_batch(outputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    return focal(outputs, labels).sum() / len(labels)


def test_the_loss_of_one_s_own_is_a_metric_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.metrics.losses.own", {"my.focal": focal, "my.of": of_batch}.get)
    each, whole = loss("my.focal", "class", 3), loss("my.of", "class", 3)
    assert loss("my.focal", "class", 3) is each and each.each is not None and whole.each is None
    wanted = focal(OUTPUT, LABELS).double().mean().item()
    for trained_with in (each, whole):
        assert trained_with.mean(OUTPUT, LABELS).item() == pytest.approx(wanted)
        found = judge([LOSS], "class", trained_with)([OUTPUT], LABELS)
        assert found[LOSS] == pytest.approx(wanted)
        assert found["loss#0"] == pytest.approx(focal(OUTPUT[:2], LABELS[:2]).mean().item())


@pytest.mark.parametrize(
    ("function", "line"),
    [
        (
            lambda outputs, labels: outputs,
            "my.loss gives a tensor of shape (3, 2) for a batch of 3; allowed: a tensor: one "
            "number, or one for each sample",
        ),
        (
            lambda outputs, labels: 0.5,
            "my.loss gives a float for a batch of 3; allowed: a tensor: one number, or one for "
            "each sample",
        ),
        (
            lambda outputs, labels: outputs.argmax(dim=1) - labels,
            "my.loss does not depend on the outputs by what PyTorch can differentiate; allowed: a "
            "function of tensors",
        ),
    ],
)
def test_what_is_no_loss_is_refused(
    function: Callable[..., Any], line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.metrics.losses.own", {"my.loss": function}.get)
    with pytest.raises(Refusal) as refused:
        loss("my.loss", "class", 2)
    assert (str(refused.value), refused.value.path) == (line, ("task", "loss"))


def test_a_network_with_one_output_learns_numbers() -> None:
    outputs, labels = torch.tensor([[1.0], [3.0]], requires_grad=True), torch.tensor([0.0, 1.0])
    known = loss("mse", "number", 1)
    assert known.each is not None
    assert known.each(outputs, labels).tolist() == [1.0, 4.0]
    assert known.mean(outputs, labels).item() == 2.5


@pytest.mark.parametrize(("given", "sort"), [("much", "str"), (None, "NoneType"), ([1, 2], "list")])
def test_a_metric_that_gives_no_number_is_named(given: object, sort: str) -> None:
    def odd(outputs: Any, labels: Any) -> Any:
        return given

    with pytest.raises(Refusal) as refusal:
        FunctionMetric(odd).value(OUTPUT, LABELS)
    assert str(refusal.value) == f"odd gives a {sort}; allowed: a number"
    assert refusal.value.path == ("task", "metrics")


def test_what_a_metric_itself_raises_is_its_own() -> None:
    def odd(outputs: Any, labels: Any) -> Any:
        raise ValueError("mine")

    with pytest.raises(ValueError, match="^mine$"):
        FunctionMetric(odd).value(OUTPUT, LABELS)
