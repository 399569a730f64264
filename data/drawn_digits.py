"""scikit-learn's digits, drawn somewhere on 32 x 32 pixels: harder to read than the digits alone.

Each image is enlarged to 14 to 24 pixels, turned by up to 20 degrees, put at a random place, and
given noise. The pictures are the same each time. The splits are those of digits.py.
"""

from __future__ import annotations

import numpy as np

from ..arrays import FloatArray, IntArray
from .digits import SPLITS, digits, split_rows

SIDE = 32
SEED = 32
SIZES = (0.45, 0.75)
ANGLE = np.pi / 9
NOISE = 0.1
LEVELS = 255


def drawn_digits(split: str | None = None, *, n_drawings: int = 1) -> tuple[FloatArray, IntArray]:
    """Samples float32 [n_drawings * n, 1, 32, 32] in 0..1 and their labels; None: of all splits.

    The samples are those of the split in its order, then all of them drawn anew, and so on.

    Raises:
        DataError: there is no such split.
    """
    _, chosen = digits(split)
    images, label = digits()
    rows = split_rows(label)[split] if split in SPLITS else np.arange(len(label))
    drawings = [_drawing(images[:, 0], rows, drawing) for drawing in range(n_drawings)]
    return np.concatenate(drawings), np.tile(chosen, n_drawings)


def _drawing(images: FloatArray, rows: IntArray, drawing: int) -> FloatArray:
    """The drawing of that number of images[rows], float32 [n, 1, 32, 32]."""
    rng = np.random.default_rng((SEED, drawing))
    n = len(images)
    size = rng.uniform(*SIZES, n)
    angle = rng.uniform(-ANGLE, ANGLE, n)
    centre = rng.uniform(-1, 1, (2, n)) * (1 - size)
    noise = rng.normal(0, NOISE, (n, SIDE, SIDE))[rows]
    size, angle, centre = size[rows, None, None], angle[rows, None, None], centre[:, rows]
    grid = (np.arange(SIDE) + 0.5) * 2 / SIDE - 1
    right = grid[None, None, :] - centre[0][:, None, None]
    down = grid[None, :, None] - centre[1][:, None, None]
    x = (np.cos(angle) * right - np.sin(angle) * down) / size
    y = (np.sin(angle) * right + np.cos(angle) * down) / size
    drawn = np.clip(_between_pixels(images[rows], x, y) + noise, 0, 1)
    return (np.round(drawn * LEVELS) / LEVELS).astype(np.float32)[:, None]


def _between_pixels(images: FloatArray, x: FloatArray, y: FloatArray) -> FloatArray:
    """The images [n, h, h] at x, y [n, ...] in -1..1, bilinear; outside of them all is 0."""
    side = images.shape[-1]
    padded = np.pad(images, ((0, 0), (1, 2), (1, 2)))
    column, row = (np.clip((place + 1) * side / 2 + 0.5, 0, side + 1) for place in (x, y))
    left, top = column.astype(np.int64), row.astype(np.int64)
    across, along = column - left, row - top
    n = np.arange(len(images)).reshape(-1, *(1,) * (x.ndim - 1))
    upper = padded[n, top, left] * (1 - across) + padded[n, top, left + 1] * across
    lower = padded[n, top + 1, left] * (1 - across) + padded[n, top + 1, left + 1] * across
    return upper * (1 - along) + lower * along
