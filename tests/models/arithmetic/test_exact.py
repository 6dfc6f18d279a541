"""One local round: a pure function, and the same bits as a plain torch loop."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from models.arithmetic.exact import batches, fine_tune
from models.bits import generator
from models.networks import CnnSettings, MlpSettings
from models.parameters import FlatModule, Vector
from models.training import TrainingSettings, steps_per_round

SAMPLES = 43
MLP = MlpSettings(name="mlp", hidden=(17,))
CNN = CnnSettings(name="cnn", channels=(3, 5))

Optimizer = Callable[[Any, float], torch.optim.Optimizer]


def settings(optimizer: str = "sgd", **changes: Any) -> TrainingSettings:
    values = {"learning_rate": 0.05, "batch_size": 8, "local_epochs": 2, "weight_decay": 0.01}
    if "local_steps" in changes:
        del values["local_epochs"]
    return TrainingSettings(**{"optimizer": optimizer, **values, **changes})


def data(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    draws = np.random.default_rng(seed)
    images = draws.random((SAMPLES, 1, 8, 8), dtype=np.float32)
    return torch.from_numpy(images), torch.from_numpy(draws.integers(10, size=SAMPLES))


def network(model: Any) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        built: nn.Module = model.build((1, 8, 8), 10)
    return built


def trained(
    flat: FlatModule,
    base: Vector,
    training: TrainingSettings,
    local_round: int = 1,
    seed: int = 0,
    correction: Vector | None = None,
) -> bytes:
    inputs, labels = data(seed)
    flat.load(base)
    order = generator(7, "batches", 0, local_round)
    inputs = flat.arranged(inputs)
    added = () if correction is None else flat.of_parameters(correction)
    fine_tune(flat.module, inputs, labels, functional.cross_entropy, training, order, added)
    return flat.vector().tobytes()


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam"])
@pytest.mark.parametrize("model", [MLP, CNN], ids=lambda each: each.name)
def test_same_bits_whatever_ran_before(model: Any, optimizer: str) -> None:
    training = settings(optimizer)
    flat = FlatModule(network(model), torch.device("cpu"))
    base = flat.vector()
    first = trained(flat, base, training)
    assert first != base.tobytes()
    # Other data, order and optimiser on the same module leave no trace.
    assert trained(flat, base, settings("adam", learning_rate=0.3), 2, seed=9) != first
    flat.module.eval()
    assert trained(flat, base, training) == first
    assert trained(flat, base, training, local_round=2) != first


OPTIMIZERS: dict[str, Optimizer] = {
    "sgd": lambda p, decay: torch.optim.SGD(p, lr=0.05, weight_decay=decay),
    "momentum": lambda p, decay: torch.optim.SGD(p, lr=0.05, momentum=0.9, weight_decay=decay),
    "adam": lambda p, decay: torch.optim.Adam(p, lr=0.05, weight_decay=decay),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("decay", [0.0, 0.01])
@pytest.mark.parametrize("model", [MLP, CNN], ids=lambda each: each.name)
def test_equals_a_plain_torch_loop_bit_for_bit(model: Any, decay: float, name: str) -> None:
    flat = FlatModule(network(model), torch.device("cpu"))
    ours = trained(flat, flat.vector(), settings(name, weight_decay=decay))

    # The layout of `arranged`; a dense network has no weights that it concerns.
    plain = network(model).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    inputs, labels = data()
    inputs = inputs.contiguous(memory_format=torch.channels_last)
    stepper = OPTIMIZERS[name](plain.parameters(), decay)
    order = generator(7, "batches", 0, 1)
    for _ in range(2):
        shuffled = order.permutation(SAMPLES)
        for start in range(0, SAMPLES, 8):
            batch = shuffled[start : start + 8]
            stepper.zero_grad()
            torch.autograd.backward(functional.cross_entropy(plain(inputs[batch]), labels[batch]))
            stepper.step()
    state = [*plain.parameters(), *plain.buffers()]
    stored = [tensor.permute(0, 2, 3, 1) if tensor.dim() == 4 else tensor for tensor in state]
    theirs = torch.cat([tensor.detach().to(torch.float32).flatten() for tensor in stored])
    assert ours == theirs.numpy().tobytes()


def joined(tensors: Iterable[torch.Tensor]) -> torch.Tensor:
    return torch.cat([tensor.reshape(-1) for tensor in tensors])


def plainly_steered(
    model: Any, optimizer: Optimizer, mu: float, correction: torch.Tensor | None
) -> Vector:
    """A plain loop of the loss plus mu / 2 |w - w_start|^2, and the inner product w . c."""
    plain = network(model).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    inputs, labels = data()
    inputs = inputs.contiguous(memory_format=torch.channels_last)
    stepper, order = optimizer(plain.parameters(), 0.01), generator(7, "batches", 0, 1)
    start = joined(plain.parameters()).detach().clone()
    for _ in range(2):
        for batch in torch.split(torch.from_numpy(order.permutation(SAMPLES)), 8):
            stepper.zero_grad()
            loss = functional.cross_entropy(plain(inputs[batch]), labels[batch])
            loss = loss + mu / 2 * ((joined(plain.parameters()) - start) ** 2).sum()
            if correction is not None:
                loss = loss + joined(plain.parameters()) @ correction
            torch.autograd.backward(loss)
            stepper.step()
    return FlatModule(plain, torch.device("cpu")).vector()


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam"])
@pytest.mark.parametrize("model", [MLP, CNN], ids=lambda each: each.name)
def test_proximal_is_a_penalty_on_the_way_from_the_first_model(model: Any, optimizer: str) -> None:
    flat = FlatModule(network(model), torch.device("cpu"))
    base = flat.vector()
    # So strong that it holds the model back by more than rounding.
    ours = np.frombuffer(trained(flat, base, settings(optimizer, proximal=5.0)), np.float32)
    theirs = plainly_steered(model, OPTIMIZERS[optimizer], 5.0, None)
    assert np.allclose(ours, theirs, rtol=1e-4, atol=1e-5)
    free = np.frombuffer(trained(flat, base, settings(optimizer)), np.float32)
    count = flat.parameter_length
    assert np.abs(ours - free)[:count].max() > 1e-2
    # To adam, which steps as far whatever the gradient's size, it says only where to.
    if optimizer != "adam":
        assert np.linalg.norm((ours - base)[:count]) < np.linalg.norm((free - base)[:count])


@pytest.mark.parametrize("model", [MLP, CNN], ids=lambda each: each.name)
def test_proximal_zero_changes_no_bit(model: Any) -> None:
    flat = FlatModule(network(model), torch.device("cpu"))
    base = flat.vector()
    assert trained(flat, base, settings(proximal=0.0)) == trained(flat, base, settings())
    once = settings(local_steps=1)
    pulled = settings(local_steps=1, proximal=3.0)
    assert trained(flat, base, pulled) == trained(flat, base, once)


@pytest.mark.parametrize("mu", [0.0, 0.5])
@pytest.mark.parametrize("model", [MLP, CNN], ids=lambda each: each.name)
def test_a_correction_is_added_to_each_gradient(model: Any, mu: float) -> None:
    flat = FlatModule(network(model), torch.device("cpu"))
    base = flat.vector()
    draws = np.random.default_rng(1)
    way = (0.1 * draws.standard_normal(flat.length)).astype(np.float32)
    ours = trained(flat, base, settings(proximal=mu), correction=way)
    theirs = plainly_steered(model, OPTIMIZERS["sgd"], mu, joined(flat.of_parameters(way)))
    assert np.allclose(np.frombuffer(ours, np.float32), theirs, rtol=1e-4, atol=1e-5)
    assert ours != trained(flat, base, settings(proximal=mu))


def test_global_random_state_is_neither_read_nor_touched() -> None:
    flat = FlatModule(network(CNN), torch.device("cpu"))
    base = flat.vector()
    before = torch.random.get_rng_state()
    with torch.random.fork_rng(devices=[]):
        first = trained(flat, base, settings("adam"))
        assert torch.equal(torch.random.get_rng_state(), before)
        torch.manual_seed(99)
        assert trained(flat, base, settings("adam")) == first


@pytest.mark.parametrize("samples", [1, 7, 8, 9, 43])
@pytest.mark.parametrize(
    "length", [{"local_epochs": 1}, {"local_epochs": 3}, {"local_steps": 1}, {"local_steps": 13}]
)
def test_steps_per_round_is_the_number_of_batches(samples: int, length: dict[str, Any]) -> None:
    training = settings(**length)
    drawn = list(batches(samples, training, generator(1, "batches")))
    assert len(drawn) == steps_per_round(samples, training)
    assert all(1 <= len(batch) <= 8 for batch in drawn)
    if "local_epochs" in length:
        seen = np.bincount(torch.cat(drawn).numpy(), minlength=samples)
        assert seen.tolist() == [length["local_epochs"]] * samples


def test_epochs_come_in_different_orders() -> None:
    drawn = torch.cat(list(batches(SAMPLES, settings(), generator(1, "batches"))))
    assert drawn[:SAMPLES].tolist() != drawn[SAMPLES:].tolist()
