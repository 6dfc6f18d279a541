"""How fast classes of devices train, as others have measured it, and step times that follow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Discriminator,
    Field,
    PlainSerializer,
    Tag,
    WithJsonSchema,
    model_validator,
)

from sim.record.errors import Refusal, did_you_mean, shown
from sim.record.settings.distributions import Drawn, Duration

Floats = NDArray[np.float64]

_ROUNDING = 1e-9


class Device(NamedTuple):
    """What a device did in a second of training, and who measured it."""

    meaning: str
    rate: float
    work: str
    """What it did; devices are compared that did the same."""
    source: str


RESNET = "images per second, ResNet-50 at 224 x 224 in float32"
_LAMBDA = (
    "Lambda's deeplearning-benchmark (github.com/lambdal/deeplearning-benchmark), "
    "pytorch/pytorch-train-throughput-fp32.csv, one GPU"
)
_FLOWER = (
    "Flower's benchmark of Raspberry Pis (github.com/jafermarq/federated-embedded-vision, README "
    "and plot.ipynb), 20 batches of 16"
)
MOBILE = "batches per second, geometric mean of four models"
_FLASH = (
    "FLASH (github.com/PKU-Chengxu/FLASH), Yang et al., WWW 2021: its mean seconds a batch for "
    "Reddit, CelebA, FEMNIST and Shakespeare, models/utils/device_util/device_util.py"
)

DEVICES: dict[str, Device] = {
    "h100": Device("NVIDIA H100 80 GB SXM5, a server's GPU", 1753.0, RESNET, _LAMBDA),
    "a100": Device("NVIDIA A100 80 GB SXM4, a server's GPU", 1066.0, RESNET, _LAMBDA),
    "v100": Device("NVIDIA V100 16 GB, an older server's GPU", 369.0, RESNET, _LAMBDA),
    "rtx_4090": Device("NVIDIA RTX 4090, a desktop's GPU", 721.0, RESNET, _LAMBDA),
    "rtx_3090": Device("NVIDIA RTX 3090, an older desktop's GPU", 513.0, RESNET, _LAMBDA),
    "m1_pro": Device(
        "Apple M1 Pro, a laptop's GPU",
        61.0,
        RESNET,
        "SeetaCloud's benchmark (github.com/seetacloud/codewithgpu, benchmarks/models)",
    ),
    "m1_cpu": Device(
        "Apple M1, a laptop's CPU",
        23.4,
        RESNET,
        "github.com/gau-nernst/benchmark-pytorch-mps, MacBook Air 2020: 16 images forward in "
        "0.237 s, backward in 0.447 s",
    ),
    "jetson_nano": Device(
        "NVIDIA Jetson Nano, a board with a GPU",
        4.03,
        RESNET,
        "NVIDIA's jetson-inference (docs/pytorch-cat-dog.md): 5,000 images through ResNet-18 in 7 "
        "to 8 min, where a Raspberry Pi 5 has 2.74 a second",
    ),
    "raspberry_pi_5": Device("Raspberry Pi 5, a board's CPU", 0.993, RESNET, _FLOWER),
    "raspberry_pi_4": Device("Raspberry Pi 4, a board's CPU", 0.490, RESNET, _FLOWER),
    "phone_high": Device("Samsung Note 10, a fast phone of 2019", 1.153, MOBILE, _FLASH),
    "phone_mid": Device("Redmi Note 8, a middling phone of 2019", 0.5637, MOBILE, _FLASH),
    "phone_low": Device("Nexus 6, a slow phone of 2014", 0.1975, MOBILE, _FLASH),
}
"""By the name of a class of devices what it trained in a second. Batches differ: 8 images on the
Nano, 16 on the M1's CPU and the Raspberry Pis, as many as fit on Lambda's."""


def slowness(device: str, than: str) -> float:
    """How many times longer a step takes on `device`. Raises Refusal if nobody compared them."""
    one, other = DEVICES[device], DEVICES[than]
    if one.work != other.work:
        beside = ", ".join(name for name, each in DEVICES.items() if each.work == other.work)
        raise Refusal(f"nobody has measured {device} beside {than}", beside)
    return other.rate / one.rate


def _known(name: Any) -> str:
    if not isinstance(name, str) or name not in DEVICES:
        near = did_you_mean(name, DEVICES) if isinstance(name, str) else ""
        raise Refusal(f"{shown(name)} is no device{near}", ", ".join(DEVICES))
    return name


def _one_or_shares(data: Any) -> dict[str, float]:
    """The share of each device, which sum to 1; the fastest first, however they are listed.

    So draws are the same for the same shares, and a larger one of the fast makes nobody slower.
    """
    if not isinstance(data, Mapping):
        return {_known(data): 1.0}
    if not data:
        raise Refusal("names no device", "a device, or the share of each of several")
    for name, share in data.items():
        _known(name)
        if isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 < share <= 1:
            raise Refusal(f"{shown(share)} is no share", "above 0, up to 1", (name,))
    if abs((total := sum(data.values())) - 1.0) > _ROUNDING:
        raise Refusal(f"the shares sum to {total:g}", "shares that sum to 1")
    fastest_first = sorted(data, key=lambda name: DEVICES[name].rate, reverse=True)
    return {name: float(data[name]) for name in fastest_first}


_NAME_SCHEMA = {"enum": list(DEVICES)}
_SHARE_SCHEMA = {
    "type": "object",
    "propertyNames": _NAME_SCHEMA,
    "additionalProperties": {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
    "minProperties": 1,
}

DeviceName = Annotated[str, AfterValidator(_known), WithJsonSchema(_NAME_SCHEMA)]
"""The name of a class of devices."""

DeviceShares = Annotated[
    dict[str, float],
    BeforeValidator(_one_or_shares),
    PlainSerializer(
        lambda shares: next(iter(shares)) if len(shares) == 1 else shares, when_used="json"
    ),
    WithJsonSchema({"anyOf": [_NAME_SCHEMA, _SHARE_SCHEMA]}),
]
"""Which share of the clients has which device; in YAML a device's name for all of them."""


class DeviceTime(Drawn):
    """The time of one optimiser step on a named device, by how fast that was measured to be."""

    device: DeviceShares = Field(
        description="whose time it is: a device, or the share of each of several, among which "
        "each client's is drawn"
    )
    reference: Duration = Field(description="time of one optimiser step on measured_on")
    measured_on: DeviceName = Field(description="the device on which a step takes the reference")

    @model_validator(mode="after")
    def _comparable(self) -> DeviceTime:
        for name in self.device:
            try:
                slowness(name, self.measured_on)
            except Refusal as refusal:
                raise refusal.below("device") from None
        return self

    def draw(self, generator: np.random.Generator, n: int) -> Floats:
        """See Drawn; other shares move nobody's draw of the reference."""
        reference_s = self.reference.draw(generator, n)
        ends = np.cumsum(list(self.device.values()))
        places = np.searchsorted(ends, generator.random(n), side="right")
        # Shares that sum to 1 may end a bit below it.
        factors = np.array(self._factors)[np.minimum(places, len(ends) - 1)]
        times: Floats = reference_s * factors
        return times

    @property
    def shortest_s(self) -> float:
        return self.reference.shortest_s * min(self._factors)

    @property
    def longest_s(self) -> float:
        return self.reference.longest_s * max(self._factors)

    @property
    def _factors(self) -> list[float]:
        """How many times longer a step takes on each device than the reference."""
        return [slowness(name, self.measured_on) for name in self.device]


def _device_or_law(data: Any) -> str:
    by_device = isinstance(data, Mapping) and not {"device", "measured_on"}.isdisjoint(data)
    return "by_device" if by_device or isinstance(data, DeviceTime) else "one"


StepTime = Annotated[
    Annotated[Duration, Tag("one")] | Annotated[DeviceTime, Tag("by_device")],
    Discriminator(_device_or_law),
]
"""A distribution of the time of one optimiser step, or that of named devices."""
