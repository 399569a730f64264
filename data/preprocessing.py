"""How the pixels of an image become a sample: `Preprocessing`.

The steps are those of torchvision's and timm's evaluation transforms: resize, centre crop,
divide, normalise. `images.py` does the resizing; what is computed here needs numpy alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np

from ..arrays import ByteArray, FloatArray
from ..errors import DataError
from ..files import read_json
from ..schema import check

Interpolation: TypeAlias = Literal["nearest", "bilinear", "bicubic", "lanczos"]
Layout: TypeAlias = Literal["nchw", "nhwc"]
CropOffset: TypeAlias = Literal["round", "floor"]

CHANNELS = (1, 3, 4)
EXAMPLE = (
    'an example: {"size": [224, 224], "crop": 0.875, "interpolation": "bicubic", "scale": 255, '
    '"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225], "layout": "nchw"} '
    "(docs/preprocessing.md)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Preprocessing:
    """From an image to a sample, float32 [channels, *size] or [*size, channels].

    Args:
        size: height and width of the sample.
        resize: the image's shorter side is made this long before the centre crop to `size`.
        crop: instead of `resize`: the share of the resized image that the crop keeps, so that
            the shorter side becomes floor(size / crop). With neither, the image is resized to
            `size` without regard to its proportions.
        squash: with `crop`: the image is resized to floor(size / crop) without regard to its
            proportions.
        crop_offset: what becomes of half a pixel where the crop begins: torchvision and timm
            "round" it (half to even), transformers takes the "floor".
        interpolation: of the resizing.
        scale: what the pixels 0..255 are divided by.
        mean: subtracted after that, one number for each channel or one for all.
        std: divided by after that, like `mean`.
        layout: "nchw" or "nhwc".

    Raises:
        DataError: `mean` and `std` have different lengths, `resize` comes with `crop`, or
            `squash` without.
    """

    size: tuple[int, int]
    resize: int | None = None
    crop: float | None = None
    squash: bool = False
    crop_offset: CropOffset = "round"
    interpolation: Interpolation = "bilinear"
    scale: float = 255.0
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    std: tuple[float, ...] = (1.0, 1.0, 1.0)
    layout: Layout = "nchw"

    def __post_init__(self) -> None:
        faults = []
        if len(self.mean) != len(self.std):
            faults.append(f"mean has {len(self.mean)} numbers, std has {len(self.std)}")
        if len(self.mean) not in CHANNELS:
            faults.append(f"images have 1, 3 or 4 channels, mean has {len(self.mean)} numbers")
        if self.resize is not None and self.crop is not None:
            faults.append("give resize or crop, not both")
        if self.squash and self.crop is None:
            faults.append("squash needs a crop")
        if faults:
            raise DataError(*faults, where="preprocessing")

    @classmethod
    def of(cls, content: Mapping[str, Any], *, where: str = "preprocessing") -> Preprocessing:
        """The preprocessing that a JSON object of schemas/preprocessing.schema.json describes.

        Raises:
            DataError: names every fault of the object.
        """
        check_preprocessing(content, where=where)
        values: dict[str, Any] = {
            key: tuple(value) if isinstance(value, (list, tuple)) else value
            for key, value in content.items()
        }
        try:
            return cls(**values)
        except DataError as cause:
            raise DataError(*cause.faults, EXAMPLE, where=where) from cause

    @classmethod
    def load(cls, path: Path) -> Preprocessing:
        """Reads a preprocessing.json.

        Raises:
            DataError: the file is missing or has faults.
        """
        content: Any = read_json(path, error=DataError)
        return cls.of(content, where=str(path))

    def to_json(self) -> dict[str, Any]:
        """The JSON object that `of` reads back."""
        values = asdict(self).items()
        return {key: list(v) if isinstance(v, tuple) else v for key, v in values if v is not None}

    def doubts(self) -> tuple[str, ...]:
        """What is possible but hardly meant, one sentence each."""
        largest = max(*map(abs, self.mean), *self.std)
        if self.scale <= 1 or largest <= 1:
            return ()
        return (
            f"its preprocessing divides pixels by scale {self.scale:g}, while mean or std "
            f"({largest:g}) is of pixels 0..255: say scale 1, or divide mean and std by 255",
        )

    @property
    def n_channels(self) -> int:
        """The channels of an image: as many as `mean` has numbers."""
        return len(self.mean)

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """The shape of one sample."""
        if self.layout == "nchw":
            return (self.n_channels, *self.size)
        return (*self.size, self.n_channels)

    def resized(self, size: tuple[int, int]) -> tuple[int, int]:
        """Height and width that an image of height and width `size` is resized to."""
        if self.resize is not None:
            return _shorter_side_to(size, self.resize)
        if self.crop is None:
            return self.size
        height, width = (math.floor(side / self.crop) for side in self.size)
        if self.squash:
            return height, width
        if height == width:
            return _shorter_side_to(size, height)
        ratio = min(size[0] / height, size[1] / width)
        return round(size[0] / ratio), round(size[1] / ratio)

    def offset(self, size: tuple[int, int]) -> tuple[int, int]:
        """The first row and column of the centre crop of an image of height and width `size`."""
        halves = [(whole - part) / 2 for whole, part in zip(size, self.size, strict=True)]
        top, left = map(math.floor if self.crop_offset == "floor" else round, halves)
        return top, left

    def normalised(self, pixels: ByteArray) -> FloatArray:
        """The samples that resized and cropped pixels uint8 [..., *size, n_channels] make."""
        # A pixel has 256 values: what becomes of each is computed once and looked up, channel by
        # channel, which takes a quarter of the time.
        values = np.arange(256, dtype=np.float32)[:, None] / np.float32(self.scale)
        values = (values - np.array(self.mean, np.float32)) / np.array(self.std, np.float32)
        samples = np.empty((*pixels.shape[:-3], *self.sample_shape), np.float32)
        planes = samples if self.layout == "nchw" else np.moveaxis(samples, -1, -3)
        for channel in range(self.n_channels):
            plane = planes[..., channel, :, :]
            np.take(values[:, channel], pixels[..., channel], out=plane, mode="clip")
        return samples


def check_preprocessing(content: Any, *, where: str) -> None:
    """Does nothing if a JSON value has the keys and types of a preprocessing.

    Raises:
        DataError: names every fault, and shows an example.
    """
    try:
        check(content, "preprocessing", error=DataError, where=where)
    except DataError as cause:
        raise DataError(*cause.faults, EXAMPLE, where=where) from cause


def _shorter_side_to(size: tuple[int, int], length: int) -> tuple[int, int]:
    # torchvision truncates the longer side; rounding would move the crop by a pixel.
    height, width = size
    if height <= width:
        return length, int(length * width / height)
    return int(length * height / width), length
