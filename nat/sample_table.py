"""Labelled samples in memory: decoded once, kept as bytes, normalised batch by batch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from ..arrays import IntArray
from ..data.data_source import DataSource
from ..data.pixels import pixel_steps, read_pixels
from ..data.preprocessing import Preprocessing
from ..errors import DataError

IMAGE_DIMENSIONS = 3


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SampleTable:
    """Samples that fit into memory.

    Args:
        x: uint8 (pixels) or float32 (samples as they are) [n, n_channels, side, side].
        label: int64 [n].
        n_classes: of the data.
        preprocessing: divides and normalises pixels; None for samples as they are.
    """

    x: Tensor
    label: Tensor
    n_classes: int
    preprocessing: Preprocessing | None
    _scale: tuple[Tensor, Tensor] | None = field(init=False)

    def __post_init__(self) -> None:
        scale = None
        if self.preprocessing is not None:
            values = (self.preprocessing.mean, self.preprocessing.std)
            mean, std = (torch.tensor(v, device=self.x.device).view(1, -1, 1, 1) for v in values)
            scale = (mean, std)
        object.__setattr__(self, "_scale", scale)

    @property
    def n_samples(self) -> int:
        """The number of samples."""
        return len(self.label)

    @property
    def shape(self) -> tuple[int, int]:
        """Channels and side of a sample."""
        return self.x.shape[1], self.x.shape[2]

    def batch(self, rows: Tensor) -> Tensor:
        """The samples of `rows` [n], float32 [n, n_channels, side, side], channels last."""
        x = self.x[rows.to(self.x.device)]
        if self._scale is None or self.preprocessing is None:
            return x.contiguous(memory_format=torch.channels_last)
        mean, std = self._scale
        x = (x.float() / self.preprocessing.scale - mean) / std
        return x.contiguous(memory_format=torch.channels_last)

    def batches(self, size: int) -> Iterator[Tensor]:
        """All samples in order, in batches of at most `size`."""
        for rows in torch.arange(self.n_samples).split(size):
            yield self.batch(rows)

    def to(self, device: torch.device) -> SampleTable:
        """The same samples on a device."""
        return SampleTable(
            x=self.x.to(device),
            label=self.label.to(device),
            n_classes=self.n_classes,
            preprocessing=self.preprocessing,
        )


def table_of(data: DataSource, preprocessing: Preprocessing | None) -> SampleTable:
    """Reads all samples of the data.

    Args:
        data: images, or samples [n, n_channels, side, side].
        preprocessing: how images become samples; of samples it is None.

    Raises:
        DataError: the samples are no square images, or images come without a preprocessing.
    """
    plan = None
    if data.is_image:
        if preprocessing is None:
            raise DataError("images need a preprocessing", where=data.name)
        plan = pixel_steps(preprocessing)
    x = read_pixels(data, plan, 0, data.n_samples)
    # Bytes of pixels stay as they are decoded: seen from outside, channels come first.
    tensor = torch.from_numpy(np.ascontiguousarray(x))
    tensor = tensor.permute(0, 3, 1, 2) if data.is_image else tensor
    if tensor.ndim != IMAGE_DIMENSIONS + 1 or tensor.shape[2] != tensor.shape[3]:
        got = list(tensor.shape[1:])
        raise DataError(f"expected samples [channels, side, side], got {got}", where=data.name)
    return SampleTable(
        x=tensor,
        label=torch.tensor(data.label),
        n_classes=data.n_classes,
        preprocessing=preprocessing if data.is_image else None,
    )


def split_rows(label: IntArray, order: IntArray, share: float) -> tuple[IntArray, IntArray]:
    """The rows to train on and those to search on, the latter a `share` of `order` [n]."""
    n_search = round(share * len(label))
    return np.sort(order[n_search:]), np.sort(order[:n_search])
