"""Random changes of training batches: crops, shifts, mirrors, and CutMix.

Sources: random resized crops: C. Szegedy et al., "Going Deeper with Convolutions", CVPR 2015,
arXiv 1409.4842; CutMix: S. Yun et al., ICCV 2019, arXiv 1905.04899.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

LOG_RATIO = 0.2877  # of the sides of a crop: between 3 : 4 and 4 : 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Augmentation:
    """How batches are changed.

    Args:
        min_area: the smallest share of an image that a crop keeps; 1: no crops.
        shift: how far an image is moved at most, as a share of its side.
        mirror: whether half of the images are mirrored.
        cutmix: the share of batches that CutMix is applied to.
    """

    min_area: float = 1.0
    shift: float = 0.0
    mirror: bool = False
    cutmix: float = 0.0


def augmented(
    x: Tensor, targets: Tensor, how: Augmentation, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """A batch [n, channels, side, side] and its targets [n, n_classes], changed at random.

    Args:
        x: samples; where a shift leaves the image, the border pixel is repeated.
        targets: shares of classes.
        how: what is done.
        generator: all randomness; the same on every device.
    """
    if how.min_area < 1 or how.shift or how.mirror:
        grid = functional.affine_grid(
            _views(len(x), x.shape[-1], how, generator).to(x.device),
            list(x.shape),
            align_corners=False,
        )
        x = functional.grid_sample(x, grid, padding_mode="border", align_corners=False)
        x = x.contiguous(memory_format=torch.channels_last)
    if how.cutmix and torch.rand((), generator=generator) < how.cutmix:
        return _cut_and_mixed(x, targets, generator)
    return x, targets


def _views(n: int, side: int, how: Augmentation, generator: torch.Generator) -> Tensor:
    """What each image shows, as affine maps [n, 2, 3] of [-1, 1] x [-1, 1]."""
    area = how.min_area + (1 - how.min_area) * torch.rand(n, generator=generator)
    draws = torch.rand(2, n, generator=generator)
    log_ratio = LOG_RATIO * (2 * draws[0] - 1) if how.min_area < 1 else torch.zeros(n)
    width = (area * log_ratio.exp()).sqrt().clamp(max=1)
    height = (area / log_ratio.exp()).sqrt().clamp(max=1)
    sizes = torch.stack((width, height))
    places = 2 * torch.rand(2, n, generator=generator) - 1
    pixels = (places * how.shift * side).round()  # whole pixels: a shift alone blurs nothing
    middle = (2 * torch.rand(2, n, generator=generator) - 1) * (1 - sizes) + 2 * pixels / side
    mirrored = (draws[1] < 0.5) & how.mirror
    views = torch.zeros(n, 2, 3)
    views[:, 0, 0] = torch.where(mirrored, -width, width)
    views[:, 1, 1] = height
    views[:, :, 2] = middle.T
    return views


def _cut_and_mixed(x: Tensor, targets: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """One box of every image is replaced by that of another image of the batch."""
    n, _, height, width = x.shape
    others = torch.randperm(n, generator=generator).to(x.device)
    cut = (1 - torch.rand((), generator=generator)).sqrt()
    middle = torch.rand(2, generator=generator)
    sides = torch.tensor((height, width))
    low = ((middle - cut / 2) * sides).round().clamp(min=0).long()
    high = torch.minimum(((middle + cut / 2) * sides).round().long(), sides)
    top, left, bottom, right = (int(v) for v in (*low, *high))
    mixed = x.clone(memory_format=torch.channels_last)
    mixed[:, :, top:bottom, left:right] = x[others, :, top:bottom, left:right]
    kept = 1 - (bottom - top) * (right - left) / (height * width)
    return mixed, kept * targets + (1 - kept) * targets[others]
