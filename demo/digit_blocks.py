"""The larger networks of the demo: convolutions with normalisation, residual and mobile blocks.

residual    two 3 x 3 convolutions beside a shortcut (He et al., CVPR 2016, arXiv 1512.03385)
mobile      inverted bottlenecks with depthwise convolutions (Sandler et al., CVPR 2018,
            arXiv 1801.04381)
plain       3 x 3 convolutions one after the other

Each has three stages; a stage halves the resolution and has twice the channels of the one before.
"""

from __future__ import annotations

from collections.abc import Mapping

try:
    from torch import Tensor, nn
    from torch.nn import functional
except ImportError as error:
    from ..errors import MissingExtraError

    raise MissingExtraError("the networks of the demo", extra="export") from error

N_STAGES = 3
EXPANSION = 4


def staged(family: str, *, width: int, depth: int, n_classes: int) -> list[nn.Module]:
    """The layers from images [n, 1, size, size] to logits [n, n_classes].

    Args:
        family: one of `BLOCKS`.
        width: channels of the first stage.
        depth: blocks of each stage.
        n_classes: how many classes there are.
    """
    layers: list[nn.Module] = [] if family == "plain" else _convolution(1, width, 3)
    channels = 1 if family == "plain" else width
    for stage in range(N_STAGES):
        for block in range(depth):
            stride = 2 if stage > 0 and block == 0 else 1
            layers.append(BLOCKS[family](channels, width * 2**stage, stride))
            channels = width * 2**stage
    return [*layers, nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(channels, n_classes)]


class ResidualBlock(nn.Module):
    """Two convolutions beside a shortcut."""

    def __init__(self, channels_in: int, channels: int, stride: int) -> None:
        super().__init__()
        first = _convolution(channels_in, channels, 3, stride=stride)
        self.body = nn.Sequential(*first, *_convolution(channels, channels, 3)[:-1])
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or channels_in != channels:
            self.shortcut = nn.Sequential(
                *_convolution(channels_in, channels, 1, stride=stride)[:-1]
            )

    def forward(self, x: Tensor) -> Tensor:
        """The sum of both ways."""
        return functional.relu(self.body(x) + self.shortcut(x))


class MobileBlock(nn.Module):
    """An inverted bottleneck: wide, depthwise, narrow."""

    def __init__(self, channels_in: int, channels: int, stride: int) -> None:
        super().__init__()
        wide = channels_in * EXPANSION
        self.body = nn.Sequential(
            *_convolution(channels_in, wide, 1),
            *_convolution(wide, wide, 3, stride=stride, groups=wide),
            *_convolution(wide, channels, 1)[:-1],
        )
        self.is_added = stride == 1 and channels_in == channels

    def forward(self, x: Tensor) -> Tensor:
        """The narrow result, added to the input where it fits."""
        return x + self.body(x) if self.is_added else self.body(x)


class PlainBlock(nn.Sequential):
    """One convolution, after which the largest of 2 x 2 pixels stays."""

    def __init__(self, channels_in: int, channels: int, stride: int) -> None:
        layers = _convolution(channels_in, channels, 3)
        super().__init__(*[nn.MaxPool2d(2)] * (stride > 1), *layers)


BLOCKS: Mapping[str, type[ResidualBlock] | type[MobileBlock] | type[PlainBlock]] = {
    "residual": ResidualBlock,
    "mobile": MobileBlock,
    "plain": PlainBlock,
}


def _convolution(
    channels_in: int, channels: int, kernel: int, *, stride: int = 1, groups: int = 1
) -> list[nn.Module]:
    convolution = nn.Conv2d(
        channels_in,
        channels,
        kernel,
        stride=stride,
        padding=kernel // 2,
        groups=groups,
        bias=False,
    )
    return [convolution, nn.BatchNorm2d(channels), nn.ReLU(inplace=True)]
