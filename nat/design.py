"""Designs of supernetworks: the sizes that each part may take, and the recipe of a choice."""

from __future__ import annotations

from dataclasses import dataclass, replace

from .recipe import Activation, BlockRecipe, Recipe, Shortcut

SQUEEZE_SHARE = 4
SQUEEZE_DIVISOR = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class StageDesign:
    """Blocks of one width in a row; only the first of them has the stride. Choices ascend.

    Args:
        widths: channels that the blocks may give.
        depths: how many blocks there may be.
        kernels: sides of the convolution.
        expansions: channels inside a block for each that comes in.
        stride: of the first block.
        has_squeeze: whether the blocks have squeeze and excitation.
        activation: of the blocks.
        is_fused: see `BlockRecipe`.
    """

    widths: tuple[int, ...]
    depths: tuple[int, ...]
    kernels: tuple[int, ...]
    expansions: tuple[int, ...]
    stride: int
    has_squeeze: bool = False
    activation: Activation = "relu"
    is_fused: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SubnetBlock:
    """The choice for one block."""

    width: int
    kernel: int
    expansion: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """The choice for a whole network: what a genome stands for.

    Args:
        resolution: side of the image in pixels.
        stem: channels of the first convolution.
        stages: the blocks of each stage.
        head: channels of the last layer before the classifier; 0 where the design has none.
    """

    resolution: int
    stem: int
    stages: tuple[tuple[SubnetBlock, ...], ...]
    head: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """A supernetwork's choices. All of them ascend, so the last ones make its largest subnet.

    Args:
        name: of the supernetwork.
        resolutions: sides of the image in pixels; the last is the size of an input.
        n_channels: of an input.
        stems: channels of the first convolution.
        stem_stride: of the first convolution.
        activation: of the first convolution and of the head.
        stages: in order.
        n_expand: channels of the last convolution before the mean over pixels; 0: there is none.
        expand_ratio: instead of `n_expand`: so many times the channels of the last block.
        heads: channels of the layer after the mean; (0,): there is none.
        is_pooled: whether blocks that change the shape have a shortcut of averages, too, as in
            BigNAS (Yu et al., ECCV 2020, arXiv 2003.11142, section 3.2); or else none.
        epsilon: of every batch normalisation.
        divisor: the channels inside blocks are multiples of it.
    """

    name: str
    resolutions: tuple[int, ...]
    n_channels: int = 3
    stems: tuple[int, ...]
    stem_stride: int = 2
    activation: Activation
    stages: tuple[StageDesign, ...]
    n_expand: int = 0
    expand_ratio: int = 0
    heads: tuple[int, ...] = (0,)
    is_pooled: bool = False
    epsilon: float = 1e-5
    divisor: int = 8

    @property
    def size(self) -> int:
        """The side of an input in pixels: subnets of a lower resolution resize it themselves."""
        return self.resolutions[-1]

    @property
    def largest(self) -> Architecture:
        """The subnet that has the last choice everywhere."""
        stages = [
            (SubnetBlock(width=s.widths[-1], kernel=s.kernels[-1], expansion=s.expansions[-1]),)
            * s.depths[-1]
            for s in self.stages
        ]
        return Architecture(
            resolution=self.size, stem=self.stems[-1], stages=tuple(stages), head=self.heads[-1]
        )

    def recipe(self, architecture: Architecture, *, n_classes: int) -> Recipe:
        """All sizes of one subnet."""
        blocks: list[BlockRecipe] = []
        width = architecture.stem
        for index, chosen in enumerate(architecture.stages):
            for depth, block in enumerate(chosen):
                blocks.append(self._block(block, (index, depth), width))
                width = block.width
        return Recipe(
            resolution=architecture.resolution,
            n_channels=self.n_channels,
            n_stem=architecture.stem,
            stem_stride=self.stem_stride,
            activation=self.activation,
            blocks=tuple(blocks),
            n_expand=self.n_expand or self.expand_ratio * width,
            n_features=architecture.head,
            n_classes=n_classes,
            epsilon=self.epsilon,
        )

    def full_recipe(self, *, n_classes: int) -> Recipe:
        """The sizes of all weights: of the largest subnet, with every shortcut's convolution."""
        largest = self.recipe(self.largest, n_classes=n_classes)
        if not self.is_pooled:
            return largest
        blocks = tuple(replace(block, shortcut="projected") for block in largest.blocks)
        return replace(largest, blocks=blocks)

    def _block(self, block: SubnetBlock, place: tuple[int, int], n_in: int) -> BlockRecipe:
        index, depth = place
        stage = self.stages[index]
        stride = stage.stride if depth == 0 else 1
        n_mid = divisible(n_in * block.expansion, self.divisor)
        squeezed = divisible(n_mid // SQUEEZE_SHARE, SQUEEZE_DIVISOR)
        is_expanded = stage.expansions[-1] > 1
        return BlockRecipe(
            place=place,
            n_in=n_in,
            n_mid=n_mid if is_expanded else n_in,
            n_out=block.width,
            kernel=block.kernel,
            stride=stride,
            n_squeeze=squeezed if stage.has_squeeze else 0,
            activation=stage.activation,
            shortcut=self._shortcut(n_in, block.width, stride),
            is_expanded=is_expanded,
            is_fused=stage.is_fused,
        )

    def _shortcut(self, n_in: int, n_out: int, stride: int) -> Shortcut:
        if n_in == n_out and stride == 1:
            return "identity"
        if not self.is_pooled:
            return "none"
        return "pooled" if n_in == n_out else "projected"


def divisible(value: float, divisor: int) -> int:
    """The multiple of `divisor` nearest to `value`, but not more than a tenth below it.

    Source: the rule of MobileNetV2's authors for numbers of channels.
    """
    nearest = max(divisor, int(value + divisor / 2) // divisor * divisor)
    return nearest + divisor if nearest < 0.9 * value else nearest
