"""Images decoded, resized and cropped once, for all models that want the same pixels.

Models that differ only in how they normalise share one pass over the image files. The pixels lie
in a memory-mapped file, so that models run one after the other and one process after the other.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..progress import OnProgress, Progress, unheard
from .data_source import DataSource
from .open_source import open_source
from .preprocessing import Preprocessing

BLOCK_ROWS = 32


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
    """
    if path.is_file():
        return path
    first = read_pixels(source, plan, 0, 1)
    partial = path.with_name(f"{path.name}.partial")
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = (source.n_samples, *first.shape[1:])
    file = np.lib.format.open_memmap(partial, mode="w+", dtype=first.dtype, shape=shape)

    def fill(block: tuple[int, int]) -> int:
        start, stop = block
        file[start:stop] = read_pixels(source, plan, start, stop)
        return stop - start

    with ThreadPoolExecutor(n_threads) as pool:
        try:
            done, total = 0, source.n_samples
            for n in pool.map(fill, _blocks(0, total, BLOCK_ROWS)):
                done += n
                on_progress(Progress(what="decoding images", done=done, total=total, unit="images"))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    file.flush()
    partial.replace(path)
    return path


def pixel_bytes(source: DataSource, plan: Preprocessing | None) -> int:
    """The size of the file that `write_pixels` writes."""
    first = read_pixels(source, plan, 0, 1)
    return first.nbytes * source.n_samples


def _blocks(start: int, stop: int, size: int) -> list[tuple[int, int]]:
    return [(first, min(first + size, stop)) for first in range(start, stop, size)]
