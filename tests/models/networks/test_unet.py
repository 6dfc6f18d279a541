"""MONAI's U-Net as it is built here."""

from __future__ import annotations

import torch
from torch import nn

from models.networks import UnetSettings
from models.parameters import FlatModule


def test_it_normalises_by_batches_and_drops_nothing_out() -> None:
    net = UnetSettings(name="unet", channels=(4, 8, 16)).build((1, 16, 16), 5)
    modules = list(net.modules())
    assert any(isinstance(module, nn.BatchNorm2d) for module in modules)
    assert not any(isinstance(module, nn.InstanceNorm2d) for module in modules)
    assert all(module.p == 0 for module in modules if isinstance(module, nn.Dropout))


def test_an_image_is_halved_once_per_level_but_the_last() -> None:
    net = UnetSettings(name="unet", channels=(4, 8, 16)).build((1, 16, 16), 5)
    sides = []
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.register_forward_hook(lambda _, given, output: sides.append(output.shape[-1]))
    output = net(torch.zeros(2, 1, 16, 16))
    assert output.shape == (2, 5, 16, 16)
    assert min(sides) == 16 // 2**2


def test_its_output_stays_channels_last() -> None:
    net = UnetSettings(name="unet", channels=(4, 8)).build((1, 16, 16), 5)
    flat = FlatModule(net, torch.device("cpu"))
    output = net(flat.arranged(torch.zeros(2, 1, 16, 16)))
    assert output.is_contiguous(memory_format=torch.channels_last)
