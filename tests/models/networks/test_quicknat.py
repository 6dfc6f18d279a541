"""QuickNAT: the published sizes, the layout in memory, unpooling to the bit, and that it learns."""

from __future__ import annotations

from typing import Literal

import pytest
import torch
from torch import nn
from torch.nn import functional

from models.networks import QuicknatSettings
from models.networks.quicknat.module import unpooled
from models.parameters import FlatModule

Excitation = Literal["none", "channel", "spatial", "both"]
CPU = torch.device("cpu")
CHANNELS_LAST = torch.channels_last


def net(filters: int, excitation: Excitation = "none", outputs: int = 33) -> nn.Module:
    settings = QuicknatSettings(name="quicknat", filters=filters, squeeze_excite=excitation)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2)
        return settings.build((1, 32, 32), outputs)


def parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def image(channels: int = 1, side: int = 32, batch: int = 2) -> torch.Tensor:
    draws = torch.Generator().manual_seed(3)
    drawn = torch.randn(batch, channels, side, side, generator=draws)
    return drawn.contiguous(memory_format=CHANNELS_LAST)


def test_the_published_numbers_of_parameters() -> None:
    whole = net(64)
    assert parameters(whole) == 3_517_296
    first, *others = [parameters(block) for block in whole.get_submodule("down").children()]
    assert (first, *others) == (114_439, 320_449, 320_449, 320_449)
    assert parameters(whole.get_submodule("bottleneck")) == 320_449
    ups = whole.get_submodule("up").children()
    assert [parameters(block) for block in ups] == [529_729] * 4
    assert parameters(whole.get_submodule("classifier")) == 2_145
    statistics = [buffer for buffer in whole.buffers() if buffer.dtype == torch.float32]
    assert sum(buffer.numel() for buffer in statistics) == 8_070
    assert parameters(net(16)) == 222_720


@pytest.mark.parametrize(
    ("excitation", "each"),
    # Two dense layers by way of half the maps; one 1x1 convolution to one map.
    [("channel", 2 * 16 * 8 + 8 + 16), ("spatial", 16 + 1), ("both", 2 * 16 * 8 + 8 + 16 + 17)],
)
def test_eight_blocks_have_excitations(excitation: Excitation, each: int) -> None:
    assert parameters(net(16, excitation)) == 222_720 + 8 * each


@pytest.mark.parametrize("excitation", ["none", "channel", "spatial", "both"])
def test_the_smallest_network_has_gradients_everywhere(excitation: Excitation) -> None:
    module = net(1, excitation, outputs=3)
    output = module(image())
    assert output.shape == (2, 3, 32, 32)
    gradients = torch.autograd.grad(output.square().sum(), [*module.parameters()])
    assert all(gradient.isfinite().all() for gradient in gradients)


def test_every_map_stays_channels_last() -> None:
    module = net(4)
    flat = FlatModule(module, CPU)
    wrong: list[str] = []

    def watch(name: str) -> None:
        def look(_: nn.Module, inputs: tuple[torch.Tensor], output: torch.Tensor) -> None:
            if not output.is_contiguous(memory_format=CHANNELS_LAST):
                wrong.append(name)

        module.get_submodule(name).register_forward_hook(look)

    for name, _ in module.named_modules():
        watch(name)
    module(flat.arranged(image()))
    assert not wrong


@pytest.mark.parametrize("layout", [CHANNELS_LAST, torch.contiguous_format])
@pytest.mark.parametrize("channels", [1, 3])
def test_unpooling_is_torchs_to_the_bit(channels: int, layout: torch.memory_format) -> None:
    x = image(channels).contiguous(memory_format=layout)
    # Ties, too: rounded numbers are often equal within a window.
    for pooling in (x, x.round()):
        values, indices = functional.max_pool2d(pooling, 2, return_indices=True)
        ours, theirs = values.requires_grad_(), values.detach().clone().requires_grad_()
        result = unpooled(ours, indices)
        expected = functional.max_unpool2d(theirs, indices, (2, 2))
        assert torch.equal(result, expected)
        weight = image(channels)
        (one,) = torch.autograd.grad((result * weight).sum(), ours)
        (other,) = torch.autograd.grad((expected * weight).sum(), theirs)
        assert torch.equal(one, other)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_step_is_deterministic_on_cuda() -> None:
    from models.bits.devices import device

    cuda = device("cuda")
    module = net(4, "both").to(cuda)
    found = []
    for _ in range(2):
        output = module(image().to(cuda))
        found.append(torch.autograd.grad(output.square().sum(), [*module.parameters()]))
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))
