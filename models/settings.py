"""What can be learned and how: tasks, partitions, networks and training as frozen settings.

A room of its own because the scenario and the command line read these settings, and they must
answer without importing PyTorch; nothing here needs it.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError


class DataError(ValueError):
    """A user's mistake that shows only when a learner is built: "what is wrong; allowed: what".

    `path`: the setting that is to blame, from the scenario's top. Survives pickling.
    """

    def __init__(self, message: str, path: tuple[str, ...] = ("task", "partition")) -> None:
        super().__init__(message)
        self.path = path


def mistake(what: str, allowed: str, *path: str | int) -> PydanticCustomError:
    """An error for a validator to raise, at ``path`` below the value that it validates."""
    return PydanticCustomError(
        "mistake", "{what}; allowed: {allowed}", {"what": what, "allowed": allowed, "path": path}
    )


class Settings(BaseModel):
    """A frozen description; unknown keys, implicit conversions and non-finite numbers are refused.

    Raises ``pydantic.ValidationError`` on construction from anything that does not fit.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        allow_inf_nan=False,
    )

    @model_validator(mode="before")
    @classmethod
    def _keys_fit(cls, data: Any) -> Any:
        """Say what is allowed beside an unknown or missing key, which pydantic alone does not."""
        if not isinstance(data, dict):
            return data
        for key in data:
            if key not in cls.model_fields:
                raise mistake("unknown key", ", ".join(cls.model_fields), str(key))
        for key, field in cls.model_fields.items():
            if field.is_required() and key not in data:
                names = (
                    get_args(field.annotation) if get_origin(field.annotation) is Literal else ()
                )
                raise mistake("is missing", ", ".join(names) or str(field.description), key)
        return data


Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]


class IidSettings(Settings):
    """Every client gets an equal random share of the training samples."""

    kind: Literal["iid"] = Field(description="the partition's name")


class DirichletSettings(Settings):
    """Label skew: each class is dealt to the clients in Dirichlet(alpha) shares.

    Source: Hsu, Qi and Brown 2019, arXiv 1909.06335.
    """

    kind: Literal["dirichlet"] = Field(description="the partition's name")
    alpha: Positive = Field(description="concentration; the smaller, the more skewed the labels")
    minimum_samples: Count = Field(default=8, description="fewest samples a client may end with")


class QuantitySettings(Settings):
    """Quantity skew: the clients' sample counts follow one Dirichlet(alpha) draw.

    Source: Li, Diao, Chen and He 2021, arXiv 2102.02079.
    """

    kind: Literal["quantity"] = Field(description="the partition's name")
    alpha: Positive = Field(description="concentration; the smaller, the more uneven the sizes")
    minimum_samples: Count = Field(default=8, description="fewest samples a client may end with")


PartitionSettings = Annotated[
    IidSettings | DirichletSettings | QuantitySettings, Field(discriminator="kind")
]


class DigitsSettings(Settings):
    """1,797 handwritten digits of 8x8 pixels in ten classes, as shipped with scikit-learn."""

    name: Literal["digits"] = Field(description="the task's name")
    partition: PartitionSettings = Field(description="how the training samples fall to clients")
    test_fraction: Annotated[float, Field(gt=0, lt=1)] = Field(
        default=0.2, description="share of all samples held out for testing, by class"
    )
    split_seed: Seed = Field(
        default=0, description="draws the held-out samples, the same ones for every run's seed"
    )


class MlpSettings(Settings):
    """Fully connected layers with ReLU between them."""

    name: Literal["mlp"] = Field(description="the network's name")
    hidden: Annotated[tuple[Count, ...], Field(strict=False)] = Field(
        default=(64,), description="units of each hidden layer"
    )


class CnnSettings(Settings):
    """Two 3x3 convolutions with batch normalisation, then one linear layer."""

    name: Literal["cnn"] = Field(description="the network's name")
    channels: Annotated[tuple[Count, Count], Field(strict=False)] = Field(
        default=(8, 16), description="channels of the two convolutions"
    )


class TrainingSettings(Settings):
    """How a client fine-tunes during one local round; the optimiser starts afresh each time."""

    optimizer: Literal["sgd", "momentum", "adam"] = Field(
        default="sgd", description="the rule for one step"
    )
    learning_rate: Positive = Field(description="the optimiser's step size")
    momentum: Annotated[float, Field(ge=0, lt=1)] = Field(
        default=0.9, description="used by the momentum optimiser only"
    )
    weight_decay: Annotated[float, Field(ge=0)] = Field(
        default=0.0, description="L2 penalty added to the gradient"
    )
    batch_size: Count = Field(description="samples per step")
    local_epochs: Count | None = Field(
        default=None, description="passes over the client's data per local round"
    )
    local_steps: Count | None = Field(
        default=None, description="steps per local round, instead of local_epochs"
    )
    arithmetic: Literal["exact", "batched"] = Field(
        default="exact",
        description="bit class; batched: operations of small networks are trained together",
    )
    device: Literal["cpu", "cuda", "auto"] = Field(
        default="cpu", description="where tensors live; auto: cuda where there is one"
    )

    @model_validator(mode="after")
    def _one_length(self) -> TrainingSettings:
        if (self.local_epochs is None) == (self.local_steps is None):
            raise mistake("a local round needs one length", "either local_epochs or local_steps")
        return self


TaskSettings = DigitsSettings
ModelSettings = Annotated[MlpSettings | CnnSettings, Field(discriminator="name")]

TASKS: dict[str, type[Settings]] = {"digits": DigitsSettings}
NETWORKS: dict[str, type[Settings]] = {"mlp": MlpSettings, "cnn": CnnSettings}
PARTITIONS: dict[str, type[Settings]] = {
    "iid": IidSettings,
    "dirichlet": DirichletSettings,
    "quantity": QuantitySettings,
}
