"""ResNets for 32 x 32 images, as section 4.2 of the ResNet paper describes them.

Source: K. He, X. Zhang, S. Ren, J. Sun, "Deep Residual Learning for Image Recognition", CVPR 2016,
arXiv 1512.03385. Shortcuts carry no parameters (option A): where the channels double, every second
pixel is taken and zeros are put around the channels. The parameters' names are those of
https://github.com/akamaster/pytorch_resnet_cifar10, so that its checkpoints fit.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional


def resnet(*, depth: int = 20, n_classes: int = 10) -> nn.Module:
    """The ResNet of `depth` layers (20, 32, 44, 56, ...): samples [n, 3, 32, 32] to logits."""
    if depth < 8 or (depth - 2) % 6:
        raise ValueError(f"depth must be 6 n + 2, got {depth}")
    return ResNet((depth - 2) // 6, n_classes)


class ResNet(nn.Module):
    """Three stages of blocks with 16, 32 and 64 channels."""

    def __init__(self, n_blocks: int, n_classes: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = _stage(16, 16, n_blocks, stride=1)
        self.layer2 = _stage(16, 32, n_blocks, stride=2)
        self.layer3 = _stage(32, 64, n_blocks, stride=2)
        self.linear = nn.Linear(64, n_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits [n, n_classes]."""
        x = functional.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.linear(x.mean(dim=(2, 3)))


class Block(nn.Module):
    """Two 3 x 3 convolutions beside a shortcut without parameters."""

    def __init__(self, channels_in: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.stride = stride
        self.border = (channels - channels_in) // 2

    def forward(self, x: Tensor) -> Tensor:
        """The sum of both ways."""
        y = functional.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        if self.stride > 1:
            x = x[:, :, :: self.stride, :: self.stride]
        if self.border:
            x = functional.pad(x, (0, 0, 0, 0, self.border, self.border))
        return functional.relu(y + x)


def _stage(channels_in: int, channels: int, n_blocks: int, *, stride: int) -> nn.Module:
    rest = [Block(channels, channels, 1) for _ in range(n_blocks - 1)]
    return nn.Sequential(Block(channels_in, channels, stride), *rest)
