"""The loss is its formula, its weights come from all labels, and nothing is ever infinite."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from models.tasks.segmentation import Weights, at_boundary, segmentation_loss, weights

LABELS = torch.tensor([[[0, 0, 0, 0], [0, 0, 0, 0], [1, 1, 0, 0], [1, 1, 0, 3]]])


def random_output(labels: torch.Tensor, classes: int) -> torch.Tensor:
    samples, height, width = labels.shape
    draws = torch.Generator().manual_seed(0)
    return torch.randn(samples, classes, height, width, generator=draws)


def test_the_boundary_is_on_both_sides_of_every_change() -> None:
    expected = [[0, 0, 0, 0], [1, 1, 0, 0], [1, 1, 1, 1], [0, 1, 1, 1]]
    assert at_boundary(LABELS).int().tolist() == [expected]


def test_weights_worked_out_by_hand() -> None:
    found = weights(LABELS, 4)
    # Frequencies 11/16, 4/16, none, 1/16, their median 4/16; nine pixels lie at a boundary.
    classes, boundary = torch.tensor([4 / 11, 1.0, 0.0, 4.0]), 2 * 4 / 1
    mean = (11 * 4 / 11 + 4 * 1 + 1 * 4 + 9 * boundary) / 16
    assert torch.allclose(found.classes, classes / mean)
    assert found.boundary == pytest.approx(boundary / mean)


def test_weights_have_mean_one_over_the_pixels() -> None:
    found = weights(LABELS, 4)
    pixels = found.classes[LABELS] + found.boundary * at_boundary(LABELS)
    assert pixels.mean().item() == pytest.approx(1)


def test_the_loss_is_its_formula() -> None:
    output, found = random_output(LABELS, 4), weights(LABELS, 4)
    p = output.softmax(1)[0]
    entropy, dice = 0.0, []
    for row in range(4):
        for column in range(4):
            label = int(LABELS[0, row, column])
            weight = found.classes[label] + found.boundary * at_boundary(LABELS)[0, row, column]
            entropy -= float(weight * p[label, row, column].log()) / 16
    for label in (0, 1, 3):
        truth = (LABELS[0] == label).float()
        dice.append(float(2 * (p[label] * truth).sum() / ((p[label] ** 2).sum() + truth.sum())))
    expected = entropy + 1 - sum(dice) / 3
    assert segmentation_loss(output, LABELS, found).item() == pytest.approx(expected, rel=1e-5)


def test_layout_changes_nothing_but_rounding() -> None:
    output, found = random_output(LABELS, 4), weights(LABELS, 4)
    loss = segmentation_loss(output, LABELS, found)
    last = segmentation_loss(output.contiguous(memory_format=torch.channels_last), LABELS, found)
    assert torch.allclose(loss, last)


def test_certainty_of_the_truth_costs_nothing() -> None:
    output = 60.0 * torch.nn.functional.one_hot(LABELS, 4).permute(0, 3, 1, 2)
    assert segmentation_loss(output, LABELS, weights(LABELS, 4)).item() == pytest.approx(
        0, abs=1e-6
    )


@pytest.mark.parametrize("scale", [1.0, 1e4])
@pytest.mark.parametrize("labels", [LABELS, torch.zeros_like(LABELS)], ids=["some", "background"])
def test_loss_and_gradient_are_finite(labels: torch.Tensor, scale: float) -> None:
    # Where a softmax underflows, a class that is not there would divide nothing by nothing.
    output = (scale * random_output(labels, 4)).requires_grad_()
    loss = segmentation_loss(output, labels, weights(labels, 4))
    (gradient,) = torch.autograd.grad(loss, output)
    assert loss.isfinite()
    assert gradient.isfinite().all()


def test_a_gradient_points_to_the_truth() -> None:
    output = torch.zeros(1, 4, 4, 4, requires_grad=True)
    (gradient,) = torch.autograd.grad(segmentation_loss(output, LABELS, weights(LABELS, 4)), output)
    assert (gradient.argmin(dim=1) == LABELS).all()


@pytest.fixture
def deterministic() -> Iterator[None]:
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.usefixtures("deterministic")
def test_it_runs_where_only_deterministic_algorithms_may() -> None:
    cuda = torch.device("cuda")
    output = random_output(LABELS, 4).to(cuda).requires_grad_()
    loss = segmentation_loss(output, LABELS.to(cuda), Weights(torch.ones(4), 1.0))
    torch.autograd.grad(loss, output)
