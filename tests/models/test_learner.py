"""The four operations are pure functions, and training is what a plain torch loop does."""

from __future__ import annotations

import pickle
import random
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pytest
import torch
from torch.nn import functional

from models.bits import generator
from models.bits.fingerprint import fingerprint
from models.learner import Learner, LearnerSpec
from models.networks import CnnSettings, MlpSettings, network
from models.parameters import FlatModule
from models.partitions import DirichletSettings
from models.tasks import DigitsSettings
from models.training import ALL_CLIENTS, TrainingSettings
from sim.record.errors import Refusal

Optimizer = Literal["sgd", "momentum", "adam"]
OPTIMIZERS: tuple[Optimizer, ...] = ("sgd", "momentum", "adam")
MODELS = (MlpSettings(name="mlp"), CnnSettings(name="cnn"))


def spec(
    model: MlpSettings | CnnSettings = MODELS[0],
    optimizer: Optimizer = "sgd",
    clients: int = 5,
    seed: int = 0,
    **length: Any,
) -> LearnerSpec:
    partition = DirichletSettings(kind="dirichlet", alpha=0.5)
    training = TrainingSettings(
        optimizer=optimizer,
        learning_rate=0.05,
        weight_decay=0.001,
        batch_size=32,
        **(length or {"local_epochs": 2}),
    )
    return LearnerSpec(
        DigitsSettings(name="digits", partition=partition), model, training, clients, seed
    )


def plain_loop(of: LearnerSpec, client: int, local_round: int) -> Any:
    """One local round from the initial model, without vectors, views or a reused module."""
    assert isinstance(of.task, DigitsSettings)
    task = of.task.load(of.clients, lambda line: None)
    draws = generator(of.seed, "data_partition")
    parts = of.task.partition.deal(task.labels.numpy(), of.clients, draws)
    part = np.arange(len(task.labels)) if client == ALL_CLIENTS else parts[client]
    inputs, labels = task.inputs[part], task.labels[part]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(generator(of.seed, "initial_weights").integers(2**63)))
        module = of.model.build(task.input_shape, task.outputs)
    module = module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    inputs = inputs.contiguous(memory_format=torch.channels_last)
    rate, decay = of.training.learning_rate, of.training.weight_decay
    optimizer: torch.optim.Optimizer
    if of.training.optimizer == "adam":
        optimizer = torch.optim.Adam(module.parameters(), lr=rate, weight_decay=decay)
    else:
        momentum = 0.9 if of.training.optimizer == "momentum" else 0.0
        optimizer = torch.optim.SGD(
            module.parameters(), lr=rate, momentum=momentum, weight_decay=decay
        )
    order = generator(of.seed, "batches", client, local_round)
    for _ in range(2):
        shuffled = order.permutation(len(labels))
        for start in range(0, len(labels), 32):
            batch = torch.from_numpy(shuffled[start : start + 32])
            optimizer.zero_grad()
            loss = functional.cross_entropy(module(inputs[batch]), labels[batch])
            torch.autograd.backward(loss)
            optimizer.step()
    state = [*module.parameters(), *module.buffers()]
    stored = [tensor.permute(0, 2, 3, 1) if tensor.dim() == 4 else tensor for tensor in state]
    return torch.cat([tensor.detach().float().flatten() for tensor in stored]).numpy()


@pytest.mark.parametrize("client", [0, 3, ALL_CLIENTS])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_training_is_a_plain_loop_bit_for_bit(
    model: MlpSettings | CnnSettings, optimizer: Optimizer, client: int
) -> None:
    of = spec(model, optimizer)
    learner = Learner(of)
    result = learner.trained(learner.initial(), client, 4)
    assert result.tobytes() == plain_loop(of, client, 4).tobytes()


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_training_forgets_what_was_computed_before(
    model: MlpSettings | CnnSettings, optimizer: Optimizer
) -> None:
    of = spec(model, optimizer)
    learner = Learner(of)
    base = learner.trained(learner.initial(), 1, 0)
    kept = base.copy()
    first = learner.trained(base, 2, 1)
    learner.trained(np.ones_like(base), 0, 0)
    learner.scores(first)
    learner.combined([base, first], (0.5, 0.5))
    assert learner.trained(base, 2, 1).tobytes() == first.tobytes()
    assert Learner(of).trained(base, 2, 1).tobytes() == first.tobytes()
    assert base.tobytes() == kept.tobytes()
    assert first.dtype == np.float32
    assert first.flags.c_contiguous
    assert first.shape == (learner.vector_length,)


def test_a_correction_steers_a_round_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    learner = Learner(spec(local_steps=1))
    start, free = learner.initial(), learner.trained(learner.initial(), 0, 0)
    way = learner.direction([start, free], (1.0, -1.0))
    # One step of rate 0.05 along it.
    steered = learner.trained(start, 0, 0, way)
    assert np.allclose(steered, free - np.float32(0.05) * way, rtol=1e-5, atol=1e-7)
    assert learner.trained(start, 0, 0).tobytes() == free.tobytes()


@pytest.mark.parametrize("optimizer", ["momentum", "adam"])
def test_a_correction_is_refused_where_no_step_would_follow_it(optimizer: Optimizer) -> None:
    learner = Learner(spec(optimizer=optimizer))
    start = learner.initial()
    with pytest.raises(Refusal, match=f"and {optimizer} would not .* allowed: training.optimizer"):
        learner.trained(start, 0, 0, start)


def test_operations_know_parameters_from_buffers() -> None:
    learner = Learner(spec(MODELS[1]))
    one, two = learner.initial(), learner.trained(learner.initial(), 0, 0)
    count = FlatModule(MODELS[1].build((1, 8, 8), 10), torch.device("cpu")).parameter_length
    assert 0 < count < learner.vector_length
    beyond = learner.combined([two, one], (3.0, -2.0))
    assert beyond[count:].tobytes() == two[count:].tobytes()
    assert np.allclose(beyond[:count], (3 * two - 2 * one)[:count], atol=1e-5)
    assert not learner.direction([two, one], (1.0, -1.0))[count:].any()
    square = learner.stepped("adam_square", [one, two], (0.9, 0.1))
    assert (square[:count] > 0).all() and not square[count:].any()


def test_the_batch_order_belongs_to_the_client_and_its_round() -> None:
    learner = Learner(spec())
    start = learner.initial()
    results = {
        learner.trained(start, client, local_round).tobytes()
        for client in (0, 1, ALL_CLIENTS)
        for local_round in (0, 1)
    }
    assert len(results) == 6


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_no_global_generator_is_touched(model: MlpSettings | CnnSettings) -> None:
    def state() -> tuple[Any, ...]:
        words = np.random.get_state(legacy=False)  # noqa: NPY002
        return torch.get_rng_state().numpy().tobytes(), repr(words), random.getstate()

    before = state()
    learning = spec(model, "adam")
    learner = Learner(learning)
    result = learner.trained(learner.initial(), 0, 0)
    learner.scores(learner.combined([result, result], (0.5, 0.5)))
    fingerprint(learning.training, learning.libraries)
    assert state() == before


def test_the_global_generator_decides_nothing() -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        one = Learner(spec()).initial()
        torch.manual_seed(2)
        assert Learner(spec()).initial().tobytes() == one.tobytes()


def test_the_seed_decides_weights_and_partition_but_not_the_held_out_samples() -> None:
    one, other = Learner(spec(seed=0)), Learner(spec(seed=1))
    assert one.initial().tobytes() != other.initial().tobytes()
    assert one.samples != other.samples
    assert one.scores(one.initial()) == other.scores(one.initial())


def test_the_initial_model_is_its_callers_own() -> None:
    learner = Learner(spec())
    kept = learner.initial()
    learner.initial()[:] = 0
    assert learner.initial().tobytes() == kept.tobytes()


def test_counts_of_samples_and_steps() -> None:
    learner = Learner(spec())
    # A fifth and a tenth of each class are held out, rounded class by class: 359 and 179 of 1,797.
    assert sum(learner.samples) == learner.pooled_samples == 1797 - 359 - 179
    assert learner.steps == tuple(2 * -(-n // 32) for n in learner.samples)
    assert learner.pooled_steps == 2 * 40
    fixed = Learner(spec(local_steps=7))
    assert fixed.steps == (7,) * 5
    assert fixed.pooled_steps == 7
    assert Learner(spec(MODELS[0])).vector_length == 64 * 64 + 64 + 64 * 10 + 10


def test_a_fixed_number_of_steps_goes_past_the_end_of_an_epoch() -> None:
    short, long = Learner(spec(local_steps=1)), Learner(spec(local_epochs=1))
    steps = long.steps[0]
    same = Learner(spec(local_steps=steps))
    start = long.initial()
    assert same.trained(start, 0, 0).tobytes() == long.trained(start, 0, 0).tobytes()
    past = Learner(spec(local_steps=2 * steps))
    twice = Learner(spec(local_epochs=2))
    assert past.trained(start, 0, 0).tobytes() == twice.trained(start, 0, 0).tobytes()
    assert short.trained(start, 0, 0).tobytes() != long.trained(start, 0, 0).tobytes()


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_digits_are_learned(model: MlpSettings | CnnSettings) -> None:
    learner = Learner(spec(model, "adam"))
    vector = learner.initial()
    before = learner.scores(vector)
    for local_round in range(3):
        vector = learner.trained(vector, ALL_CLIENTS, local_round)
    after = learner.scores(vector)
    assert before["accuracy"] < 0.4
    assert after["accuracy"] > 0.9
    assert after["loss"] < before["loss"]
    assert learner.scores(vector, "test") == after


def test_an_unknown_data_set_is_refused() -> None:
    learner = Learner(spec())
    with pytest.raises(ValueError, match="'training'; allowed: 'test', 'final', 'validation'"):
        learner.scores(learner.initial(), "training")


def test_validation_data_are_judged_by_what_a_run_can_aim_at() -> None:
    of, learner = spec(), Learner(spec())
    model = learner.trained(learner.initial(), ALL_CLIENTS, 0)
    task = of.task.load(5, lambda line: None)
    module = network(of.model, task).eval()
    flat = FlatModule(module, torch.device("cpu"))
    flat.load(model)
    with torch.inference_mode():
        outputs = [module(task.validation.inputs)]
        found = task.validation.metrics(outputs, task.validation.labels)
    wanted = {"accuracy": found["accuracy"], "loss": found["loss"]}
    assert learner.scores(model, "validation") == wanted
    assert wanted["accuracy"] != learner.scores(model)["accuracy"]


def test_a_client_s_shares_are_those_of_its_training_samples() -> None:
    of, learner = spec(), Learner(spec())
    labels = of.task.load(5, lambda line: None).labels.numpy()
    parts = of.task.deal(learner._task, 5, generator(0, "data_partition"))
    assert learner.label_shares is not None
    for part, shares in zip(parts, learner.label_shares, strict=True):
        assert [round(share * len(part)) for share in shares] == [
            int((labels[part] == label).sum()) for label in range(10)
        ]
        assert sum(shares) == pytest.approx(1)


def test_each_run_may_have_data_of_its_own() -> None:
    own = spec().task.model_copy(update={"data_seed": "run"})
    digests = [
        Learner(replace(spec(), task=own.of_seed(number), seed=number)).data_digest
        for number in (0, 1, 1)
    ]
    assert digests[0] == Learner(spec()).data_digest
    assert digests[0] != digests[1] == digests[2]


def test_too_many_clients_are_refused() -> None:
    with pytest.raises(Refusal, match="among 200 clients; allowed: "):
        Learner(spec(clients=200))


def test_a_description_survives_pickling_and_names_itself() -> None:
    of = spec()
    assert pickle.loads(pickle.dumps(of)) == of  # noqa: S301
    assert hash(of) == hash(spec())
    assert of != spec(seed=1)


def test_the_fingerprint_is_a_digest_and_stays_the_same() -> None:
    training = spec().training
    assert fingerprint(training, ()) == fingerprint(training, ())
    assert len(bytes.fromhex(fingerprint(training, ()))) == 32


def test_each_bit_class_has_its_own_fingerprint() -> None:
    exact = spec().training
    batched = exact.model_copy(update={"arithmetic": "batched"})
    assert fingerprint(exact, ()) != fingerprint(batched, ())
    # What a description holds already is not in it.
    assert fingerprint(exact, ()) == fingerprint(
        exact.model_copy(update={"learning_rate": 0.3}), ()
    )


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_cuda_repeats_its_bits_and_rounds_otherwise_than_the_cpu(
    model: MlpSettings | CnnSettings, optimizer: Optimizer
) -> None:
    on_cpu = spec(model, optimizer, local_steps=3)
    cuda = on_cpu.training.model_copy(update={"device": "cuda"})
    one, other = (Learner(replace(on_cpu, training=cuda)) for _ in range(2))
    base = Learner(on_cpu).initial()
    assert np.array_equal(one.initial(), base)
    found = one.trained(base, 0, 0)
    assert np.array_equal(found, other.trained(base, 0, 0))
    assert one.scores(found) == other.scores(found)
    expected = Learner(on_cpu).trained(base, 0, 0)
    assert np.linalg.norm(found - expected) < 0.05 * np.linalg.norm(expected - base)
