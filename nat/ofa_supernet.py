"""The supernetworks of Once-for-All, on their authors' package `ofa`.

Source: H. Cai, C. Gan, T. Wang, Z. Zhang, S. Han, "Once-for-All: Train One Network and Specialize
it for Efficient Deployment", ICLR 2020, arXiv 1908.09791. Its kernels of 3 and 5 are linear maps of
those of 7, which are learnt with the rest.
"""

from __future__ import annotations

import re
from typing import Any, cast

import torch
from torch import Tensor, nn

from ..errors import MissingExtraError
from ..pools.models.timm_models import import_torchvision
from .design import Architecture
from .space import Space
from .subnet_network import Network, initialise, resized

import_torchvision("the supernetworks of Once-for-All", extra="nat")
try:
    from ofa.imagenet_classification.elastic_nn.networks import OFAMobileNetV3, OFAProxylessNASNets
except ImportError as error:
    raise MissingExtraError("the supernetworks of Once-for-All", extra="nat") from error

# Parts of a subnet of `ofa`, and what they are called in a `Network`.
NAMES = (
    (r"^first_conv\.", "stem."),
    (r"\.conv\.inverted_bottleneck\.", ".expand."),
    (r"\.conv\.depth_conv\.se\.fc\.", ".squeeze."),
    (r"\.conv\.depth_conv\.", ".depthwise."),
    (r"\.conv\.point_linear\.", ".project."),
    (r"^final_expand_layer\.", "expand."),
    (r"^classifier\.linear\.", "classifier."),
    (r"\.bn\.", ".norm."),
)


class OfaSupernet:
    """A supernetwork of Once-for-All.

    Args:
        space: one of the three that `designs.py` has.
        n_classes: logits of a sample.
        seed: of the random weights that it begins with.
    """

    def __init__(self, space: Space, *, n_classes: int, seed: int = 0) -> None:
        self.space = space
        self.n_classes = n_classes
        family, _, width = space.design.name.rpartition("-w")
        make: Any = OFAMobileNetV3 if family == "ofa-mbv3" else OFAProxylessNASNets
        stage = space.design.stages[1]
        net: Any = make(
            n_classes=n_classes,
            bn_param=(0.1, space.design.epsilon),
            dropout_rate=0,
            width_mult=float(width),
            ks_list=list(stage.kernels),
            expand_ratio_list=list(stage.expansions),
            depth_list=list(stage.depths),
        )
        initialise(net, seed=seed)
        self._net = net
        self._resolution = space.design.size

    @property
    def module(self) -> nn.Module:
        """See `Supernet.module`."""
        return cast(nn.Module, self._net)

    def activate(self, architecture: Architecture) -> None:
        """See `Supernet.activate`."""
        kernels: list[int | None] = []
        expansions: list[int | None] = []
        for stage, blocks in zip(self.space.design.stages, architecture.stages, strict=True):
            absent = [None] * (stage.depths[-1] - len(blocks))
            kernels += [*(block.kernel for block in blocks), *absent]
            expansions += [*(block.expansion for block in blocks), *absent]
        depths = [len(blocks) for blocks in architecture.stages]
        # The first stage is the block that `ofa` gives no choice.
        self._net.set_active_subnet(ks=kernels[1:], e=expansions[1:], d=depths[1:])
        self._resolution = architecture.resolution

    def forward(self, x: Tensor) -> Tensor:
        """See `Supernet.forward`."""
        return self._net(resized(x, self._resolution))

    def extract(self, architecture: Architecture) -> Network:
        """See `Supernet.extract`."""
        self.activate(architecture)
        with torch.no_grad():
            subnet = self._net.get_active_subnet(preserve_weight=True)
        network = Network(self.space.design.recipe(architecture, n_classes=self.n_classes))
        has_features = network.features is not None
        weights = {
            _own_name(name, has_features=has_features): weight.detach().cpu()
            for name, weight in subnet.state_dict().items()
        }
        network.load_state_dict(weights)
        return network.eval()


def _own_name(name: str, *, has_features: bool) -> str:
    if has_features:
        name = name.replace("feature_mix_layer.conv.", "features.")
    name = name.replace("feature_mix_layer.", "expand.")
    for pattern, own in NAMES:
        name = re.sub(pattern, own, name)
    return name
