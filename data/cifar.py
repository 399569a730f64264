"""CIFAR-10 and CIFAR-100 as their authors publish them and torchvision stores them.

Source: A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009,
https://www.cs.toronto.edu/~kriz/cifar.html. The files are pickles; they are read by an unpickler
that knows numbers, strings, lists and numpy arrays and nothing else.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataError
from .data_source import DataSource, source_of_pixels
from .downloads import Archive, data_folder, unpacked

SITE = "https://www.cs.toronto.edu/~kriz"
ARCHIVES = {
    "cifar10": Archive(
        url=f"{SITE}/cifar-10-python.tar.gz",
        md5="c58f30108f718f92721af3b95e74349a",
        folder="cifar-10-batches-py",
    ),
    "cifar100": Archive(
        url=f"{SITE}/cifar-100-python.tar.gz",
        md5="eb9058c3a382ffc7106e4002c42a8d85",
        folder="cifar-100-python",
    ),
}
FILES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "cifar10": {
        "train": tuple(f"data_batch_{i}" for i in range(1, 6)),
        "test": ("test_batch",),
    },
    "cifar100": {"train": ("train",), "test": ("test",)},
}
META = {"cifar10": ("batches.meta", b"label_names"), "cifar100": ("meta", b"fine_label_names")}
LABELS = {"cifar10": b"labels", "cifar100": b"fine_labels"}
SIDE = 32
ALLOWED = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("numpy.core.multiarray", "_reconstruct"): np.zeros(0).__reduce__()[0],
    ("numpy._core.multiarray", "_reconstruct"): np.zeros(0).__reduce__()[0],
}


def open_cifar(name: str, rest: str, *, download: bool) -> DataSource:
    """Opens `SPLIT[:DIR]` of "cifar10" or "cifar100".

    Args:
        name: the data set.
        rest: the split, "train" or "test" (default), and the folder that the archive was
            unpacked in (default: see downloads.py).
        download: fetch the archive where it is not there.

    Raises:
        DataError: there is no such split, or the files are missing or damaged.
    """
    split, _, folder = rest.partition(":")
    split = split or "test"
    if split not in FILES[name]:
        raise DataError(f"split must be train or test, got {split!r}", where=f"{name}:{rest}")
    root = Path(folder) if folder else data_folder()
    own = root if (root / META[name][0]).is_file() else None
    place = own or unpacked(ARCHIVES[name], root, download=download)
    batches = [_read(place / file) for file in FILES[name][split]]
    pixels = [_pixels(batch, place) for batch in batches]
    labels = [np.array(batch[LABELS[name]], np.int64) for batch in batches]
    file, key = META[name]
    classes = tuple(word.decode() for word in _read(place / file)[key])
    x, label = np.concatenate(pixels), np.concatenate(labels)
    if len(x) != len(label) or label.min() < 0 or label.max() >= len(classes):
        raise DataError("images, labels and class names do not fit together", where=str(place))
    return source_of_pixels(x, label, name=f"{name}:{rest}", classes=classes)


class _Unpickler(pickle.Unpickler):
    """Refuses whatever a CIFAR file does not need."""

    def find_class(self, module: str, name: str, /) -> Any:
        if (module, name) not in ALLOWED:
            raise pickle.UnpicklingError(f"refused: {module}.{name}")
        return ALLOWED[module, name]


def _read(path: Path) -> dict[bytes, Any]:
    if not path.is_file():
        raise DataError("no such file", where=str(path))
    try:
        with path.open("rb") as file:
            content = _Unpickler(file, encoding="bytes").load()
    except (pickle.UnpicklingError, EOFError, ValueError, TypeError, KeyError) as cause:
        raise DataError(f"not a CIFAR file: {cause}", where=str(path)) from cause
    if not isinstance(content, dict):
        raise DataError("not a CIFAR file", where=str(path))
    return content


def _pixels(batch: dict[bytes, Any], place: Path) -> np.ndarray[Any, np.dtype[np.uint8]]:
    data = batch.get(b"data")
    if (
        not isinstance(data, np.ndarray)
        or data.dtype != np.uint8
        or data.shape[1:] != (3 * SIDE**2,)
    ):
        raise DataError("expected images uint8 [n, 3072]", where=str(place))
    return np.ascontiguousarray(data.reshape(-1, 3, SIDE, SIDE).transpose(0, 2, 3, 1))
