"""Groups of rounds: each member's result is its own, whoever stands beside it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch

from models import learner
from models.arithmetic import batched
from models.arithmetic.batched import Member, Plan, State
from models.arithmetic.exact import batches
from models.arithmetic.functions import RULES
from models.bits import generator
from models.learner import (
    GROUP_LIMIT,
    Learner,
    LearnerSpec,
    TrainingJob,
    trained_together,
)
from models.networks import CnnSettings, MlpSettings
from models.parameters import FlatModule, Vector
from models.partitions import DirichletSettings
from models.tasks import DigitsSettings
from models.training import ALL_CLIENTS, TrainingSettings
from sim.record.errors import Refusal

Optimizer = Literal["sgd", "momentum", "adam"]
MLP = MlpSettings(name="mlp", hidden=(16,))
CNN = CnnSettings(name="cnn", channels=(3, 5))
ROOT = Path(__file__).parents[3]
CPU = torch.device("cpu")


@pytest.fixture
def uncompiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same steps without a compiler: what is computed is not its affair."""
    monkeypatch.setattr(learner, "_GROUPS", {})
    monkeypatch.setattr(batched, "compiled", lambda step: step)


def spec(
    model: MlpSettings | CnnSettings = MLP,
    arithmetic: Literal["exact", "batched"] = "batched",
    optimizer: Optimizer = "sgd",
    seed: int = 0,
    data_seed: int = 0,
    **training: Any,
) -> LearnerSpec:
    values = {"learning_rate": 0.02, "weight_decay": 0.01, "batch_size": 24, "local_epochs": 1}
    partition = DirichletSettings(kind="dirichlet", alpha=0.3)
    return LearnerSpec(
        DigitsSettings(name="digits", partition=partition, data_seed=data_seed),
        model,
        TrainingSettings(optimizer=optimizer, arithmetic=arithmetic, **{**values, **training}),
        10,
        seed,
    )


def jobs(of: Learner, count: int) -> list[TrainingJob]:
    """Rounds of different clients and lengths, the pooled one among them."""
    base = of.initial()
    return [(of, base, ALL_CLIENTS if i == 3 else i % 10, i) for i in range(count)]


def bits(models: Sequence[Vector]) -> list[bytes]:
    return [model.tobytes() for model in models]


@pytest.mark.usefixtures("uncompiled")
@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam"])
@pytest.mark.parametrize("model", [MLP, CNN], ids=lambda model: model.name)
def test_both_bit_classes_compute_the_same_but_for_rounding(
    model: MlpSettings | CnnSettings, optimizer: Optimizer
) -> None:
    # So small a rate that no rounding decides which side of a kink a sample falls on.
    rate: dict[str, Any] = {"learning_rate": 1e-4, "local_epochs": None, "local_steps": 6}
    group = jobs(Learner(spec(model, "batched", optimizer, **rate)), 6)
    alone = Learner(spec(model, "exact", optimizer, **rate))
    for job, result in zip(group, trained_together(group), strict=True):
        plain = alone.trained(*job[1:])
        assert np.allclose(result, plain, rtol=1e-4, atol=2e-5)
        assert not np.array_equal(result, job[1])


@pytest.mark.usefixtures("uncompiled")
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_proximal_is_the_same_in_both_bit_classes(optimizer: Optimizer) -> None:
    values: dict[str, Any] = {"learning_rate": 0.01, "local_epochs": None, "local_steps": 6}
    free, pulled = (
        Learner(spec(MLP, "batched", optimizer, **values, proximal=mu)) for mu in (0.0, 10.0)
    )
    alone = Learner(spec(MLP, "exact", optimizer, **values, proximal=10.0))
    group = jobs(pulled, 6)
    for job, result in zip(group, trained_together(group), strict=True):
        assert np.allclose(result, alone.trained(*job[1:]), rtol=1e-4, atol=2e-5)
        assert not np.allclose(result, trained_together([(free, *job[1:])])[0], atol=1e-3)


@pytest.mark.usefixtures("uncompiled")
def test_rounds_with_and_without_a_proximal_term_are_trained_apart() -> None:
    free, pulled, harder = (Learner(spec(proximal=mu)) for mu in (0.0, 0.1, 20.0))
    assert pulled.group is harder.group is not free.group
    with pytest.raises(ValueError, match="can't be trained in one group"):
        trained_together([jobs(free, 1)[0], jobs(pulled, 1)[0]])
    together = trained_together([jobs(pulled, 1)[0], jobs(harder, 1)[0]])
    for of, found in zip((pulled, harder), together, strict=True):
        assert np.allclose(found, trained_together(jobs(of, 1))[0], atol=1e-5)
    assert not np.allclose(together[0], together[1], atol=1e-3)


def test_batched_arithmetic_takes_no_correction() -> None:
    of = Learner(spec())
    with pytest.raises(Refusal, match="which batched arithmetic can't; allowed: training.arith"):
        of.trained(of.initial(), 0, 0, of.initial())


@pytest.mark.usefixtures("uncompiled")
def test_a_group_keeps_the_order_in_which_it_was_asked() -> None:
    of = Learner(spec())
    steps = of.steps
    assert len(set(steps)) > 2, "the members must differ in length"
    group = jobs(of, 7)
    together = trained_together(group)
    for job, result in zip(group, together, strict=True):
        assert np.allclose(result, trained_together([job])[0], atol=1e-5)


@pytest.mark.usefixtures("uncompiled")
def test_learners_of_other_seeds_share_a_group_and_others_do_not() -> None:
    one, other = Learner(spec()), Learner(spec(seed=1, learning_rate=0.1, local_epochs=2))
    together = trained_together([jobs(one, 1)[0], jobs(other, 1)[0]])
    assert np.allclose(together[1], trained_together(jobs(other, 1))[0], atol=1e-5)
    for different in (spec(CNN), spec(optimizer="adam"), spec(batch_size=8)):
        with pytest.raises(ValueError, match="can't be trained in one group"):
            trained_together([jobs(one, 1)[0], jobs(Learner(different), 1)[0]])
    with pytest.raises(ValueError, match="can't be trained in one group"):
        trained_together(jobs(Learner(spec(arithmetic="exact")), 2))


@pytest.mark.usefixtures("uncompiled")
def test_learners_of_other_data_share_a_group_and_each_sees_its_own() -> None:
    one, other = Learner(spec()), Learner(spec(data_seed=1))
    assert one.group is other.group
    asked = [jobs(one, 2)[0], jobs(other, 2)[0], jobs(one, 2)[1], jobs(other, 2)[1]]
    alone = [trained_together([job])[0] for job in asked]
    for model, expected in zip(trained_together(asked), alone, strict=True):
        assert np.allclose(model, expected, atol=1e-5)
    assert not np.allclose(alone[0], alone[1], atol=1e-3)


@pytest.mark.usefixtures("uncompiled")
def test_learners_whose_losses_differ_are_trained_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = Learner(spec()), Learner(spec(data_seed=1))

    def doubled(output: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return 2 * torch.nn.functional.cross_entropy(output, labels, reduction="none")

    load = DigitsSettings.load
    monkeypatch.setattr(learner, "_LOADED", {})
    monkeypatch.setattr(
        DigitsSettings,
        "load",
        lambda settings, *rest: replace(load(settings, *rest), losses=doubled),
    )
    weighted = Learner(spec(data_seed=1))
    assert weighted.together == one.together and weighted.group is not one.group
    asked = [jobs(weighted, 1)[0], jobs(one, 1)[0], jobs(other, 1)[0]]
    found = trained_together(asked)
    for job, model in zip(asked, found, strict=True):
        assert np.allclose(model, trained_together([job])[0], atol=1e-5)
    assert not np.allclose(found[0], found[2], atol=1e-4)


@pytest.mark.usefixtures("uncompiled")
@pytest.mark.parametrize("count", [0, GROUP_LIMIT + 1])
def test_a_group_has_at_least_one_member_and_at_most_the_limit(count: int) -> None:
    with pytest.raises(ValueError, match="group"):
        trained_together(jobs(Learner(spec()), count))


@pytest.mark.parametrize("channels", [(64, 64)])
def test_a_network_that_keeps_a_cpu_busy_is_refused(channels: tuple[int, int]) -> None:
    with pytest.raises(Refusal, match=r"does not pay .* allowed: exact, or batched") as refusal:
        Learner(spec(CnnSettings(name="cnn", channels=channels)))
    assert refusal.value.path == ("training", "arithmetic")


@pytest.mark.usefixtures("uncompiled")
def test_a_compiler_that_lets_places_differ_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def uneven(step: batched.Step) -> batched.Step:
        def stepped(parameters: Any, *rest: Any) -> None:
            step(parameters, *rest)
            parameters[0][-1] += 1e-7

        return stepped

    monkeypatch.setattr(batched, "compiled", uneven)
    with pytest.raises(Refusal, match="depends on its group; allowed: exact"):
        trained_together(jobs(Learner(spec()), 1))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "optimizer", "mu"), [(MLP, "adam", 0.0), (CNN, "momentum", 0.0), (CNN, "sgd", 0.5)]
)
def test_no_bit_depends_on_the_group(
    model: MlpSettings | CnnSettings, optimizer: Optimizer, mu: float
) -> None:
    one, other = (
        Learner(spec(model, optimizer=optimizer, data_seed=seed, proximal=mu)) for seed in (0, 1)
    )
    group = jobs(one, GROUP_LIMIT // 2) + jobs(other, GROUP_LIMIT // 2)
    whole = bits(trained_together(group))
    assert len(set(whole)) == GROUP_LIMIT
    assert bits(trained_together(group[::-1])) == whole[::-1]
    for size in (1, 2, 7, 8, 9, 17):
        chosen = slice(3, 3 + size)
        assert bits(trained_together(group[chosen])) == whole[chosen]


@pytest.mark.slow
def test_another_process_gives_the_same_bits() -> None:
    program = (
        "import torch; torch.set_num_threads(1); import sys; "
        "from tests.models.arithmetic.test_batched import *; "
        "of = Learner(spec()); "
        "sys.stdout.write(trained_together(jobs(of, 5))[4].tobytes().hex())"
    )
    found = [
        subprocess.run(
            [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout
        for _ in range(2)
    ]
    ours = trained_together(jobs(Learner(spec()), 5))[4].tobytes().hex()
    assert found == [ours, ours]


def member(samples: int, **length: Any) -> Member:
    training = TrainingSettings(learning_rate=0.1, batch_size=4, **length)
    labels = torch.arange(100 * samples, 101 * samples)
    order = generator(1, "batches", samples)
    return Member(np.zeros(3, np.float32), labels / 2, labels, training, order)


@pytest.mark.parametrize(
    "length", [{"local_epochs": 1}, {"local_epochs": 3}, {"local_steps": 1}, {"local_steps": 9}]
)
def test_a_place_sees_the_batches_of_a_round_alone(length: dict[str, Any]) -> None:
    sizes = sorted([1, 4, 5, 11], key=lambda size: -member(size, **length).steps)
    members = [member(size, **length) for size in sizes]
    plan = Plan(members, 8, 16, CPU)
    for place, size in enumerate(sizes):
        order = generator(1, "batches", size)
        expected = list(batches(size, members[place].training, order))
        for step in range(len(plan.index)):
            used = plan.mask[step, place] == 1
            seen = plan.index[step, place][used]
            alone = expected[step] + 100 * size if step < len(expected) else torch.empty(0)
            assert plan.labels[seen].tolist() == alone.tolist()
            assert plan.inputs[seen].tolist() == (alone / 2).tolist()
            assert used[: len(seen)].all()
    assert not plan.mask[:, len(sizes) :].any()


def test_members_that_have_finished_stay_as_they_were() -> None:
    flat = FlatModule(torch.nn.Linear(2, 1), CPU)
    bases = [np.full(3, value, np.float32) for value in (1, 2, 3)]
    state = State(flat, bases, 8, RULES["momentum"])
    state.keep(2, 3)
    state.shrink(4)
    for tensor in (*state.tensors, *(kept for each in state.memory for kept in each)):
        assert len(tensor) == 4
        tensor += 10
    state.keep(0, 2)
    assert state.models()[:3].tolist() == [[11] * 3, [12] * 3, [3] * 3]


def test_an_anchored_rule_remembers_the_models_that_the_rounds_begin_with() -> None:
    flat = FlatModule(torch.nn.Linear(2, 1), CPU)
    bases = [np.full(3, value, np.float32) for value in (1, 2)]
    state = State(flat, bases, 8, replace(RULES["momentum"], is_anchored=True))
    for tensor, (velocity, anchor) in zip(state.tensors, state.memory, strict=True):
        assert not velocity.any()
        assert torch.equal(anchor, tensor) and anchor.data_ptr() != tensor.data_ptr()
