"""Small networks for 32 x 32 images that differ where pools should: kind, width, depth, resolution.

Each takes samples [n, 3, 32, 32] and shrinks them itself to the resolution that it works at, so
that all members of a cascade share one input.

residual    two 3 x 3 convolutions beside a shortcut (He et al., CVPR 2016, arXiv 1512.03385)
mobile      inverted bottlenecks with depthwise convolutions (Sandler et al., CVPR 2018,
            arXiv 1801.04381)
plain       3 x 3 convolutions one after the other
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

SIDE = 32
EXPANSION = 3
STAGES = 3


def small_net(
    *, family: str, width: int, depth: int = 1, size: int = SIDE, n_classes: int = 10
) -> nn.Module:
    """The untrained network: samples [n, 3, 32, 32] to logits [n, n_classes].

    Args:
        family: "residual", "mobile" or "plain".
        width: channels of the first of three stages; each further one has twice as many.
        depth: blocks of each stage.
        size: the resolution in pixels that it works at.
        n_classes: how many classes there are.
    """
    kinds = {"residual": Residual, "mobile": Mobile, "plain": Plain}
    if family not in kinds:
        raise ValueError(f"family must be one of {', '.join(kinds)}, got {family!r}")
    layers: list[nn.Module] = [Shrink(size), *_convolution(3, width, 3)]
    channels = width
    for stage in range(STAGES):
        for block in range(depth):
            stride = 2 if stage > 0 and block == 0 else 1
            layers.append(kinds[family](channels, width * 2**stage, stride))
            channels = width * 2**stage
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, n_classes)]
    return nn.Sequential(*layers, *head)


class Shrink(nn.Module):
    """Makes samples [n, 3, 32, 32] smaller, to [n, 3, size, size]."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        """The samples at the wanted size: as they are, 2 x 2 means, or interpolated."""
        if self.size == SIDE:
            return x
        if self.size * 2 == SIDE:
            return functional.avg_pool2d(x, 2)
        shape = (self.size, self.size)
        return functional.interpolate(x, size=shape, mode="bilinear", align_corners=False)


class Residual(nn.Module):
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


class Mobile(nn.Module):
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


class Plain(nn.Sequential):
    """One convolution."""

    def __init__(self, channels_in: int, channels: int, stride: int) -> None:
        super().__init__(*_convolution(channels_in, channels, 3, stride=stride))


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
