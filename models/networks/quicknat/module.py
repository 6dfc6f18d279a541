"""QuickNAT: densely connected blocks down to a sixteenth of the image and up again.

Source: Roy, Conjeti, Navab and Wachinger 2019, arXiv 1801.04161, laid out as in their public code;
squeeze and excitation: Roy, Navab and Wachinger 2018, arXiv 1808.08127.
"""

from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional


class QuickNat(nn.Module):
    """Input [batch, channels, height, width]; output [batch, outputs, height, width].

    `filters`: maps of each convolution; `excitation`: the name of one of _EXCITATIONS; `levels`:
    how often an image is halved.
    """

    def __init__(
        self, filters: int, excitation: str, levels: int, channels: int, outputs: int
    ) -> None:
        super().__init__()
        recalibration = _EXCITATIONS[excitation]

        def block(inputs: int) -> nn.Module:
            return nn.Sequential(_Dense(inputs, filters), recalibration(filters))

        self.down = nn.ModuleList(block(filters if level else channels) for level in range(levels))
        self.bottleneck = _Dense(filters, filters)
        self.up = nn.ModuleList(block(2 * filters) for _ in range(levels))
        self.classifier = nn.Conv2d(filters, outputs, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        kept = []
        for block in self.down:
            skipped = block(x)
            x, indices = functional.max_pool2d(skipped, 2, return_indices=True)
            kept.append((skipped, indices))
        x = self.bottleneck(x)
        for block in self.up:
            skipped, indices = kept.pop()
            x = block(_beside(skipped, unpooled(x, indices)))
        result: torch.Tensor = self.classifier(x)
        return result


class _Dense(nn.Module):
    """Three convolutions, each of which sees the block's input and all maps before it.

    One PReLU, with one slope, serves all three.
    """

    def __init__(self, inputs: int, filters: int) -> None:
        super().__init__()
        self.activation = nn.PReLU()
        self.normalisations = nn.ModuleList(
            nn.BatchNorm2d(inputs + number * filters) for number in range(3)
        )
        self.convolutions = nn.ModuleList(
            nn.Conv2d(inputs + number * filters, filters, size, padding=size // 2)
            for number, size in enumerate((5, 5, 1))
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = _beside(x, self._maps(0, x))
        x = _beside(x, self._maps(1, x))
        return self._maps(2, x)

    def _maps(self, number: int, x: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.convolutions[number](
            self.activation(self.normalisations[number](x))
        )
        return result


class _ChannelExcitation(nn.Module):
    """Scales each map by a number found from all maps' means."""

    def __init__(self, filters: int) -> None:
        super().__init__()
        self.squeeze = nn.Linear(filters, max(1, filters // 2))
        self.excite = nn.Linear(max(1, filters // 2), filters)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        means = functional.relu(self.squeeze(x.mean(dim=(2, 3))))
        return x * torch.sigmoid(self.excite(means))[:, :, None, None]


class _SpatialExcitation(nn.Module):
    """Scales each pixel by a number found from all maps there."""

    def __init__(self, filters: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(filters, 1, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * torch.sigmoid(self.squeeze(x))


class _BothExcitations(nn.Module):
    """The larger of the two."""

    def __init__(self, filters: int) -> None:
        super().__init__()
        self.channel = _ChannelExcitation(filters)
        self.spatial = _SpatialExcitation(filters)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.maximum(self.channel(x), self.spatial(x))


# Called with the number of maps; what follows each block but the bottleneck.
_EXCITATIONS: dict[str, Callable[[int], nn.Module]] = {
    "none": nn.Identity,
    "channel": _ChannelExcitation,
    "spatial": _SpatialExcitation,
    "both": _BothExcitations,
}


def _beside(*maps: torch.Tensor) -> torch.Tensor:
    """All maps [n, c, h, w] in one tensor, channels last.

    `torch.cat` alone would leave that layout where one of them has a single channel.
    """
    return torch.cat([each.permute(0, 2, 3, 1) for each in maps], dim=3).permute(0, 3, 1, 2)


def unpooled(x: torch.Tensor, indices: torch.Tensor) -> torch.Tensor:
    """What max_unpool2d(x, indices, 2) gives, bit for bit, channels last; x [n, c, h, w].

    That has no deterministic form on CUDA, although windows that don't overlap never write twice.
    """
    samples, channels, height, width = x.shape
    values, places = (each.permute(0, 2, 3, 1).flatten(1, 2) for each in (x, indices))
    flat = values.new_zeros(samples, 4 * height * width, channels).scatter(1, places, values)
    return flat.view(samples, 2 * height, 2 * width, channels).permute(0, 3, 1, 2)
