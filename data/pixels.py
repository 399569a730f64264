"""Images decoded, resized and cropped once, for all models that want the same pixels.

Models that differ only in how they normalise share one pass over the image files. The pixels lie
in a memory-mapped file, so that models run one after the other and one process after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from math import prod
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from ..progress import OnProgress, Progress, unheard
from .data_source import DataSource
from .open_source import open_source
from .preprocessing import Preprocessing

BLOCK_ROWS = 32
MAX_FAULTS = 10


def pixel_steps(preprocessing: Preprocessing) -> Preprocessing:
    """The steps that decide on a sample's pixels 0..255, [*size, n_channels], and no others."""
    n = preprocessing.n_channels
    return replace(preprocessing, scale=1.0, mean=(0.0,) * n, std=(1.0,) * n, layout="nhwc")


class PixelRows(Protocol):
    """Pixels uint8 [n, H, W, channels], or samples [n, ...], by slices."""

    def __len__(self) -> int:
        """The number of samples."""
        ...

    def __getitem__(self, rows: slice, /) -> NDArray[Any]:
        """The samples of a slice."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleReference:
    """Where a process finds the samples: in a file, or in the data themselves.

    Args:
        file: an .npy file of all samples; None: decode them again.
        data: the DATA string.
        rows: of the data, None for all.
        plan: makes the pixels; None where the data are no images.
    """

    file: Path | None
    data: str
    rows: tuple[int, ...] | None
    plan: Preprocessing | None

    def open(self, *, n_threads: int) -> PixelRows:
        """The samples."""
        if self.file is not None:
            return np.load(self.file, mmap_mode="r", allow_pickle=False)
        source = open_source(self.data)
        if self.rows is not None:
            source = source.take(np.array(self.rows, np.int64))
        return DecodedSamples(source=source, plan=self.plan, n_threads=n_threads)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DecodedSamples:
    """Samples that are made anew whenever they are asked for."""

    source: DataSource
    plan: Preprocessing | None
    n_threads: int = 1
    _pool: ThreadPoolExecutor = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_pool", ThreadPoolExecutor(self.n_threads))

    def __len__(self) -> int:
        """The number of samples."""
        return self.source.n_samples

    def __getitem__(self, rows: slice, /) -> NDArray[Any]:
        """The samples of a slice."""
        start, stop, _ = rows.indices(len(self))
        blocks = _blocks(start, stop, max(1, -(-(stop - start) // self.n_threads)))
        pieces = self._pool.map(lambda block: read_pixels(self.source, self.plan, *block), blocks)
        return np.concatenate(list(pieces))


def read_pixels(
    source: DataSource, plan: Preprocessing | None, start: int, stop: int
) -> NDArray[Any]:
    """The pixels (or samples) start .. stop - 1 of the data."""
    rows = np.arange(start, stop, dtype=np.int64)
    if plan is None:
        return source.read(rows, None)
    # Dividing by 1 and subtracting 0 leaves whole numbers, so the conversion is exact.
    return source.read(rows, plan).astype(np.uint8)


def write_pixels(
    source: DataSource,
    plan: Preprocessing | None,
    path: Path,
    *,
    n_threads: int,
    on_progress: OnProgress = unheard,
) -> Path:
    """Decodes all samples into the .npy file `path`, unless it is there already.

    Args:
        source: the data.
        plan: None where the data are no images.
        path: the file; its name must tell data and plan apart from others.
        n_threads: how many images are decoded at once; the file does not depend on it.
        on_progress: hears how many samples are decoded.

    Raises:
        DataError: names the images that cannot be read, and says how many there are.
    """
    if path.is_file():
        return path
    shape, dtype = _sample_of(source, plan)
    partial = path.with_name(f"{path.name}.partial")
    path.parent.mkdir(parents=True, exist_ok=True)
    file = np.lib.format.open_memmap(
        partial, mode="w+", dtype=dtype, shape=(source.n_samples, *shape)
    )

    def keep(start: int, pixels: NDArray[Any]) -> None:
        file[start : start + len(pixels)] = pixels

    broken = _read_all(source, plan, keep, n_threads=n_threads, on_progress=on_progress)
    if broken:
        partial.unlink()
        raise DataError(*_broken_faults(broken, source.n_samples), where=source.name)
    file.flush()
    partial.replace(path)
    return path


def pixel_bytes(source: DataSource, plan: Preprocessing | None) -> int:
    """The size of the file that `write_pixels` writes."""
    shape, dtype = _sample_of(source, plan)
    return prod(shape) * dtype.itemsize * source.n_samples


def broken_images(
    source: DataSource, *, n_threads: int, on_progress: OnProgress = unheard
) -> dict[int, str]:
    """The rows of the images that cannot be read, and why; all are decoded to know it."""
    if not source.is_image:
        return {}
    tiny = pixel_steps(Preprocessing(size=(1, 1), interpolation="nearest"))
    return _read_all(
        source, tiny, lambda _start, _pixels: None, n_threads=n_threads, on_progress=on_progress
    )


def refuse_broken(source: DataSource, *, n_threads: int, on_progress: OnProgress = unheard) -> None:
    """Does nothing where all images can be read.

    Raises:
        DataError: names those that cannot, and says how many there are.
    """
    broken = broken_images(source, n_threads=n_threads, on_progress=on_progress)
    if broken:
        raise DataError(*_broken_faults(broken, source.n_samples), where=source.name)


def _read_all(
    source: DataSource,
    plan: Preprocessing | None,
    keep: Callable[[int, NDArray[Any]], None],
    *,
    n_threads: int,
    on_progress: OnProgress,
) -> dict[int, str]:
    """Reads all samples; gives the rows that cannot be read, and why."""

    def read(block: tuple[int, int]) -> tuple[int, dict[int, str]]:
        start, stop = block
        try:
            keep(start, read_pixels(source, plan, start, stop))
        except DataError:
            return stop - start, _broken_rows(source, plan, start, stop)
        return stop - start, {}

    broken: dict[int, str] = {}
    done, total = 0, source.n_samples
    with ThreadPoolExecutor(n_threads) as pool:
        try:
            for n, faults in pool.map(read, _blocks(0, total, BLOCK_ROWS)):
                done, broken = done + n, broken | faults
                on_progress(Progress(what="decoding images", done=done, total=total, unit="images"))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return broken


def _broken_rows(
    source: DataSource, plan: Preprocessing | None, start: int, stop: int
) -> dict[int, str]:
    broken: dict[int, str] = {}
    for row in range(start, stop):
        try:
            read_pixels(source, plan, row, row + 1)
        except DataError as cause:
            broken[row] = str(cause)
    return broken


def _broken_faults(broken: Mapping[int, str], total: int) -> list[str]:
    shown = list(broken.values())[:MAX_FAULTS]
    more = len(broken) - len(shown)
    return [
        f"{len(broken)} of {total} images cannot be read; --skip-broken leaves them out",
        *shown,
        *([f"and {more} more"] if more else []),
    ]


def _sample_of(
    source: DataSource, plan: Preprocessing | None
) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and type of one sample; of images no file is read for that."""
    if plan is not None:
        return plan.sample_shape, np.dtype(np.uint8)
    first = read_pixels(source, plan, 0, 1)
    return first.shape[1:], first.dtype


def _blocks(start: int, stop: int, size: int) -> list[tuple[int, int]]:
    return [(first, min(first + size, stop)) for first in range(start, stop, size)]
