"""Networks as functions compute what the module does, not a bit of what is masked, and optimisers
as functions follow torch.optim's formulas.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import pytest
import torch
from torch import nn
from torch.func import functional_call

from models.arithmetic.functions import (
    RULES,
    Tensors,
    corrections,
    hyperparameters,
    network,
    rule_for,
    unknown,
    work,
)
from models.networks import CnnSettings, MlpSettings
from models.training import TrainingSettings

NETS = [MlpSettings(name="mlp", hidden=(17, 5)), CnnSettings(name="cnn", channels=(3, 5))]
SAMPLES, WIDTH = 11, 16
STEPS = 7
Optimizer = Literal["sgd", "momentum", "adam"]


def module(settings: Any) -> nn.Sequential:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(4)
        built = settings.build((1, 8, 8), 10)
    assert isinstance(built, nn.Sequential)
    return built.train()


def batch() -> torch.Tensor:
    draws = torch.Generator().manual_seed(1)
    return torch.randn(WIDTH, 1, 8, 8, generator=draws)


def functional(of: nn.Sequential, inputs: torch.Tensor) -> tuple[torch.Tensor, Tensors]:
    mask = (torch.arange(WIDTH) < SAMPLES).float()
    buffers = tuple(buffer.float() for buffer in of.buffers())
    output, after = network(of)(tuple(of.parameters()), buffers, inputs, mask)
    return output[:SAMPLES], after


@pytest.mark.parametrize("settings", NETS, ids=lambda settings: settings.name)
def test_a_function_gives_what_the_module_gives_and_the_same_statistics(settings: Any) -> None:
    inputs = batch()
    output, after = functional(module(settings), inputs)
    plain = module(settings)
    assert torch.allclose(output, plain(inputs[:SAMPLES]), atol=1e-5)
    for ours, theirs in zip(after, plain.buffers(), strict=True):
        assert torch.allclose(ours, theirs.float(), atol=1e-6)


@pytest.mark.parametrize("settings", NETS, ids=lambda settings: settings.name)
def test_gradients_are_the_modules(settings: Any) -> None:
    ours, plain, inputs = module(settings), module(settings), batch()
    mine = torch.autograd.grad(functional(ours, inputs)[0].square().sum(), [*ours.parameters()])
    theirs = torch.autograd.grad(plain(inputs[:SAMPLES]).square().sum(), [*plain.parameters()])
    for one, other in zip(mine, theirs, strict=True):
        assert torch.allclose(one, other, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("settings", NETS, ids=lambda settings: settings.name)
def test_masked_samples_change_no_bit(settings: Any) -> None:
    inputs, other = batch(), batch()
    other[SAMPLES:] = 7.0
    first, after = functional(module(settings), inputs)
    second, changed = functional(module(settings), other)
    assert torch.equal(first, second)
    assert all(torch.equal(one, two) for one, two in zip(after, changed, strict=True))


def test_odd_sides_are_pooled_as_the_module_does() -> None:
    net = nn.Sequential(nn.MaxPool2d(2))
    inputs = torch.randn(WIDTH, 2, 7, 5, generator=torch.Generator().manual_seed(2))
    output, _ = functional(net, inputs)
    assert torch.equal(output, functional_call(net, {}, inputs[:SAMPLES]))


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(1, 2, 3, stride=2),
        nn.Conv2d(2, 2, 3, groups=2),
        nn.Conv2d(1, 2, 3, padding="same"),
        nn.Conv2d(1, 2, 3, bias=False),
        nn.Conv2d(1, 2, 3, padding=1, padding_mode="reflect"),
        nn.BatchNorm2d(2, affine=False),
        nn.BatchNorm2d(2, momentum=None),
        nn.MaxPool2d(3),
        nn.MaxPool2d(2, ceil_mode=True),
        nn.Linear(3, 2, bias=False),
        nn.Flatten(0),
        nn.Dropout(),
    ],
    ids=str,
)
def test_what_has_no_form_here_is_named(layer: nn.Module) -> None:
    assert unknown(nn.Sequential(nn.ReLU(), layer)) == str(layer)


def test_what_has_one_is_known_and_a_module_that_is_no_sequence_is_not() -> None:
    assert all(unknown(module(settings)) is None for settings in NETS)
    assert unknown(nn.Linear(3, 2)) == "Linear"


def test_work_counts_the_multiplications_of_the_products() -> None:
    assert work(module(NETS[0]), batch()[:1]) == 64 * 17 + 17 * 5 + 5 * 10
    convolutions = 64 * 3 * 9 + 16 * 5 * 3 * 9
    assert work(module(NETS[1]), batch()[:1]) == convolutions + 5 * 4 * 10


@pytest.mark.parametrize(
    ("name", "build"),
    [
        ("sgd", lambda p: torch.optim.SGD(p, lr=0.05, weight_decay=0.01)),
        ("momentum", lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.8, weight_decay=0.01)),
        ("adam", lambda p: torch.optim.Adam(p, lr=0.05, weight_decay=0.01)),
    ],
)
def test_a_rule_follows_torch_over_several_steps(
    name: Optimizer, build: Callable[[list[torch.Tensor]], torch.optim.Optimizer]
) -> None:
    settings = TrainingSettings(
        optimizer=name,
        learning_rate=0.05,
        momentum=0.8,
        weight_decay=0.01,
        batch_size=1,
        local_steps=STEPS,
    )
    draws = torch.Generator().manual_seed(0)
    weight = torch.randn(5, 3, generator=draws)
    theirs = weight.clone().requires_grad_()
    optimizer = build([theirs])
    rule = RULES[name]
    memory = (torch.zeros_like(weight),) * rule.memory
    hyper, correction = torch.tensor(hyperparameters(settings)), torch.tensor(corrections(STEPS))
    for step in range(STEPS):
        gradient = torch.randn(5, 3, generator=draws)
        weight, memory = rule.step(weight, gradient, memory, hyper, correction[step])
        theirs.grad = gradient
        optimizer.step()
        assert torch.allclose(weight, theirs, rtol=1e-5, atol=1e-6)
    assert len(memory) == rule.memory


@pytest.mark.parametrize("name", ["sgd", "momentum", "adam"])
def test_an_anchored_rule_steps_as_along_a_gradient_with_the_pull(name: Optimizer) -> None:
    values: dict[str, Any] = {"learning_rate": 0.05, "weight_decay": 0.01, "batch_size": 1}
    plain = TrainingSettings(optimizer=name, local_steps=STEPS, **values)
    pulled = plain.model_copy(update={"proximal": 0.3})
    assert not rule_for(plain).is_anchored
    rule, anchored = RULES[name], rule_for(pulled)
    draws = torch.Generator().manual_seed(0)
    start = torch.randn(5, 3, generator=draws)
    theirs, ours = start, start
    memory = (torch.zeros_like(start),) * rule.memory
    anchored_memory = (*memory, start)
    hyper, four = torch.tensor(hyperparameters(plain)), torch.tensor(hyperparameters(pulled))
    for correction in torch.tensor(corrections(STEPS)):
        gradient = torch.randn(5, 3, generator=draws)
        wanted = gradient + 0.3 * (theirs - start)
        theirs, memory = rule.step(theirs, wanted, memory, hyper, correction)
        ours, anchored_memory = anchored.step(ours, gradient, anchored_memory, four, correction)
        assert torch.allclose(ours, theirs, rtol=1e-5, atol=1e-6)
    assert torch.equal(anchored_memory[-1], start)
    assert len(anchored_memory) == rule.memory + 1


def test_corrections_keep_their_digits() -> None:
    first, last = corrections(10_000)[[0, -1]]
    assert first == pytest.approx([10.0, 1 / 0.001**0.5], rel=1e-6)
    assert last == pytest.approx([1.0, 1 / (1 - 0.999**10_000) ** 0.5], rel=1e-6)
