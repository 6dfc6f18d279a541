"""A module and its vector say the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from models.networks import CnnSettings, MlpSettings
from models.parameters import FlatModule

CPU = torch.device("cpu")
NETS = [MlpSettings(name="mlp", hidden=(5, 4)), CnnSettings(name="cnn")]


def flat(settings: Any) -> FlatModule:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return FlatModule(settings.build((1, 8, 8), 10), CPU)


@pytest.mark.parametrize("settings", NETS, ids=lambda settings: settings.name)
def test_a_vector_survives_the_way_into_a_module_and_back(settings: Any) -> None:
    one, other = flat(settings), flat(settings)
    vector = np.arange(one.length, dtype=np.float32)
    other.load(vector)
    assert np.array_equal(other.vector(), vector)
    assert other.vector().dtype == np.float32
    assert other.vector().flags.c_contiguous


@pytest.mark.parametrize("settings", NETS, ids=lambda settings: settings.name)
def test_the_vector_is_the_modules_state_in_the_modules_order(settings: Any) -> None:
    one = flat(settings)
    tensors = [*one.module.named_parameters(), *one.module.named_buffers()]
    stored = [tensor.permute(0, 2, 3, 1) if tensor.dim() == 4 else tensor for _, tensor in tensors]
    expected = torch.cat([tensor.detach().float().flatten() for tensor in stored])
    assert np.array_equal(one.vector(), expected.numpy())
    assert one.layout.names == tuple(name for name, _ in tensors)
    assert one.layout.shapes == tuple(tuple(tensor.shape) for _, tensor in tensors)
    assert set(one.layout.names) == set(one.module.state_dict())


@pytest.mark.parametrize("settings", NETS, ids=lambda settings: settings.name)
def test_flattening_keeps_a_networks_output(settings: Any) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        plain = settings.build((1, 8, 8), 10).eval()
    inputs = torch.linspace(0, 1, 3 * 64).reshape(3, 1, 8, 8)
    with torch.inference_mode():
        output = flat(settings).module.eval()(inputs)
        assert torch.allclose(plain(inputs), output, atol=1e-6)
        # To the bit, if it lies in memory in the same way.
        plain = plain.to(memory_format=torch.channels_last)
        assert torch.equal(plain(inputs), output)


def test_several_models_are_seen_as_each_of_them_is() -> None:
    one = flat(NETS[1])
    rows = torch.arange(2 * one.length, dtype=torch.float32).view(2, -1)
    views = one.layout.views
    for both, first, second in zip(views(rows), views(rows[0]), views(rows[1]), strict=True):
        assert torch.equal(both, torch.stack([first, second]))
        assert both.untyped_storage().data_ptr() == rows.untyped_storage().data_ptr()


@pytest.mark.parametrize("settings", NETS, ids=lambda settings: settings.name)
def test_a_vectors_tensors_are_the_state_of_a_fresh_module_and_give_it_back(settings: Any) -> None:
    one = flat(settings)
    vector = np.arange(one.length, dtype=np.float32) + np.float32(0.5)
    tensors = one.layout.tensors(vector)
    assert all(tensor.flags.c_contiguous for tensor in tensors.values())
    one.load(vector)
    state = one.module.state_dict()
    plain = settings.build((1, 8, 8), 10)
    plain.load_state_dict({name: torch.from_numpy(tensor) for name, tensor in tensors.items()})
    for name, tensor in plain.state_dict().items():
        assert torch.equal(tensor, state[name])
    assert np.array_equal(one.layout.vector(tensors), vector)


def test_tensors_of_another_network_are_refused() -> None:
    one, other = flat(NETS[0]), flat(MlpSettings(name="mlp", hidden=(4, 5)))
    tensors = other.layout.tensors(other.vector())
    with pytest.raises(ValueError, match="another network"):
        one.layout.vector(tensors)


def test_images_are_arranged_for_convolutions_only() -> None:
    images = torch.zeros(2, 3, 8, 8)
    assert flat(NETS[1]).arranged(images).is_contiguous(memory_format=torch.channels_last)
    assert flat(NETS[0]).arranged(images) is images


def test_counters_of_batch_normalisation_travel_with_the_vector() -> None:
    one, other = flat(NETS[1]), flat(NETS[1])
    for _ in range(3):
        one.module(torch.ones(2, 1, 8, 8))
    other.load(one.vector())
    assert other.module.state_dict()["1.num_batches_tracked"].item() == 3
    assert torch.equal(
        other.module.state_dict()["1.running_mean"], one.module.state_dict()["1.running_mean"]
    )


def test_a_returned_vector_is_its_callers_own() -> None:
    one = flat(NETS[0])
    vector = one.vector()
    kept = vector.copy()
    one.load(np.zeros(one.length, dtype=np.float32))
    assert np.array_equal(vector, kept)
    source = kept.copy()
    one.load(source)
    source[:] = 0
    assert np.array_equal(one.vector(), kept)


@pytest.mark.parametrize("shape", [(3,), (0,), (1, 374)])
def test_a_vector_of_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="the model has"):
        flat(NETS[0]).load(np.zeros(shape, dtype=np.float32))


@pytest.mark.parametrize("settings", NETS, ids=lambda settings: settings.name)
def test_parameters_come_first_in_the_vector_each_as_its_copy(settings: Any) -> None:
    one = flat(settings)
    of_parameters = one.of_parameters(one.vector())
    assert sum(tensor.numel() for tensor in of_parameters) == one.parameter_length
    assert (one.parameter_length == one.length) == (settings.name == "mlp")
    for tensor, parameter in zip(of_parameters, one.module.parameters(), strict=True):
        assert torch.equal(tensor, parameter)
        tensor += 1
        assert not torch.equal(tensor, parameter)
