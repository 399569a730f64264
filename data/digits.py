"""scikit-learn's digits (1,797 images of 8 x 8 pixels), and the one split of them in this package.

All samples are put into one order, seeded with 0, in which every stretch has the classes' shares:
the r-th of the n_c samples of class c stands at (r + 1/2) / n_c of the way. The first 600 are
"train", the next 400 "search", the next 257 "selection", the last 540 "test".
"""

from __future__ import annotations

import numpy as np

from ..arrays import FloatArray, IntArray
from ..errors import DataError, MissingExtraError

try:
    from sklearn.datasets import load_digits
except ImportError as error:
    raise MissingExtraError("the data set digits", extra="demo") from error

SPLITS = {"train": 600, "search": 400, "selection": 257, "test": 540}
SEED = 0
BRIGHTEST = 16


def digits(split: str | None = None) -> tuple[FloatArray, IntArray]:
    """Samples float32 [n, 1, 8, 8] in 0..1 and labels int64 [n] of a split; None: of all.

    Raises:
        DataError: there is no such split.
    """
    if split is not None and split not in SPLITS:
        raise DataError(f"digits has the splits {', '.join(SPLITS)}, got {split!r}")
    pixels, target = load_digits(return_X_y=True)
    x = (np.asarray(pixels) / BRIGHTEST).astype(np.float32).reshape(-1, 1, 8, 8)
    label = np.asarray(target).astype(np.int64)
    if split is None:
        return x, label
    rows = split_rows(label)[split]
    return x[rows], label[rows]


def split_rows(label: IntArray) -> dict[str, IntArray]:
    """The rows of each split, given the labels [1797]."""
    shuffled = np.random.default_rng(SEED).permutation(len(label))
    position = np.empty(len(label), np.float64)
    for c in np.unique(label):
        members = shuffled[label[shuffled] == c]
        position[members] = (np.arange(len(members)) + 0.5) / len(members)
    order = shuffled[np.argsort(position[shuffled], kind="stable")]
    ends = np.cumsum(list(SPLITS.values()))[:-1]
    return dict(zip(SPLITS, np.split(order, ends), strict=True))
