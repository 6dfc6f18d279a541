"""Server optimisers over several rounds, against the papers' formulas in double precision."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import pytest
from pydantic import ValidationError

from sim.compute import Lineage, ModelRef
from sim.protocols.shared.server_optimizers import (
    SERVER_OPTIMIZERS,
    Memory,
    Momentum,
    ServerOptimizer,
)
from sim.record.settings import OneOf, Settings
from tests.sim.compute.small import at_work, unused

Doubles = npt.NDArray[np.float64]
Reference = Callable[[Sequence[float]], list[float]]
# In each round clients 0 and 1 train the global model and add 1 and 2 to it, or are corrected to
# do more: the mean is it and 1.5, 2.25, ... So d is known, and differs from round to round.
ROUNDS = 5
D = [1.5 * 1.5**number for number in range(ROUNDS)]


class Holder(Settings):
    optimizer: Annotated[ServerOptimizer, OneOf(SERVER_OPTIMIZERS)]


def optimizer(kind: str, **settings: float) -> ServerOptimizer:
    return Holder.model_validate({"optimizer": {"kind": kind, **settings}}).optimizer


def momentum(rate: float, beta: float) -> Iterator[float]:
    """FedAvgM of Hsu et al. 2019: v <- beta v + d, x <- x + rate v."""
    x = v = 0.0
    for d in D:
        v = beta * v + d
        x += rate * v
        yield x


def adaptive(
    is_yogi: bool, rate: float = 0.1, beta_1: float = 0.9, beta_2: float = 0.99, tau: float = 1e-3
) -> Iterator[float]:
    """Algorithm 2 of Reddi et al. 2021, with v_{-1} = tau^2."""
    x, m, v = 0.0, 0.0, tau**2
    for d in D:
        m = beta_1 * m + (1 - beta_1) * d
        if is_yogi:
            v = v - (1 - beta_2) * d**2 * np.sign(v - d**2)
        else:
            v = beta_2 * v + (1 - beta_2) * d**2
        x += rate * m / (v**0.5 + tau)
        yield x


def mean_of(lineage: Lineage, model: ModelRef, number: int) -> ModelRef:
    """Of two updates, `D[number]` away from the model."""
    more = lineage.direction((lineage.trained(lineage.initial(), 0, 0),), (D[number] - 1.5,))
    updates = tuple(lineage.trained(model, client, number, more) for client in (0, 1))
    return lineage.combined(updates, (0.5, 0.5))


def rounds(lineage: Lineage, settings: ServerOptimizer) -> Iterator[tuple[ModelRef, Memory]]:
    model, memory = lineage.initial(), Memory()
    for number in range(ROUNDS):
        model, memory = settings.step(lineage, model, mean_of(lineage, model, number), memory)
        yield model, memory


def parameters(settings: ServerOptimizer) -> list[float]:
    """The one parameter of each round's global model."""

    async def scene() -> list[float]:
        async with at_work() as (graph, _, _):
            models = [model for model, _ in rounds(Lineage(graph, None, "n"), settings)]
            return [float((await graph.vector(model))[0]) for model in models]

    return asyncio.run(scene())


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (optimizer("average"), momentum(1.0, 0.0)),
        (optimizer("momentum"), momentum(1.0, 0.9)),
        (optimizer("momentum", learning_rate=0.5, momentum=0.3), momentum(0.5, 0.3)),
        (optimizer("momentum", learning_rate=2.0), momentum(2.0, 0.9)),
        (optimizer("adam"), adaptive(False)),
        (optimizer("adam", beta_1=0.0, beta_2=0.5, tau=1.0), adaptive(False, 0.1, 0.0, 0.5, 1.0)),
        (optimizer("yogi"), adaptive(True)),
        (optimizer("yogi", learning_rate=1.0, beta_2=0.5), adaptive(True, 1.0, 0.9, 0.5)),
    ],
    ids=lambda value: str(value) if isinstance(value, ServerOptimizer) else "",
)
def test_five_rounds_follow_the_paper(settings: ServerOptimizer, expected: Iterator[float]) -> None:
    assert parameters(settings) == pytest.approx(list(expected), rel=1e-6)


def test_without_momentum_and_at_rate_1_it_is_the_average_itself() -> None:
    lineage = unused()
    plain = optimizer("momentum", momentum=0.0)
    model = lineage.initial()
    for number in range(3):
        mean = mean_of(lineage, model, number)
        assert plain.step(lineage, model, mean, ()) == (mean, ())
        assert optimizer("average").step(lineage, model, mean, ()) == (mean, ())
        model = mean


def test_momentum_weighs_the_model_before_and_leaves_out_what_weighs_nothing() -> None:
    lineage = unused()
    model = lineage.trained(lineage.initial(), 0, 0)
    before, mean = lineage.initial(), lineage.trained(model, 1, 1)
    settings = Momentum(kind="momentum", learning_rate=0.5, momentum=0.25)
    following, memory = settings.step(lineage, model, mean, (before,))
    assert memory == (model,)
    assert following is lineage.combined((model, mean, before), (0.75, 0.5, -0.25))
    first, _ = settings.step(lineage, model, mean, ())
    assert first is lineage.combined((model, mean), (0.5, 0.5))
    whole = Momentum(kind="momentum", learning_rate=1.25, momentum=0.25)
    assert whole.step(lineage, model, mean, (before,))[0] is lineage.combined(
        (mean, before), (1.25, -0.25)
    )


def test_equal_steps_are_one_operation_and_others_are_not() -> None:
    lineage = unused()
    kinds = ("average", "momentum", "adam", "yogi")
    last = [list(rounds(lineage, optimizer(kind)))[-1] for kind in (*kinds, *kinds)]
    assert last[:4] == last[4:]
    assert len({model.name for model, _ in last}) == 4
    # Of one mean FedAdam and FedYogi have the same first moment, and other squares.
    model = lineage.initial()
    mean = mean_of(lineage, model, 0)
    (_, adam), (_, yogi) = (
        optimizer(kind).step(lineage, model, mean, ()) for kind in ("adam", "yogi")
    )
    assert adam[0] is yogi[0] and adam[1] is not yogi[1]


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("momentun", "is not known here, did you mean momentum?; allowed: average, momentum, adam"),
        ({"kind": "momentum", "momentum": 1.0}, "less than 1"),
        ({"kind": "momentum", "learning_rate": 0.0}, "greater than 0"),
        ({"kind": "adam", "beta_1": -0.1}, "greater than or equal to 0"),
        ({"kind": "yogi", "tau": 0.0}, "greater than 0"),
        ({"kind": "average", "learning_rate": 1.0}, "unknown key"),
    ],
)
def test_what_cannot_be_is_refused(written: Any, why: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Holder.model_validate({"optimizer": written})
    assert why in str(refused.value)


def test_a_name_alone_stands_for_the_usual_settings() -> None:
    for kind in SERVER_OPTIMIZERS:
        assert Holder.model_validate({"optimizer": kind}).optimizer == optimizer(kind)
