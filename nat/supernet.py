"""Supernetworks: one set of weights for all subnets of a space.

A `Supernet` is activated as one subnet and then answers as this subnet does; what it extracts is a
plain `Network` with weights of its own, and answers exactly the same.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.func import functional_call

from .design import Architecture
from .space import Space
from .subnet_network import Network, initialise

SKELETONS = 1024


class Supernet(Protocol):
    """Weights that all subnets of a space share."""

    @property
    def space(self) -> Space:
        """The subnets."""
        ...

    @property
    def n_classes(self) -> int:
        """Logits of a sample."""
        ...

    @property
    def module(self) -> nn.Module:
        """Holds the weights, to be trained, stored and moved to a device."""
        ...

    def activate(self, architecture: Architecture) -> None:
        """Answers as this subnet from now on."""
        ...

    def forward(self, x: Tensor) -> Tensor:
        """Logits [n, n_classes] of samples [n, n_channels, side, side] by the active subnet."""
        ...

    def extract(self, architecture: Architecture) -> Network:
        """A subnet with its own copy of the weights, in eval mode, on the CPU."""
        ...


class ElasticSupernet:
    """A supernetwork whose subnets take first channels, first blocks, and centres of kernels.

    AttentiveNAS, AlphaNet, and the small ones are such.
    A subnet runs as a `Network` of its recipe whose weights are views of the shared ones.

    Args:
        space: the subnets.
        n_classes: logits of a sample.
        seed: of the random weights that it begins with.
    """

    def __init__(self, space: Space, *, n_classes: int, seed: int = 0) -> None:
        self.space = space
        self.n_classes = n_classes
        self.module: nn.Module = Network(space.design.full_recipe(n_classes=n_classes))
        initialise(self.module, seed=seed)
        self._skeletons: OrderedDict[Architecture, _Skeleton] = OrderedDict()
        self._active = self._skeleton(space.design.largest)

    def activate(self, architecture: Architecture) -> None:
        """See `Supernet.activate`."""
        self._active = self._skeleton(architecture)

    def forward(self, x: Tensor) -> Tensor:
        """See `Supernet.forward`."""
        network = self._active.network.train(self.module.training)
        return functional_call(network, self._weights(self._active), (x,), strict=True)

    def extract(self, architecture: Architecture) -> Network:
        """See `Supernet.extract`."""
        network = Network(self.space.design.recipe(architecture, n_classes=self.n_classes))
        weights = self._weights(self._skeleton(architecture))
        network.load_state_dict({name: w.detach().clone() for name, w in weights.items()})
        return network.eval()

    def _skeleton(self, architecture: Architecture) -> _Skeleton:
        if architecture in self._skeletons:
            self._skeletons.move_to_end(architecture)
        else:
            self._skeletons[architecture] = _Skeleton(self.space, architecture, self.n_classes)
            if len(self._skeletons) > SKELETONS:
                self._skeletons.popitem(last=False)
        return self._skeletons[architecture]

    def _weights(self, skeleton: _Skeleton) -> dict[str, Tensor]:
        shared = dict(self.module.named_parameters()) | dict(self.module.named_buffers())
        return {
            own: part_of(shared[name], shape) for own, (name, shape) in skeleton.sources.items()
        }


class _Skeleton:
    """A subnet's module without weights, and where it finds them.

    Args:
        space, architecture, n_classes: of the subnet.
    """

    def __init__(self, space: Space, architecture: Architecture, n_classes: int) -> None:
        recipe = space.design.recipe(architecture, n_classes=n_classes)
        with torch.device("meta"):
            self.network = Network(recipe)
        starts = _starts(space)
        places = [starts[stage] + depth for stage, depth in (b.place for b in recipe.blocks)]
        self.sources = {
            name: (_shared_name(name, places), tensor.shape)
            for name, tensor in self.network.state_dict().items()
        }


def part_of(tensor: Tensor, shape: torch.Size) -> Tensor:
    """The part of shared weights that a subnet has: the first channels, the centre of a kernel."""
    for dim, length in enumerate(shape):
        start = (tensor.shape[dim] - length) // 2 if dim >= 2 else 0
        if length != tensor.shape[dim]:
            tensor = tensor.narrow(dim, start, length)
    return tensor


def _starts(space: Space) -> list[int]:
    """The position of each stage's first block among all blocks of the supernetwork."""
    starts = [0]
    for stage in space.design.stages:
        starts.append(starts[-1] + stage.depths[-1])
    return starts


def _shared_name(name: str, places: list[int]) -> str:
    if not name.startswith("blocks."):
        return name
    _, index, rest = name.split(".", 2)
    return f"blocks.{places[int(index)]}.{rest}"
