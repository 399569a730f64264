"""Labelled images or samples before any preprocessing: `DataSource`.

What data/dataset.py opens as samples for one model is held here once for many models, whose
preprocessings differ. `open_source` (data/open_source.py) makes one of a DATA string.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..arrays import ByteArray, IntArray, frozen
from ..class_names import ClassMatch, ClassNames
from ..errors import DataError
from ..sample_identity import array_bytes, sample_hashes
from .dataset import Dataset
from .image_files import ImageFiles
from .preprocessing import Preprocessing

Read: TypeAlias = Callable[[IntArray, "Preprocessing | None"], NDArray[Any]]


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
        notes: what a user should know of the data, one sentence each.
    """

    name: str
    label: IntArray
    classes: tuple[str, ...] | None
    is_image: bool
    read: Read
    raw: Callable[[int], bytes]
    notes: tuple[str, ...] = ()

    @property
    def n_samples(self) -> int:
        """The number of samples."""
        return len(self.label)

    @property
    def n_classes(self) -> int:
        """The number of class names, or else the largest label plus 1."""
        return len(self.classes) if self.classes else int(self.label.max()) + 1

    @property
    def class_names(self) -> ClassNames:
        """The classes, as they meet others."""
        owner = f"the data {self.name}"
        return ClassNames(owner=owner, n_classes=self.n_classes, names=self.classes)

    def matched(self, match: ClassMatch) -> DataSource:
        """The same samples with labels as another thing numbers the classes."""
        if match.is_plain and match.names == self.classes:
            return self
        return replace(self, label=frozen(match.labels(self.label)), classes=match.names)

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
        return sample_hashes(self.raw, self.n_samples)

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
        name=name,
        label=files.label,
        classes=files.classes,
        is_image=True,
        read=read,
        raw=raw,
        notes=files.notes,
    )


def source_of_pixels(
    x: ByteArray, label: IntArray, *, name: str, classes: tuple[str, ...] | None = None
) -> DataSource:
    """The data that images of one size in memory make, x uint8 [n, H, W, channels]."""
    from .images import sample_of_pixels  # noqa: PLC0415 - Pillow is optional

    def read(rows: IntArray, preprocessing: Preprocessing | None) -> NDArray[Any]:
        assert preprocessing is not None
        return np.stack([sample_of_pixels(x[row], preprocessing) for row in rows])

    return DataSource(
        name=name,
        label=frozen(label),
        classes=classes,
        is_image=True,
        read=read,
        raw=lambda row: array_bytes(x[row]),
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
        raw=lambda row: array_bytes(x[row]),
    )
