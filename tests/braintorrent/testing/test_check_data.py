"""The checks of partitions and networks: ours pass them, and each that is wrong fails."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from braintorrent.testing import Broken, check_network, check_partition
from models.networks import ModelSettings
from models.partitions import PartitionSettings
from models.partitions.settings import Ints
from sim.record.errors import Refusal, ScenarioError
from tests.outside.forgetful import Forgetful
from tests.outside.turns import Turns


@pytest.mark.parametrize(
    ("kind", "settings"),
    [("iid", {}), ("dirichlet", {"alpha": 0.5}), ("quantity", {"alpha": 2.0}), (Turns, {})],
)
def test_partitions_of_ours(kind: Any, settings: dict[str, Any]) -> None:
    assert check_partition(kind, settings, deals=20) > 5


class Wrong(PartitionSettings):
    kind: str = "wrong"

    def deal(self, labels: Ints, clients: int, draws: np.random.Generator) -> list[Ints]:
        return self.amiss([np.arange(i, len(labels), clients) for i in range(clients)], labels)

    def amiss(self, parts: list[Ints], labels: Ints) -> list[Ints]:
        raise NotImplementedError("nothing is wrong here")


class Twice(Wrong):
    def amiss(self, parts: list[Ints], labels: Ints) -> list[Ints]:
        return [np.arange(len(labels)) for _ in parts]


class Dropping(Wrong):
    def amiss(self, parts: list[Ints], labels: Ints) -> list[Ints]:
        return [*parts[:-1], parts[-1][:-1]] if len(parts[-1]) > 1 else parts


class Short(Wrong):
    def amiss(self, parts: list[Ints], labels: Ints) -> list[Ints]:
        return [np.arange(len(labels))]


class Unsorted(Wrong):
    def amiss(self, parts: list[Ints], labels: Ints) -> list[Ints]:
        return [part[::-1] for part in parts]


class Empty(Wrong):
    def amiss(self, parts: list[Ints], labels: Ints) -> list[Ints]:
        return [np.arange(len(labels)), *(part[:0] for part in parts[1:])]


class Writing(Wrong):
    def amiss(self, parts: list[Ints], labels: Ints) -> list[Ints]:
        labels[0] += 1
        return parts


class Global(Wrong):
    def deal(self, labels: Ints, clients: int, draws: np.random.Generator) -> list[Ints]:
        order = np.random.default_rng().permutation(len(labels))
        return [np.sort(part) for part in np.array_split(order, clients)]


class Refusing(Wrong):
    def amiss(self, parts: list[Ints], labels: Ints) -> list[Ints]:
        raise Refusal("not today", "tomorrow")


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        (Twice, "exactly one"),
        (Dropping, "not each of"),
        (Short, "gives 1 parts for"),
        (Unsorted, "don't ascend"),
        (Empty, "are none"),
        (Writing, "changes the labels"),
        (Global, "deal otherwise"),
        (Refusing, "refused all of 10 deals"),
        (Wrong, r"test_check_data\.py:\d+: NotImplementedError: nothing is wrong here"),
    ],
)
def test_partitions_that_are_wrong(kind: type[Wrong], says: str) -> None:
    with pytest.raises(Broken, match=says):
        check_partition(kind, deals=10)


@pytest.mark.parametrize(
    ("kind", "settings", "shape"),
    [
        ("mlp", {}, (1, 8, 8)),
        ("cnn", {}, (1, 8, 8)),
        ("quicknat", {"filters": 2}, (1, 32, 32)),
        (Forgetful, {}, (8,)),
    ],
)
def test_networks_of_ours(kind: Any, settings: dict[str, Any], shape: tuple[int, ...]) -> None:
    assert check_network(kind, settings, input_shape=shape, outputs=3) > 100


def small(input_shape: tuple[int, ...], outputs: int, *, width: int = 4) -> nn.Module:
    return nn.Sequential(nn.Linear(input_shape[0], width), nn.ReLU(), nn.Linear(width, outputs))


def shapeless(outputs: int) -> nn.Module:
    return nn.Linear(3, outputs)


def test_a_function_that_gives_a_module_is_a_network() -> None:
    assert check_network(small, {"width": 2}, input_shape=(6,), outputs=3) == 6 * 2 + 2 + 2 * 3 + 3
    with pytest.raises(ScenarioError, match="^small: width: 'two' is not a whole number"):
        check_network(small, {"width": "two"}, input_shape=(6,), outputs=3)
    with pytest.raises(Refusal, match=r"shapeless can't take a batch \[2, 6\]: mat1"):
        check_network(shapeless, input_shape=(6,), outputs=3)
    with pytest.raises(Refusal, match="allowed: a function or class with a parameter `outputs`"):
        check_network(len, input_shape=(6,), outputs=3)  # type: ignore[arg-type]


class Net(ModelSettings):
    name: str = "net"

    def build(self, input_shape: tuple[int, ...], outputs: int) -> nn.Module:
        return nn.Sequential(nn.Linear(input_shape[0], outputs), self.last(outputs))

    def last(self, outputs: int) -> nn.Module:
        raise NotImplementedError("no last layer")


class Picky(Net):
    def last(self, outputs: int) -> nn.Module:
        raise Refusal("is too small", "more outputs")


def test_a_network_may_refuse_a_task() -> None:
    with pytest.raises(Refusal, match="is too small"):
        check_network(Picky, input_shape=(6,), outputs=3)


class Wide(Net):
    def last(self, outputs: int) -> nn.Module:
        return nn.Linear(outputs, outputs + 1)


class Infinite(Net):
    def last(self, outputs: int) -> nn.Module:
        return Times(torch.inf)


class Dead(Net):
    def last(self, outputs: int) -> nn.Module:
        return Times(0.0)


class Restless(Net):
    def last(self, outputs: int) -> nn.Module:
        return Times(float(np.random.default_rng().random()) + 1.0)


class Times(nn.Module):
    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.factor * x


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        (Wide, r"a batch \[4, 6\] becomes \[4, 4\], not \[4, 3\]"),
        (Infinite, "the gradient of 0.weight is not finite"),
        (Dead, "there is nothing to learn"),
        (Restless, "it has other weights"),
        (Net, r"test_check_data\.py:\d+: NotImplementedError: no last layer"),
    ],
)
def test_networks_that_are_wrong(kind: type[Net], says: str) -> None:
    with pytest.raises(Broken, match=says):
        check_network(kind, input_shape=(6,), outputs=3)
