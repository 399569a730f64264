"""What one concrete network is made of, and what it costs: plain values, without torch.

A `Recipe` holds every size of a network of mobile inverted bottlenecks (MobileNetV2 and V3) or of
their fused form. Module, weights, multiply-adds and predicted time all come from it.

Sources: M. Sandler et al., "MobileNetV2", CVPR 2018, arXiv 1801.04381; A. Howard et al.,
"Searching for MobileNetV3", ICCV 2019, arXiv 1905.02244; the fused form: S. Gupta, M. Tan,
"EfficientNet-EdgeTPU", 2019.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

Activation: TypeAlias = Literal["relu", "relu6", "h_swish", "swish"]
# What is added to a block's answer: nothing, its input, its input averaged over the stride, or
# the latter behind a 1 x 1 convolution.
Shortcut: TypeAlias = Literal["none", "identity", "pooled", "projected"]
LayerKind: TypeAlias = Literal["dense", "pointwise", "depthwise", "linear"]

STEM_KERNEL = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockRecipe:
    """One inverted bottleneck: expand to `n_mid` channels, convolve, project to `n_out`.

    Args:
        place: stage and position in the stage, from 0: which block of a supernetwork it is.
        n_in, n_mid, n_out: channels.
        kernel: side of the convolution in pixels.
        stride: of that convolution.
        n_squeeze: channels between the two layers of squeeze and excitation; 0: there is none.
        activation: after all but the last convolution.
        shortcut: what is added at the end.
        is_expanded: whether a layer of its own expands; without it `n_mid` is `n_in`.
        is_fused: one dense convolution expands and convolves, instead of a 1 x 1 and a depthwise.
    """

    place: tuple[int, int]
    n_in: int
    n_mid: int
    n_out: int
    kernel: int
    stride: int
    n_squeeze: int
    activation: Activation
    shortcut: Shortcut
    is_expanded: bool
    is_fused: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """A network from the image to the logits.

    Args:
        resolution: the side in pixels that it works at; other inputs are resized inside.
        n_channels: of the input.
        n_stem: channels of the first convolution, 3 x 3.
        stem_stride: of the first convolution.
        activation: of the first convolution and of the head.
        blocks: in order.
        n_expand: channels of the last convolution before the mean over pixels; 0: there is none.
        n_features: channels of the convolution after the mean, without normalisation; 0: none.
        n_classes: of the classifier.
        epsilon: of every batch normalisation.
    """

    resolution: int
    n_channels: int
    n_stem: int
    stem_stride: int
    activation: Activation
    blocks: tuple[BlockRecipe, ...]
    n_expand: int
    n_features: int
    n_classes: int
    epsilon: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """A convolution or matrix product of a network.

    Args:
        kind: "dense" (a kernel over pixels and channels), "pointwise" (1 x 1), "depthwise" or
            "linear" (on one pixel).
        macs: multiply-adds per sample.
        elements: values that it reads and writes per sample, its weights not counted.
    """

    kind: LayerKind
    macs: int
    elements: int


def macs_of(recipe: Recipe) -> int:
    """Multiply-adds per sample; resizing, normalisation, activations and means count nothing."""
    return sum(layer.macs for layer in layers_of(recipe))


def layers_of(recipe: Recipe) -> Iterator[Layer]:
    """Every convolution and matrix product, in order."""
    side = recipe.resolution
    yield _convolution(recipe.n_channels, recipe.n_stem, STEM_KERNEL, recipe.stem_stride, side)
    side = out_side(side, recipe.stem_stride)
    for block in recipe.blocks:
        yield from _block_layers(block, side)
        side = out_side(side, block.stride)
    width = recipe.blocks[-1].n_out if recipe.blocks else recipe.n_stem
    if recipe.n_expand:
        yield _convolution(width, recipe.n_expand, 1, 1, side)
        width = recipe.n_expand
    if recipe.n_features:
        yield _linear(width, recipe.n_features)
        width = recipe.n_features
    yield _linear(width, recipe.n_classes)


def out_side(side: int, stride: int) -> int:
    """The side of what a padded convolution with an odd kernel makes of `side` pixels."""
    return (side - 1) // stride + 1


def _block_layers(block: BlockRecipe, side: int) -> Iterator[Layer]:
    end = out_side(side, block.stride)
    if block.is_fused:
        yield _convolution(block.n_in, block.n_mid, block.kernel, block.stride, side)
    else:
        if block.is_expanded:
            yield _convolution(block.n_in, block.n_mid, 1, 1, side)
        yield _depthwise(block.n_mid, block.kernel, block.stride, side)
    if block.n_squeeze:
        yield _linear(block.n_mid, block.n_squeeze)
        yield _linear(block.n_squeeze, block.n_mid)
    yield _convolution(block.n_mid, block.n_out, 1, 1, end)
    if block.shortcut == "projected":
        yield _convolution(block.n_in, block.n_out, 1, 1, end)


def _convolution(n_in: int, n_out: int, kernel: int, stride: int, side: int) -> Layer:
    pixels = out_side(side, stride) ** 2
    return Layer(
        kind="pointwise" if kernel == 1 else "dense",
        macs=pixels * n_in * n_out * kernel**2,
        elements=side**2 * n_in + pixels * n_out,
    )


def _depthwise(n: int, kernel: int, stride: int, side: int) -> Layer:
    pixels = out_side(side, stride) ** 2
    return Layer(kind="depthwise", macs=pixels * n * kernel**2, elements=side**2 * n + pixels * n)


def _linear(n_in: int, n_out: int) -> Layer:
    return Layer(kind="linear", macs=n_in * n_out, elements=n_in + n_out)
