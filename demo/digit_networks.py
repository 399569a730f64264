"""Networks for scikit-learn's digits: the pool that the demo trains.

They differ where real pools differ: in resolution, in kind, in width and in depth, from 160 MACs to
26 million. Each takes samples [n, 1, side, side] and shrinks them itself, so that all members of a
cascade share one input: 8 pixels (digits) or 32 (digits32). A SPEC rebuilds each from its weights:
`torch:encas.demo.digit_networks:network?family=dense&width=8&depth=1&size=4&side=32&weights=PATH`.
"""

from __future__ import annotations

import itertools
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias, get_args
from urllib.parse import urlencode

from ..errors import DataError, MissingExtraError
from .digit_blocks import BLOCKS, staged

try:
    import torch
    from torch import Tensor, nn
    from torch.nn import functional
    from torch.utils.flop_counter import FlopCounterMode
except ImportError as error:
    raise MissingExtraError("training the networks of the demo", extra="export") from error

Family: TypeAlias = Literal["dense", "convolution", "plain", "mobile", "residual"]

N_CLASSES = 10
SIDE = 32
SMALL_SIDE = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class DigitRecipe:
    """One network of the pool.

    Args:
        family: fully connected layers, 3 x 3 convolutions before one such layer, or three stages
            of blocks.
        width: units or channels of each hidden layer, or of the first stage.
        depth: hidden layers, or blocks of each stage; 0 in the family "dense" is a linear
            classifier.
        size: the resolution in pixels that the network works at: 4, 5, 8, 16 or 32.
    """

    family: Family
    width: int
    depth: int
    size: int

    @property
    def name(self) -> str:
        """A name that says it all, for example `convolution-w4-d1-8px`."""
        if self.depth == 0:
            return f"linear-{self.size}px"
        return f"{self.family}-w{self.width}-d{self.depth}-{self.size}px"

    def build(self) -> nn.Module:
        """The untrained network."""
        return network(
            family=self.family, width=self.width, depth=self.depth, size=self.size, side=SIDE
        )


def _recipes(family: Family, *shapes: tuple[int, int, int]) -> tuple[DigitRecipe, ...]:
    return tuple(DigitRecipe(family=family, width=w, depth=d, size=s) for w, d, s in shapes)


RECIPES = (
    *_recipes("dense", (0, 0, 4), (0, 0, 5), (0, 0, 8)),
    *_recipes("dense", (8, 1, 4), (16, 1, 5), (16, 1, 8), (32, 1, 8), (64, 2, 8)),
    *_recipes("convolution", (2, 1, 5), (4, 1, 5), (8, 1, 5), (8, 2, 5), (16, 2, 5)),
    *_recipes("convolution", (2, 1, 8), (4, 1, 8), (8, 1, 8), (16, 1, 8)),
    *_recipes("convolution", (2, 2, 8), (4, 2, 8), (8, 2, 8), (16, 2, 8)),
    *_recipes("convolution", (4, 3, 8), (8, 3, 8), (16, 3, 8)),
    *_recipes("plain", (4, 1, 16), (8, 1, 16), (16, 1, 16)),
    *_recipes("mobile", (8, 1, 16), (16, 1, 16)),
    *_recipes("residual", (8, 1, 16), (16, 1, 16), (16, 2, 16), (16, 1, 32), (16, 2, 32)),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedNetwork:
    """A trained network on the disk.

    Args:
        recipe: what was trained.
        weights: the file with its state dict.
        macs: multiply-adds per sample of the convolutions and matrix products.
        params: number of trained values.
    """

    recipe: DigitRecipe
    weights: Path
    macs: int
    params: int

    def spec(self, *, base: Path) -> str:
        """The SPEC that rebuilds it, for a file in the folder `base`: the path is relative."""
        query = {
            "family": self.recipe.family,
            "width": self.recipe.width,
            "depth": self.recipe.depth,
            "size": self.recipe.size,
            "side": SIDE,
            "input_shape": f"1x{SIDE}x{SIDE}",
            "weights": os.path.relpath(self.weights, base),
        }
        return f"torch:{__name__}:network?{urlencode(query, safe='/')}"

    def load(self) -> nn.Module:
        """The network with its weights, in eval mode."""
        model = self.recipe.build()
        model.load_state_dict(torch.load(self.weights, weights_only=True))
        return model.eval()


class Shrink(nn.Module):
    """Makes samples [n, 1, side, side] smaller, to [n, 1, size, size]."""

    def __init__(self, size: int, side: int) -> None:
        super().__init__()
        self.size = size
        self.side = side

    def forward(self, x: Tensor) -> Tensor:
        """The samples at the wanted size: as they are, means of squares, or interpolated."""
        if self.side % self.size == 0:
            return x if self.size == self.side else functional.avg_pool2d(x, self.side // self.size)
        if self.side > SMALL_SIDE:
            x = functional.avg_pool2d(x, self.side // SMALL_SIDE)
        return functional.interpolate(x, size=(self.size, self.size), mode="bilinear")


def network(
    *, family: Family, width: int, depth: int, size: int, side: int = SMALL_SIDE
) -> nn.Module:
    """The untrained network of a recipe: samples [n, 1, side, side] in 0..1 to logits [n, 10].

    Raises:
        DataError: there is no such network.
    """
    is_known = family in get_args(Family) and side in (SMALL_SIDE, SIDE)
    if not is_known or not 2 <= size <= side or depth < (family != "dense"):
        raise DataError(f"no network of family {family!r}, depth {depth} and size {size}")
    if family in BLOCKS:
        layers = staged(family, width=width, depth=depth, n_classes=N_CLASSES)
        return nn.Sequential(Shrink(size, side), *layers)
    if family == "dense":
        widths = [size * size] + [width] * depth
        hidden = [(nn.Linear(a, b), nn.ReLU()) for a, b in itertools.pairwise(widths)]
        layers = [nn.Flatten(), *itertools.chain(*hidden), nn.Linear(widths[-1], N_CLASSES)]
        return nn.Sequential(Shrink(size, side), *layers)
    convolutions: list[nn.Module] = []
    for index, channels in enumerate([1] + [width] * (depth - 1)):
        convolutions += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
        convolutions += [nn.MaxPool2d(2)] if index == 0 else []
    classifier = nn.Linear(width * (size // 2) ** 2, N_CLASSES)
    return nn.Sequential(Shrink(size, side), *convolutions, nn.Flatten(), classifier)


def macs_of(model: nn.Module) -> int:
    """Multiply-adds of convolutions and matrix products per sample; shrinking is not counted."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(torch.zeros(1, 1, SIDE, SIDE))
    return counter.get_total_flops() // 2
