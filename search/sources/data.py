"""Data before any preprocessing: `open_source("imagenet:DIR")` gives a `DataSource`.

What runtime/dataset.py opens as samples for one model is opened here once for many models, whose
preprocessings differ. Besides its FOLDER, FILE.zip, npz: and digits:

    cifar10[:SPLIT[:DIR]]          CIFAR-10 as torchvision stores it; SPLIT train or test
    cifar100[:SPLIT[:DIR]]         CIFAR-100 likewise
    imagenet:DIR                   ImageNet validation: class folders, or flat files with a devkit
    imagenetv2:DIR                 the three sets of ImageNetV2, merged without duplicates
    webdataset:FILE.tar or DIR     shards of NAME.jpg (or another image) and NAME.cls
    hf-data:REPO or DIR[:SPLIT]    a Hugging Face data set of images, as parquet files
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ...arrays import ByteArray, IntArray, frozen
from ...errors import DataError
from ...runtime.dataset import DataKind, Dataset, open_data
from ...runtime.image_files import ImageFiles, open_image_files
from ...runtime.preprocessing import Preprocessing

Read: TypeAlias = Callable[[IntArray, "Preprocessing | None"], NDArray[Any]]
Opener: TypeAlias = Callable[[str, bool], "DataSource"]

DIGEST_BYTES = 32
HASH_THREADS = 8


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DataSource:
    """Labelled images or samples, read only when asked for.

    Args:
        name: what the user typed.
        label: int64 [n_samples].
        classes: class names by label, or None.
        is_image: whether a preprocessing is needed to make samples.
        read: the samples of rows [n], made by a preprocessing (None where they are no images).
        raw: the bytes that a sample is stored as; their hash is the sample's identity.
    """

    name: str
    label: IntArray
    classes: tuple[str, ...] | None
    is_image: bool
    read: Read
    raw: Callable[[int], bytes]

    @property
    def n_samples(self) -> int:
        """The number of samples."""
        return len(self.label)

    @property
    def n_classes(self) -> int:
        """The number of class names, or else the largest label plus 1."""
        return len(self.classes) if self.classes else int(self.label.max()) + 1

    def take(self, rows: IntArray) -> DataSource:
        """The data of the samples `rows` [n], in that order."""
        return replace(
            self,
            label=frozen(self.label[rows]),
            read=lambda local, preprocessing: self.read(rows[local], preprocessing),
            raw=lambda local: self.raw(int(rows[local])),
        )

    def sample_hashes(self) -> ByteArray:
        """The SHA-256 of each sample's bytes, uint8 [n_samples, 32]."""
        hashes = np.empty((self.n_samples, DIGEST_BYTES), np.uint8)

        def fill(row: int) -> None:
            digest = hashlib.sha256(self.raw(row)).digest()
            hashes[row] = np.frombuffer(digest, np.uint8)

        with ThreadPoolExecutor(HASH_THREADS) as pool:
            for _ in pool.map(fill, range(self.n_samples)):
                pass
        return frozen(hashes)

    def dataset(self, preprocessing: Preprocessing | None) -> Dataset:
        """The samples that one preprocessing makes.

        Raises:
            DataError: these are images and there is no preprocessing.
        """
        if self.is_image and preprocessing is None:
            raise DataError("images need a preprocessing", where=self.name)
        probe = self.read(np.zeros(1, np.int64), preprocessing)
        return Dataset(
            name=self.name,
            label=self.label,
            sample_shape=tuple(probe.shape[1:]),
            dtype=str(probe.dtype),
            read=lambda rows: self.read(rows, preprocessing),
            classes=self.classes,
        )


def source_of_files(files: ImageFiles, *, name: str) -> DataSource:
    """The data that image files make."""

    def read(rows: IntArray, preprocessing: Preprocessing | None) -> NDArray[Any]:
        assert preprocessing is not None
        return files.read(rows, preprocessing=preprocessing)

    def raw(row: int) -> bytes:
        with files.opener(files.paths[row]) as file:
            return file.read()

    return DataSource(
        name=name, label=files.label, classes=files.classes, is_image=True, read=read, raw=raw
    )


def source_of_pixels(
    x: ByteArray, label: IntArray, *, name: str, classes: tuple[str, ...] | None = None
) -> DataSource:
    """The data that images of one size in memory make, x uint8 [n, H, W, channels]."""
    from ...runtime.images import sample_of_pixels  # noqa: PLC0415 - Pillow is optional

    def read(rows: IntArray, preprocessing: Preprocessing | None) -> NDArray[Any]:
        assert preprocessing is not None
        return np.stack([sample_of_pixels(x[row], preprocessing) for row in rows])

    return DataSource(
        name=name,
        label=frozen(label),
        classes=classes,
        is_image=True,
        read=read,
        raw=partial(_array_bytes, x),
    )


def source_of_samples(
    x: NDArray[Any], label: IntArray, *, name: str, classes: tuple[str, ...] | None = None
) -> DataSource:
    """The data that samples in memory make, x [n, ...]; they are fed to models as they are."""
    return DataSource(
        name=name,
        label=frozen(label),
        classes=classes,
        is_image=False,
        read=lambda rows, _preprocessing: x[rows],
        raw=partial(_array_bytes, x),
    )


def open_source(text: str, *, download: bool = False) -> DataSource:
    """Opens the data that a DATA string names, see the head of this module.

    Args:
        text: DATA.
        download: fetch a known data set that is not there; without it nothing is ever fetched.

    Raises:
        DataError: there is no such data, or it has faults.
    """
    kind, _, rest = text.partition(":")
    if kind in SOURCE_KINDS:
        return replace(SOURCE_KINDS[kind](rest, download), name=text)
    if Path(text).exists():
        return source_of_files(open_image_files(Path(text)), name=text)
    stored = open_data(text, kinds=DATA_KINDS)
    x = stored.samples(np.arange(stored.n_samples, dtype=np.int64))
    make = source_of_pixels if x.dtype == np.uint8 else source_of_samples
    return make(x, stored.label, name=text, classes=stored.classes)


def stratified_rows(label: IntArray, n: int, *, seed: int) -> IntArray:
    """`n` rows with the classes' shares of `label`, ascending; the same seed, the same rows.

    Raises:
        DataError: there are fewer than `n` samples.
    """
    if not 1 <= n <= len(label):
        raise DataError(f"expected a subset of 1..{len(label)} samples, got {n}")
    return np.sort(stratified_order(label, rng=np.random.default_rng(seed))[:n])


def stratified_order(label: IntArray, *, rng: np.random.Generator) -> IntArray:
    """A random order of all samples in which every stretch has the classes' shares.

    The r-th of the n_c samples of a class stands at (r + u) / n_c of the way, with one random u
    in [0, 1) for each class.
    """
    position = np.empty(len(label), np.float64)
    for value in np.unique(label):
        rows = rng.permutation(np.flatnonzero(label == value))
        position[rows] = (np.arange(len(rows)) + rng.random()) / len(rows)
    return np.argsort(position, kind="stable").astype(np.int64)


def _array_bytes(x: NDArray[Any], row: int) -> bytes:
    sample = np.ascontiguousarray(x[row])
    return f"{sample.dtype.str}{list(sample.shape)}".encode() + sample.tobytes()


def _open_cifar10(rest: str, download: bool) -> DataSource:
    from .cifar import open_cifar  # noqa: PLC0415 - imports this module

    return open_cifar("cifar10", rest, download=download)


def _open_cifar100(rest: str, download: bool) -> DataSource:
    from .cifar import open_cifar  # noqa: PLC0415 - imports this module

    return open_cifar("cifar100", rest, download=download)


def _open_imagenet(rest: str, download: bool) -> DataSource:  # noqa: ARG001 - not to be had freely
    from .imagenet import open_imagenet  # noqa: PLC0415 - imports this module

    return open_imagenet(Path(rest))


def _open_imagenetv2(rest: str, download: bool) -> DataSource:
    from .imagenet import open_imagenetv2  # noqa: PLC0415 - imports this module

    return open_imagenetv2(Path(rest), download=download)


def _open_webdataset(rest: str, download: bool) -> DataSource:  # noqa: ARG001 - shards are files
    from .shards import open_shards  # noqa: PLC0415 - imports this module

    return open_shards(Path(rest))


def _open_hf_data(rest: str, download: bool) -> DataSource:
    from .hub_data import open_hub_data  # noqa: PLC0415 - pyarrow is optional

    return open_hub_data(rest, download=download)


SOURCE_KINDS: Mapping[str, Opener] = {
    "cifar10": _open_cifar10,
    "cifar100": _open_cifar100,
    "hf-data": _open_hf_data,
    "imagenet": _open_imagenet,
    "imagenetv2": _open_imagenetv2,
    "webdataset": _open_webdataset,
}


def _data_kinds() -> Iterator[tuple[str, DataKind]]:
    for kind, opener in SOURCE_KINDS.items():

        def open_kind(
            rest: str, preprocessing: Preprocessing | None, opener: Opener = opener
        ) -> Dataset:
            return opener(rest, False).dataset(preprocessing)

        yield kind, open_kind


# For `open_data(..., kinds=DATA_KINDS)`: the same data, for commands that run one model.
DATA_KINDS: Mapping[str, DataKind] = dict(_data_kinds())
