"""Synthetic(alpha, beta): each client's own problem, drawn as published, whoever else there is."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from models.bits import generator
from models.tasks import SyntheticSettings
from models.tasks.task import Task
from sim.record.errors import Refusal

FEATURES, CLASSES = 60, 10


def described(**settings: Any) -> SyntheticSettings:
    return SyntheticSettings.model_validate({"name": "synthetic", "samples": 40, **settings})


def load(clients: int = 3, **settings: Any) -> Task:
    return described(**settings).load(clients, lambda line: None)


def of_client(task: Task, client: int) -> tuple[torch.Tensor, torch.Tensor]:
    """What it trains on."""
    own = np.flatnonzero(task.sites == client)
    return task.inputs[own], task.labels[own]


def counts(task: Task) -> npt.NDArray[np.int64]:
    """How many samples each client trains on."""
    assert task.sites is not None
    return np.bincount(task.sites)


def everything(task: Task) -> torch.Tensor:
    return torch.cat([task.inputs, task.test.inputs, task.validation.inputs])


def test_samples_are_labelled_by_a_model_of_the_client_s_own() -> None:
    """The same in plain words, of draws of the same names."""
    alpha, beta = 0.5, 2.0
    task = load(alpha=alpha, beta=beta, data_seed=7)
    for client in range(3):
        draws = generator(7, "synthetic_client", client)

        def normal(*shape: int, draws: np.random.Generator = draws) -> npt.NDArray[np.float64]:
            return draws.standard_normal(shape, dtype=np.float32).astype(np.float64)

        shift = beta * normal()
        mean = alpha * normal(CLASSES)[0]
        weights, biases = mean + normal(FEATURES, CLASSES), mean + normal(CLASSES)
        centre = shift + normal(FEATURES)
        variances = np.arange(1, FEATURES + 1) ** -1.2
        wanted = centre + np.sqrt(variances) * normal(40, FEATURES)
        inputs, labels = of_client(task, client)
        # The first are tested on, the next validated on.
        assert np.allclose(inputs, wanted[8:], atol=1e-5)
        assert np.array_equal(labels, (wanted[8:] @ weights + biases).argmax(axis=1))


def test_draws_have_the_moments_that_were_published() -> None:
    task = load(400, beta=3.0, samples=60)
    sums = [of_client(task, client)[0].double() for client in range(400)]
    means = torch.stack([each.mean(dim=0) for each in sums])
    within = torch.stack([each.var(dim=0) for each in sums]).mean(dim=0)
    assert np.allclose(within, np.arange(1, FEATURES + 1) ** -1.2, rtol=0.05)
    # Between clients, B_k of variance 9 is common to all features, and v_k adds 1.
    assert float(means.mean(dim=1).var()) == pytest.approx(9, rel=0.2)
    assert float(means.var(dim=1).mean()) == pytest.approx(1, rel=0.05)


def test_one_problem_for_all_has_one_model_and_no_shift() -> None:
    task = load(2, iid=True, samples=2000)
    assert abs(float(task.inputs.mean(dim=0).abs().max())) < 0.1
    # A model of one client's samples serves the other.
    (inputs, labels), (others, wanted) = of_client(task, 0), of_client(task, 1)
    draws = generator(0, "synthetic_iid")
    draws.standard_normal(1 + CLASSES, dtype=np.float32)
    weights = draws.standard_normal((FEATURES, CLASSES), dtype=np.float32)
    biases = draws.standard_normal(CLASSES, dtype=np.float32)
    for x, y in ((inputs, labels), (others, wanted)):
        assert np.array_equal((x.numpy() @ weights + biases).argmax(axis=1), y)


def test_a_mean_of_all_weights_changes_no_label_and_one_a_class_does() -> None:
    plain = load(20, samples=100)
    assert torch.equal(load(20, samples=100, alpha=1.0).labels, plain.labels)
    by_class = load(20, samples=100, alpha=1.0, means="class")
    assert torch.equal(by_class.inputs, plain.inputs)
    assert not torch.equal(by_class.labels, plain.labels)
    assert torch.equal(load(20, samples=100, means="class").labels, plain.labels)


def test_beta_moves_a_client_s_samples_and_nothing_else() -> None:
    one, two = load(beta=1.0), load(beta=2.0)
    shifts = [
        (of_client(two, client)[0] - of_client(one, client)[0]).numpy() for client in range(3)
    ]
    for shift in shifts:
        assert np.allclose(shift, shift[0, 0], atol=1e-5)
    assert len({round(float(shift[0, 0]), 3) for shift in shifts}) == 3


@pytest.mark.parametrize("samples", [40, {"sigma": 1.0}])
@pytest.mark.parametrize("iid", [False, True])
def test_other_clients_change_nothing(samples: Any, iid: bool) -> None:
    few, many = (load(count, samples=samples, iid=iid) for count in (2, 5))
    for client in range(2):
        for one, other in zip(of_client(few, client), of_client(many, client), strict=True):
            assert torch.equal(one, other)
    held_out = len(few.test.labels)
    assert torch.equal(many.test.inputs[:held_out], few.test.inputs)
    assert not torch.equal(of_client(many, 0)[0][:5], of_client(many, 1)[0][:5])


def test_more_samples_are_added_to_those_there_were() -> None:
    few, many = load(1, samples=40), load(1, samples=80)
    rows = {row.tobytes() for row in everything(few).numpy()}
    assert rows < {row.tobytes() for row in everything(many).numpy()}
    # More to validate on leaves what is tested on as it was.
    assert torch.equal(load(1, validation_fraction=0.5).test.inputs, load(1).test.inputs)


def test_seeds_draw_other_data() -> None:
    assert load(data_seed=1).digest == load(data_seed=1).digest != load(data_seed=2).digest


def test_sizes_are_published_ones_with_an_end() -> None:
    task = load(300, samples={})
    sizes = counts(task) / 0.8
    assert sizes.min() == pytest.approx(50, abs=2) and sizes.max() == pytest.approx(1000, abs=2)
    # e^4 is the median of a lognormal of mu 4.
    assert np.median(sizes) == pytest.approx(50 + np.exp(4), rel=0.15)
    assert (counts(load(9, samples={"mu": 2.0, "sigma": 0.0})) == 45).all()
    assert (counts(load(9, samples={"mu": 5.0})) >= counts(load(9, samples={"mu": 4.0}))).all()


@pytest.mark.parametrize("shares", [(0.1, 0.1), (0.5, 0.4), (0.9, 0.05), (0.01, 0.98)])
@pytest.mark.parametrize("samples", [3, 4, 7, 100])
def test_every_client_trains_tests_and_validates(shares: tuple[float, float], samples: int) -> None:
    test, validation = shares
    task = load(2, samples=samples, test_fraction=test, validation_fraction=validation)
    sizes = [len(each.labels) // 2 for each in (task.test, task.validation, task)]
    assert sum(sizes) == samples and min(sizes) >= 1
    if samples == 100:
        assert sizes[:2] == [round(100 * test), round(100 * validation)]


def test_clients_are_judged_on_their_own_samples_up_to_a_hundred() -> None:
    outputs = torch.zeros(100, CLASSES)
    few, many = load(100, samples=3).test, load(101, samples=3).test
    assert "accuracy@99" in few.metrics([outputs], few.labels)
    found = many.metrics([torch.zeros(101, CLASSES)], many.labels)
    assert not any("@" in name for name in found)


def test_there_are_as_many_classes_as_asked_for() -> None:
    task = load(1, samples=3, classes=50, features=2)
    assert (task.outputs, task.input_shape) == (50, (2,))
    assert task.by_class and task.inputs.dtype == torch.float32


def test_many_clients_are_told_of() -> None:
    told: list[str] = []
    described(samples=3, features=1, classes=2).load(10_000, told.append)
    assert told == ["drawing the data of 10,000 clients"]


def test_an_alpha_that_changes_nothing_is_told_of() -> None:
    told: list[str] = []
    for settings in ({}, {"alpha": 1.0, "means": "class"}, {"alpha": 1.0}):
        described(**settings).load(2, told.append)
    assert told == ["task.alpha changes no label: it moves all classes alike, but for means: class"]


MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "negative alpha": ({"alpha": -1.0}, "alpha"),
    "endless beta": ({"beta": float("inf")}, "beta"),
    "huge alpha": ({"alpha": 1e9}, "alpha"),
    "skew of features in one problem": ({"iid": True, "beta": 0.5}, "0.5 beside iid: true"),
    "skew of models in one problem": ({"iid": True, "alpha": 0.5}, "0.5 beside iid: true"),
    "two samples": ({"samples": 2}, "samples"),
    "half a sample": ({"samples": 3.5}, "samples"),
    "samples in words": ({"samples": "many"}, "samples"),
    "no least size": ({"samples": {"minimum": 0}}, "minimum"),
    "sizes the wrong way round": (
        {"samples": {"minimum": 60, "maximum": 50}},
        "50 is less than the minimum; allowed: at least 60",
    ),
    "a misspelt size": ({"samples": {"mean": 4.0}}, "unknown key"),
    "negative sigma": ({"samples": {"sigma": -1.0}}, "sigma"),
    "no features": ({"features": 0}, "features"),
    "one class": ({"classes": 1}, "classes"),
    "too many classes": ({"classes": 10**6}, "classes"),
    "all held out": ({"test_fraction": 1.0}, "test_fraction"),
    "nothing left": (
        {"test_fraction": 0.5, "validation_fraction": 0.5},
        "0.5 beside a test_fraction of 0.5; allowed: less than 1 together",
    ),
    "unknown means": ({"means": "all"}, "means"),
    "a partition": ({"partition": {"kind": "iid"}}, "unknown key"),
    "a file": ({"path": "/data"}, "unknown key"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_what_can_not_be_is_refused(mistake: str) -> None:
    settings, what = MISTAKES[mistake]
    with pytest.raises(ValueError, match=what):
        described(**settings)


def test_more_than_any_machine_has_is_refused_before_it_is_drawn() -> None:
    with pytest.raises(Refusal, match=r"1,000,000,000 samples of 60 .*at most 4,294,967,296"):
        load(1000, samples=1_000_000)
