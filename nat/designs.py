"""The designs of the supernetworks that this package knows, by name.

ofa-mbv3-w1.0, ofa-mbv3-w1.2
    Once-for-All on MobileNetV3 (Cai et al., ICLR 2020, arXiv 1908.09791)
ofa-proxyless-w1.3
    Once-for-All on ProxylessNAS (Cai et al., ICLR 2019, arXiv 1812.00332)
attentive-nas
    AttentiveNAS (Wang et al., CVPR 2021, arXiv 2011.09011)
alphanet
    the same design, other weights (Wang et al., ICML 2021, arXiv 2102.07954)
small-mobile, small-fused
    ours, for images of 8 to 64 pixels; trained here, nothing is published
"""

from __future__ import annotations

from ..errors import SearchError
from .design import Design, StageDesign, divisible
from .recipe import Activation
from .space import LayerSpace, Space, StageSpace

OFA_RESOLUTIONS = tuple(range(192, 257, 4))
OFA_DEPTHS, OFA_KERNELS, OFA_EXPANSIONS = (2, 3, 4), (3, 5, 7), (3, 4, 6)
SMALL = ("small-mobile", "small-fused")
SMALLEST_SIDE, LARGEST_SIDE = 8, 64


def space_of(name: str, *, size: int | None = None, n_channels: int = 3) -> Space:
    """The search space of a supernetwork.

    Args:
        name: see the head of this module.
        size: side of the input in pixels; only the small supernetworks leave a choice.
        n_channels: of the input; likewise.

    Raises:
        SearchError: there is no such supernetwork, or not for such images.
    """
    if name in SMALL:
        return StageSpace(design=small_design(name, size=size or 32, n_channels=n_channels))
    if name not in SPACES:
        raise SearchError(f"supernetwork must be one of {', '.join(NAMES)}, got {name!r}")
    space = SPACES[name]
    if size not in (None, space.design.size) or n_channels != space.design.n_channels:
        expected = f"{space.design.n_channels} channels of {space.design.size} pixels"
        got = f"{n_channels} of {size or space.design.size}"
        raise SearchError(f"{name} takes images with {expected} a side, got {got}")
    return space


def small_design(name: str, *, size: int, n_channels: int) -> Design:
    """A supernetwork for small images, which two processor cores train.

    It halves the image two or three times, down to two to four pixels, and its widths grow with
    the image. "small-mobile" has depthwise convolutions, "small-fused" dense ones, which cost more
    multiply-adds and less time for each.

    Raises:
        SearchError: the images are too small or too large.
    """
    if not SMALLEST_SIDE <= size <= LARGEST_SIDE:
        allowed = f"{SMALLEST_SIDE}..{LARGEST_SIDE}"
        raise SearchError(f"{name} takes images of {allowed} pixels a side, got {size}")
    is_fused = name == "small-fused"
    scale = 1 if size < 16 else 2
    widths = (4, 6, 8), (8, 12, 16), (16, 24, 32)
    strides = (1, 2, 2) if size < 24 else (2, 2, 2)
    stages = tuple(
        StageDesign(
            widths=tuple(scale * width for width in own),
            depths=(1, 2) if size < 16 else (1, 2, 3),
            kernels=(3,) if is_fused else (3, 5),
            expansions=(1, 2) if is_fused else (2, 3),
            stride=stride,
            is_fused=is_fused,
        )
        for own, stride in zip(widths, strides, strict=True)
    )
    return Design(
        name=name,
        resolutions=tuple(size * share // 8 for share in (5, 6, 7, 8)),
        n_channels=n_channels,
        stems=(4 * scale, 8 * scale),
        stem_stride=1 if size < 48 else 2,
        activation="relu",
        stages=stages,
        divisor=4,
    )


def _ofa_mobilenet(width: float) -> Space:
    def scaled(channels: int) -> int:
        return divisible(channels * width, 8)

    rows: tuple[tuple[int, int, bool, Activation], ...] = (
        (24, 2, False, "relu"),
        (40, 2, True, "relu"),
        (80, 2, False, "h_swish"),
        (112, 1, True, "h_swish"),
        (160, 2, True, "h_swish"),
    )
    first = StageDesign(widths=(scaled(16),), depths=(1,), kernels=(3,), expansions=(1,), stride=1)
    searched = tuple(
        StageDesign(
            widths=(scaled(channels),),
            stride=stride,
            has_squeeze=has_squeeze,
            activation=activation,
            depths=OFA_DEPTHS,
            kernels=OFA_KERNELS,
            expansions=OFA_EXPANSIONS,
        )
        for channels, stride, has_squeeze, activation in rows
    )
    design = Design(
        name=f"ofa-mbv3-w{width}",
        resolutions=OFA_RESOLUTIONS,
        stems=(scaled(16),),
        activation="h_swish",
        stages=(first, *searched),
        n_expand=scaled(960),
        heads=(scaled(1280),),
    )
    return LayerSpace(design=design, searched=range(1, 6))


def _ofa_proxyless(width: float) -> Space:
    def searched(channels: int, stride: int, depths: tuple[int, ...] = OFA_DEPTHS) -> StageDesign:
        return StageDesign(
            widths=(divisible(channels * width, 8),),
            depths=depths,
            kernels=OFA_KERNELS,
            expansions=OFA_EXPANSIONS,
            stride=stride,
            activation="relu6",
        )

    first = StageDesign(
        widths=(divisible(16 * width, 8),),
        depths=(1,),
        kernels=(3,),
        expansions=(1,),
        stride=1,
        activation="relu6",
    )
    rows = ((24, 2), (40, 2), (80, 2), (96, 1), (192, 2))
    design = Design(
        name=f"ofa-proxyless-w{width}",
        resolutions=OFA_RESOLUTIONS,
        stems=(divisible(32 * width, 8),),
        activation="relu6",
        stages=(
            first,
            *(searched(channels, stride) for channels, stride in rows),
            searched(320, 1, depths=(1,)),
        ),
        n_expand=divisible(1280 * width, 8),
        epsilon=1e-3,
    )
    return LayerSpace(design=design, searched=range(1, 6))


def _attentive_nas(name: str) -> Space:
    rows: tuple[tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...], int, bool], ...] = (
        ((16, 24), (1, 2), (1,), 1, False),
        ((24, 32), (3, 4, 5), (4, 5, 6), 2, False),
        ((32, 40), (3, 4, 5, 6), (4, 5, 6), 2, True),
        ((64, 72), (3, 4, 5, 6), (4, 5, 6), 2, False),
        ((112, 120, 128), (3, 4, 5, 6, 7, 8), (4, 5, 6), 1, True),
        ((192, 200, 208, 216), (3, 4, 5, 6, 7, 8), (6,), 2, True),
        ((216, 224), (1, 2), (6,), 1, True),
    )
    stages = tuple(
        StageDesign(
            widths=widths,
            depths=depths,
            kernels=(3, 5),
            expansions=expansions,
            stride=stride,
            has_squeeze=has_squeeze,
            activation="swish",
        )
        for widths, depths, expansions, stride, has_squeeze in rows
    )
    design = Design(
        name=name,
        resolutions=(192, 224, 256, 288),
        stems=(16, 24),
        activation="swish",
        stages=stages,
        expand_ratio=6,
        heads=(1792, 1984),
        is_pooled=True,
    )
    return StageSpace(design=design)


SPACES = {
    space.design.name: space
    for space in (
        _ofa_mobilenet(1.0),
        _ofa_mobilenet(1.2),
        _ofa_proxyless(1.3),
        _attentive_nas("attentive-nas"),
        _attentive_nas("alphanet"),
    )
}
NAMES = (*SPACES, *SMALL)
