"""The plain torch module of a recipe: what is trained, extracted, stored and exported."""

from __future__ import annotations

from typing import cast

from ..errors import MissingExtraError
from .recipe import STEM_KERNEL, Activation, BlockRecipe, Recipe

try:
    import torch
    from torch import Tensor, nn
    from torch.nn import functional
except ImportError as error:
    raise MissingExtraError("supernetworks", extra="nat") from error


class Network(nn.Module):
    """Samples [n, n_channels, side, side] of any side to logits [n, n_classes].

    Samples of another side than the recipe's resolution are resized here, so that all subnets of a
    supernetwork take the same samples.

    Args:
        recipe: every size.
    """

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        self.resolution = recipe.resolution
        stem = (recipe.n_channels, recipe.n_stem, STEM_KERNEL, recipe.stem_stride)
        self.stem = Convolution(*stem, recipe=recipe, activation=recipe.activation)
        self.blocks = nn.ModuleList(InvertedBlock(block, recipe) for block in recipe.blocks)
        width = recipe.blocks[-1].n_out if recipe.blocks else recipe.n_stem
        self.expand = self.features = None
        if recipe.n_expand:
            self.expand = Convolution(
                width, recipe.n_expand, 1, 1, recipe=recipe, activation=recipe.activation
            )
            width = recipe.n_expand
        if recipe.n_features:
            self.features = BareConv2d(width, recipe.n_features, 1, bias=False)
            self.activation = activation_of(recipe.activation)
            width = recipe.n_features
        self.classifier = BareLinear(width, recipe.n_classes)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        x = resized(x, self.resolution)
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        if self.expand is not None:
            x = self.expand(x)
        x = mean_over_pixels(x)
        if self.features is not None:
            x = self.activation(self.features(x))
        return self.classifier(x.flatten(1))


class BareConv2d(nn.Conv2d):
    """A convolution whose weights are not drawn, which would take longer than all the rest."""

    def reset_parameters(self) -> None:
        """Draws nothing."""


class BareLinear(nn.Linear):
    """A linear layer whose weights are not drawn."""

    def reset_parameters(self) -> None:
        """Draws nothing."""


class Convolution(nn.Module):
    """Convolution, batch normalisation, activation."""

    def __init__(
        self,
        n_in: int,
        n_out: int,
        kernel: int,
        stride: int,
        *,
        recipe: Recipe,
        activation: Activation | None = None,
        groups: int = 1,
    ) -> None:
        super().__init__()
        self.conv = BareConv2d(n_in, n_out, kernel, stride, kernel // 2, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(n_out, eps=recipe.epsilon)
        self.activation = activation_of(activation) if activation else None

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        x = self.norm(self.conv(x))
        return x if self.activation is None else self.activation(x)


class InvertedBlock(nn.Module):
    """A block of a `BlockRecipe`."""

    def __init__(self, block: BlockRecipe, recipe: Recipe) -> None:
        super().__init__()
        act, n_mid = block.activation, block.n_mid
        self.expand = self.depthwise = self.squeeze = None
        if block.is_fused:
            self.expand = Convolution(
                block.n_in, n_mid, block.kernel, block.stride, recipe=recipe, activation=act
            )
        elif block.is_expanded:
            self.expand = Convolution(block.n_in, n_mid, 1, 1, recipe=recipe, activation=act)
        if not block.is_fused:
            self.depthwise = Convolution(
                n_mid, n_mid, block.kernel, block.stride, recipe=recipe, activation=act,
                groups=n_mid,
            )  # fmt: skip
        if block.n_squeeze:
            self.squeeze = Squeeze(n_mid, block.n_squeeze)
        self.project = Convolution(n_mid, block.n_out, 1, 1, recipe=recipe)
        self.shortcut = Shortcut(block) if block.shortcut != "none" else None

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        y = x
        for part in (self.expand, self.depthwise, self.squeeze, self.project):
            y = y if part is None else part(y)
        return y if self.shortcut is None else y + self.shortcut(x)


class Shortcut(nn.Module):
    """What a block adds to its answer, see `recipe.Shortcut`."""

    def __init__(self, block: BlockRecipe) -> None:
        super().__init__()
        self.stride = block.stride
        self.project = None
        if block.shortcut == "projected":
            self.project = BareConv2d(block.n_in, block.n_out, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        if self.stride > 1:
            x = functional.avg_pool2d(x, self.stride, ceil_mode=True)
        return x if self.project is None else self.project(x)


class Squeeze(nn.Module):
    """Squeeze and excitation as in MobileNetV3: ReLU inside, a hard sigmoid at the end."""

    def __init__(self, n: int, n_squeeze: int) -> None:
        super().__init__()
        self.reduce = BareConv2d(n, n_squeeze, 1)
        self.expand = BareConv2d(n_squeeze, n, 1)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        scale = functional.relu(self.reduce(mean_over_pixels(x)))
        return x * functional.hardsigmoid(self.expand(scale))


def activation_of(name: Activation) -> nn.Module:
    """The activation of that name."""
    kinds = {"relu": nn.ReLU, "relu6": nn.ReLU6, "h_swish": nn.Hardswish, "swish": nn.SiLU}
    return kinds[name](inplace=True)


def mean_over_pixels(x: Tensor) -> Tensor:
    """[n, channels, height, width] to [n, channels, 1, 1]."""
    return x.mean(3, keepdim=True).mean(2, keepdim=True)


def resized(x: Tensor, side: int) -> Tensor:
    """Samples [n, channels, H, W] as [n, channels, side, side], bilinear; those that fit stay."""
    if x.shape[-2:] == (side, side):
        return x
    return functional.interpolate(x, size=(side, side), mode="bilinear", align_corners=False)


def initialise(module: nn.Module, *, seed: int) -> None:
    """Random weights: He et al. 2015 (fan out) for convolutions, small ones for classifiers."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for part in module.modules():
            if isinstance(part, nn.Conv2d):
                fan_out = part.weight.shape[0] * part.weight[0, 0].numel() / part.groups
                part.weight.normal_(0, (2 / fan_out) ** 0.5, generator=generator)
                if part.bias is not None:
                    part.bias.zero_()
            elif isinstance(part, nn.Linear):
                part.weight.normal_(0, 0.01, generator=generator)
                cast(Tensor, part.bias).zero_()
