"""Reads image files and resizes images, with Pillow, as torchvision and timm do."""

from __future__ import annotations

import warnings
from typing import BinaryIO

import numpy as np

from ..arrays import ByteArray, FloatArray
from ..errors import DataError, MissingExtraError
from .preprocessing import Preprocessing

try:
    from PIL import Image, ImageOps, UnidentifiedImageError
except ImportError as error:
    raise MissingExtraError("reading image files", extra="images") from error

FORMATS = ("BMP", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
MODES = {1: "L", 3: "RGB", 4: "RGBA"}
# Formats whose widest grey has 16 bits, though Pillow opens it with 32.
WIDE = ("PNG", "PPM")
MAX_PIXELS = 64 * 2**20
INTERPOLATIONS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


def read_sample(file: BinaryIO, preprocessing: Preprocessing, *, where: str) -> FloatArray:
    """The sample that an image file makes.

    Raises:
        DataError: the file is no image of a known format, truncated, or larger than 64 megapixels.
    """
    try:
        with warnings.catch_warnings():
            # Our own limit is lower than the one that Pillow warns of.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(file, formats=FORMATS) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise DataError(
                        f"expected at most {MAX_PIXELS} pixels, got {image.width} x {image.height}",
                        where=where,
                    )
                return sample_of(image, preprocessing)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as cause:
        if isinstance(cause, DataError):
            raise DataError(*cause.faults, where=where) from cause
        # Pillow names the object that it read from, which tells a user nothing.
        is_unknown = isinstance(cause, UnidentifiedImageError)
        told = f"none of {', '.join(FORMATS)}" if is_unknown else str(cause)
        raise DataError(f"not an image that can be read: {told}", where=where) from cause


def sample_of_pixels(pixels: ByteArray, preprocessing: Preprocessing) -> FloatArray:
    """The sample that the pixels uint8 [H, W, 1 or 3] of one image make."""
    return sample_of(
        Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels), preprocessing
    )


def sample_of(image: Image.Image, preprocessing: Preprocessing) -> FloatArray:
    """The sample float32 [*preprocessing.sample_shape] that an image makes."""
    image = _eight_bits(image).convert(MODES[preprocessing.n_channels])
    height, width = preprocessing.resized((image.height, image.width))
    if (width, height) != image.size:
        image = image.resize((width, height), INTERPOLATIONS[preprocessing.interpolation])
    pixels = np.asarray(_centre_crop(image, preprocessing))
    return preprocessing.normalised(pixels[..., None] if pixels.ndim == 2 else pixels)


def _eight_bits(image: Image.Image) -> Image.Image:
    """The image with 8 bits a channel: Pillow's conversion would cut larger numbers off at 255.

    Raises:
        DataError: the range of its numbers is not known.
    """
    has_16_bits = image.mode.startswith("I;16") or (image.mode == "I" and image.format in WIDE)
    if has_16_bits:
        numbers = np.asarray(image).astype(np.int64)
        return Image.fromarray(((numbers + 128) // 257).astype(np.uint8))
    if image.mode in ("I", "F"):
        kind = "float" if image.mode == "F" else "32-bit"
        raise DataError(f"has {kind} pixels, whose range is not known: store 8 or 16 bits")
    return image


def _centre_crop(image: Image.Image, preprocessing: Preprocessing) -> Image.Image:
    height, width = preprocessing.size
    if height > image.height or width > image.width:
        missing = max(width - image.width, 0), max(height - image.height, 0)
        borders = [side // 2 for side in missing] + [(side + 1) // 2 for side in missing]
        image = ImageOps.expand(image, border=(borders[0], borders[1], borders[2], borders[3]))
    top, left = preprocessing.offset((image.height, image.width))
    return image.crop((left, top, left + width, top + height))
