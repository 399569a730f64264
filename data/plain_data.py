"""Data that are plain files of this machine, or come with a package.

FOLDER or FILE.zip     images in ImageFolder layout: one folder for each class
npz:FILE               x uint8 [N, H, W, 3] (images) or float [N, ...] (samples), label [N]
digits[:SPLIT]         scikit-learn's digits, float32 [N, 1, 8, 8] in 0..1
digits32[:SPLIT]       the same, each drawn somewhere on float32 [N, 1, 32, 32]
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..arrays import ByteArray, IntArray, frozen
from ..errors import DataError
from .dataset import Dataset
from .image_files import open_image_files
from .preprocessing import Preprocessing

MAX_NPZ_BYTES = 64 * 2**30


DataKind: TypeAlias = Callable[[str, "Preprocessing | None"], Dataset]


def open_images(path: Path, preprocessing: Preprocessing | None) -> Dataset:
    """The images of a folder or a .zip in ImageFolder layout.

    Raises:
        DataError: they are none, or there is no preprocessing.
    """
    if preprocessing is None:
        raise DataError(
            "images need a preprocessing: give --preprocessing FILE.json, or put "
            "MODEL.preprocessing.json beside the model's file",
            where=str(path),
        )
    files = open_image_files(path)
    return Dataset(
        name=str(path),
        label=files.label,
        sample_shape=preprocessing.sample_shape,
        dtype="float32",
        read=partial(files.read, preprocessing=preprocessing),
        classes=files.classes,
        sample_names=files.paths,
    )


def _open_digits(split: str, preprocessing: Preprocessing | None) -> Dataset:
    from .digits import digits  # noqa: PLC0415 - scikit-learn is optional

    _refuse_preprocessing(preprocessing, "digits")
    x, label = digits(split or None)
    return _in_memory(x, label, classes=tuple("0123456789"))


def _open_drawn_digits(split: str, preprocessing: Preprocessing | None) -> Dataset:
    from .drawn_digits import drawn_digits  # noqa: PLC0415 - scikit-learn is optional

    _refuse_preprocessing(preprocessing, "digits32")
    x, label = drawn_digits(split or None)
    return _in_memory(x, label, classes=tuple("0123456789"))


def _open_npz(file: str, preprocessing: Preprocessing | None) -> Dataset:
    path = Path(file)
    arrays = _read_npz(path)
    lacking = [f"the array {key!r} is missing" for key in ("x", "label") if key not in arrays]
    if lacking:
        raise DataError(*lacking, where=file)
    x, label = arrays["x"], arrays["label"]
    faults = _npz_faults(x, label)
    if faults:
        raise DataError(*faults, where=file)
    label = label.astype(np.int64)
    if x.dtype == np.uint8 and preprocessing is not None:
        return _in_memory_images(x, label, preprocessing)
    if x.dtype == np.uint8:
        return _in_memory(x, label)
    _refuse_preprocessing(preprocessing, file)
    return _in_memory(x.astype(np.float32, copy=False), label)


def _refuse_preprocessing(preprocessing: Preprocessing | None, where: str) -> None:
    if preprocessing is not None:
        raise DataError(
            "these are samples, not images: the models' preprocessing cannot be applied to them",
            where=where,
        )


def _in_memory(
    x: NDArray[Any], label: IntArray, *, classes: tuple[str, ...] | None = None
) -> Dataset:
    return Dataset(
        name="",
        label=frozen(label),
        sample_shape=tuple(x.shape[1:]),
        dtype=str(x.dtype),
        read=lambda rows: x[rows],
        classes=classes,
    )


def _in_memory_images(x: ByteArray, label: IntArray, preprocessing: Preprocessing) -> Dataset:
    from .images import sample_of_pixels  # noqa: PLC0415 - Pillow is optional

    def read(rows: IntArray) -> NDArray[Any]:
        samples = np.empty((len(rows), *preprocessing.sample_shape), np.float32)
        for place, row in enumerate(rows):
            samples[place] = sample_of_pixels(x[row], preprocessing)
        return samples

    return Dataset(
        name="",
        label=frozen(label),
        sample_shape=preprocessing.sample_shape,
        dtype="float32",
        read=read,
    )


def _read_npz(path: Path) -> dict[str, NDArray[Any]]:
    if not path.is_file():
        raise DataError("no such file", where=str(path))
    try:
        with zipfile.ZipFile(path) as archive:
            n_bytes = sum(entry.file_size for entry in archive.infolist())
        if n_bytes > MAX_NPZ_BYTES:
            raise DataError(
                f"expected at most {MAX_NPZ_BYTES} bytes, got {n_bytes}", where=str(path)
            )
        with np.load(path, allow_pickle=False) as arrays:
            return {key: arrays[key] for key in arrays.files if key in ("x", "label")}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as cause:
        if isinstance(cause, DataError):
            raise
        raise DataError(f"not an .npz file of plain arrays: {cause}", where=str(path)) from cause


def _npz_faults(x: NDArray[Any], label: NDArray[Any]) -> list[str]:
    faults = []
    is_image = x.ndim == 4 and x.shape[-1] in (1, 3)
    if x.dtype == np.uint8 and not is_image:
        faults.append(f"x of type uint8 must be [N, H, W, 3], got {list(x.shape)}")
    if x.dtype != np.uint8 and (x.dtype.kind != "f" or x.ndim < 2):
        faults.append(f"x must be uint8 [N, H, W, 3] or float [N, ...], got {x.dtype} {x.shape}")
    elif x.dtype.kind == "f" and not np.isfinite(x).all():
        faults.append("x has values that are NaN or infinite")
    if label.dtype.kind not in "iu" or label.shape != x.shape[:1]:
        faults.append(f"label must be integers [{len(x)}], got {label.dtype} {list(label.shape)}")
    elif len(label) == 0:
        faults.append("there are no samples")
    elif label.min() < 0:
        faults.append(f"label must not be negative, got {label.min()}")
    return faults


PLAIN_KINDS: Mapping[str, DataKind] = {
    "npz": _open_npz,
    "digits": _open_digits,
    "digits32": _open_drawn_digits,
}
