"""A user's network, any callable: its parameters as settings, and what it may answer."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import pytest
import torch

from models.bits import code
from models.bits.fingerprint import Outside, _added, fingerprint
from models.learner import Learner, LearnerSpec
from models.networks import NETWORKS, ModelSettings, network, own_network
from models.tasks import TASKS, TaskSettings
from models.training import TrainingSettings
from sim.record.code import NO_CODE, activate, read
from sim.record.errors import Refusal
from sim.record.settings import OneOf, Settings
from tests.models.networks.test_networks import task

CODE = """\
from typing import Literal

import torch
from torch import nn

from braintorrent.extend import Count, Network


class Net(nn.Module):
    '''A network.'''

    def __init__(self, input_shape: tuple[int, ...], outputs: int, *, width: Count = 4,
                 hidden: tuple[int, ...] = (3, 2), rate: float | None = None,
                 act: Literal["relu", "tanh"] = "relu") -> None:
        super().__init__()
        self.given = width, hidden, rate, act
        self.norm = nn.BatchNorm1d(input_shape[1] * input_shape[2])
        self.drop = nn.Dropout(0.5)
        self.last = nn.Linear(input_shape[1] * input_shape[2], outputs)

    def forward(self, batch):
        return self.last(self.drop(self.norm(batch.flatten(1))))


def dense(outputs: int) -> nn.Module:
    return nn.Conv2d(1, outputs, 1)


def wide(outputs: int, depth: int = 3) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.LazyLinear(depth), nn.Linear(depth, outputs))


dense.per_pixel = True


class Ours(Network):
    depth: int = 3

    def build(self, input_shape: tuple[int, ...], outputs: int) -> nn.Module:
        return wide(outputs, self.depth)


import functools
deep = functools.partial(wide, depth=7)
"""


TRAINING = TrainingSettings(learning_rate=0.1, batch_size=8, local_epochs=1)


class Described(Settings):
    task: Annotated[TaskSettings, OneOf(TASKS, "name")]
    model: Annotated[ModelSettings, OneOf(NETWORKS, "name", own_network)]


def model(**settings: Any) -> Any:
    digits = {"name": "digits", "partition": {"kind": "iid"}}
    return Described.model_validate({"task": digits, "model": settings}).model


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Where the user's file lies."""
    monkeypatch.chdir(tmp_path)
    given(CODE)
    yield
    activate(NO_CODE, {})


def given(text: str) -> None:
    Path("mine.py").write_text(text, encoding="utf-8")
    activate(read(["mine.py"]))


def test_settings_are_its_parameters_with_their_types_and_defaults() -> None:
    plain = network(model(name="mine.Net"), task(per_pixel=False))
    assert plain.given == (4, (3, 2), None, "relu")
    given = {"width": 9, "hidden": [5], "rate": 0.5, "act": "tanh"}
    chosen = model(name="mine.Net", **given)
    assert network(chosen, task(per_pixel=False)).given == (9, (5,), 0.5, "tanh")
    assert type(chosen).__doc__ == "A network."
    again = model(**chosen.model_dump(mode="json"))
    assert again == chosen and hash(again) == hash(chosen)


@pytest.mark.parametrize(
    "wrong",
    [
        {"width": 0},
        {"width": "9"},
        {"width": 9.5},
        {"hidden": 3},
        {"hidden": ["a"]},
        {"rate": "x"},
        {"act": "gelu"},
        {"depth": 3},
        {"outputs": 3},
    ],
)
def test_what_does_not_fit_its_types_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(wrong))}|unknown key"):
        model(name="mine.Net", **wrong)


@pytest.mark.parametrize(
    ("name", "per_pixel"),
    [
        ("mine.Net", False),
        ("mine.wide", False),
        ("mine.deep", False),
        ("mine.Ours", False),
        ("mine.dense", True),
    ],
)
def test_whatever_gives_a_module_is_a_network(name: str, per_pixel: bool) -> None:
    fitting = task(per_pixel)
    module = network(model(name=name), fitting).eval()
    assert module(fitting.inputs).shape == (2, 5, *fitting.labels.shape[1:])
    with pytest.raises(Refusal, match=f"network `{name}` gives one class per"):
        network(model(name=name), task(not per_pixel))


def test_to_try_it_leaves_its_weights_its_buffers_and_the_generator_alone() -> None:
    settings = model(name="mine.Net")
    torch.manual_seed(3)
    tried = network(settings, task(per_pixel=False))
    after = torch.random.get_rng_state()
    torch.manual_seed(3)
    plain = settings.maker((1, 16, 32), 5)
    assert torch.equal(torch.random.get_rng_state(), after)
    assert tried.state_dict().keys() == plain.state_dict().keys()
    for key, tensor in plain.state_dict().items():
        assert torch.equal(tried.state_dict()[key], tensor), key
    assert all(part.training for part in tried.modules())
    assert torch.cuda.device_count() == 0 or not torch.cuda.is_initialized()  # type: ignore[no-untyped-call]


def test_a_part_that_is_set_to_evaluation_stays_so() -> None:
    given(
        CODE.replace("        self.drop = nn", "        self.norm.eval()\n        self.drop = nn")
    )
    module = network(model(name="mine.Net"), task(per_pixel=False))
    still = [name for name, part in module.named_modules() if not part.training]
    assert still == ["norm"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("x: int", "the parameter y has no type; allowed: one, as in y: int"),
        ("x: 'nothing', y: int", "the types of its parameters can't be read (name 'nothing'"),
        ("build: int", "a parameter can't be called `build`; allowed: any other name"),
        ("name: str", "a parameter can't be called `name`"),
        ("_x: int", "a parameter can't be called `_x`"),
        ("**more: int", "**more: int can't be given as a setting; allowed: parameters with a"),
        ("x: nn.Module", "Unable to generate pydantic-core schema for"),
    ],
)
def test_a_parameter_that_cannot_be_a_setting_is_told(text: str, told: str) -> None:
    parameters = "x: int, y" if text == "x: int" else text
    given(f"from torch import nn\ndef net(outputs, {parameters}): ...\n")
    with pytest.raises(ValueError, match="mine.net") as refusal:
        model(name="mine.net", x=1)
    assert told in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("return 3", "mine.net gives a int; allowed: a torch.nn.Module"),
        ("return nn.Flatten()", "mine.net has nothing to train; allowed: a module with parameters"),
        (
            "return nn.Sequential(nn.Flatten(), nn.LazyLinear(3))",
            "mine.net answers a batch [2, 1, 16, 32] by [2, 3]; allowed: [2, 5], 5 numbers for "
            "each sample",
        ),
        ("return nn.Linear(3, 5)", "mine.net can't take a batch [2, 1, 16, 32]: mat1 and mat2"),
        (
            "return nn.LSTM(32, 5)",
            "mine.net can't take a batch [2, 1, 16, 32]: ",
        ),
    ],
)
def test_an_answer_that_does_not_fit_the_task_is_told(text: str, told: str) -> None:
    given(f"from torch import nn\ndef net(outputs: int):\n    {text}\n")
    with pytest.raises(Refusal) as refusal:
        network(model(name="mine.net"), task(per_pixel=False))
    assert str(refusal.value).startswith(told) and refusal.value.path == ("model", "name")


def test_an_answer_for_each_pixel_has_the_images_sides() -> None:
    given(CODE.replace("nn.Conv2d(1, outputs, 1)", "nn.Conv2d(1, outputs, 3)"))
    told = r"by \[2, 5, 14, 30\]; allowed: \[2, 5, 16, 32\], 5 numbers for each pixel"
    with pytest.raises(Refusal, match=told):
        network(model(name="mine.dense"), task(per_pixel=True))


def spec(name: str = "mine.wide", arithmetic: str = "exact", **settings: Any) -> LearnerSpec:
    training = TRAINING.model_copy(update={"arithmetic": arithmetic})
    digits = {"name": "digits", "partition": {"kind": "iid"}}
    described = {"task": digits, "model": {"name": name, **settings}}
    found = Described.model_validate(described)
    return LearnerSpec(found.task, found.model, training, 2, 0)


def test_its_code_is_in_the_names_of_what_it_computes() -> None:
    def named(name: str) -> str:
        return fingerprint(TRAINING, (), spec(name).outside)

    wide, deep = named("mine.wide"), named("mine.deep")
    given(CODE.replace("nn.Dropout(0.5)", "nn.Dropout(0.1)") + "# one\n")
    assert (named("mine.wide"), named("mine.deep")) == (wide, deep)
    given(CODE.replace("depth=7", "depth=8"))
    assert named("mine.wide") == wide and named("mine.deep") != deep
    given(CODE.replace("nn.LazyLinear", "nn.Softmax(), nn.LazyLinear"))
    assert named("mine.wide") != wide and named("mine.deep") != deep
    assert spec("mine.deep").outside.definitions == ("mine.deep",)


def install(version: str) -> None:
    """A library `fancy-layers`, which is imported as `fancy`."""
    info = Path("site", "fancy_layers.dist-info")
    info.mkdir(parents=True, exist_ok=True)
    text = f"Metadata-Version: 2.1\nName: fancy-layers\nVersion: {version}\n"
    (info / "METADATA").write_text(text)
    (info / "top_level.txt").write_text("fancy\n")
    code.distributions.cache_clear()
    code.library_version.cache_clear()


def test_the_version_of_a_library_or_what_a_loose_module_says_is_in_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path / "site")
    text = "import fancy\nimport loose\ndef net(outputs: int):\n    return fancy.Net(outputs)\n"
    given(text + "def other(outputs: int):\n    return loose.Net(outputs)\n")

    def named(name: str) -> str:
        _added.cache_clear()
        return fingerprint(TRAINING, (), Outside((name,), code=read(["mine.py"])))

    def loose(text: str) -> None:
        Path("site", "loose.py").write_text(text)
        importlib.invalidate_caches()
        monkeypatch.delitem(sys.modules, "loose", raising=False)

    missing = named("mine.net")  # As after a `try`.
    install("1.0")
    loose("x = 1")
    first, other = named("mine.net"), named("mine.other")
    install("1.1")
    assert first != missing
    assert named("mine.net") != first and named("mine.other") == other
    loose("x = 2")
    assert named("mine.other") != other


def test_a_sealed_description_opens_in_the_code_that_is_active() -> None:
    one = spec(depth=5)
    sealed = one.sealed()
    assert not isinstance(sealed, LearnerSpec) and sealed.opened() == one
    activate(NO_CODE)
    with pytest.raises(ValueError, match="nothing of braintorrent's own"):
        sealed.opened()


@pytest.mark.slow
def test_batched_arithmetic_takes_it_or_says_why_not() -> None:
    assert Learner(spec(arithmetic="batched")).group is not None
    with pytest.raises(Refusal, match="batched arithmetic can't train a network with"):
        Learner(spec("mine.Net", arithmetic="batched"))
