"""The samples of one call: one array for each input that the members read.

Members that want different preprocessings read different inputs: "input" is the first member's,
"input_2", "input_3", ... are the others'. Row i is the same sample in all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ..arrays import IntArray
from ..errors import DataError


@runtime_checkable
class Samples(Protocol):
    """Samples that are made when a member asks for them."""

    def __len__(self) -> int:
        """How many samples there are."""
        ...

    def read(self, name: str, rows: IntArray) -> NDArray[Any]:
        """The samples `rows` [m] as the input `name` takes them, [m, ...]."""
        ...


Batch: TypeAlias = "NDArray[Any] | Mapping[str, NDArray[Any]] | Samples"


def converted(x: NDArray[Any], dtype: str, *, where: str) -> NDArray[Any]:
    """Samples as the type that a model takes; only the precision of floats may be lost.

    Raises:
        DataError: the type cannot hold them: fractions for pixels, numbers too large for float16.
    """
    wanted = np.dtype(dtype)
    if x.dtype == wanted:
        return x
    with np.errstate(invalid="ignore", over="ignore"):
        cast = x.astype(wanted)
    is_whole = wanted.kind in "iu"
    if np.array_equal(cast, x) if is_whole else np.isfinite(cast).all() or not np.isfinite(x).all():
        return cast
    remedy = (
        ': give pixels 0..255 as uint8, or images with "scale": 1 and mean 0, std 1 in their '
        "preprocessing"
    )
    raise DataError(
        f"the model takes {wanted}, the samples are {x.dtype} {x.min():g} .. {x.max():g}"
        f"{remedy if is_whole else ''}",
        where=where,
    )


def random_like(sample: NDArray[Any], n: int) -> NDArray[Any]:
    """Random samples [n, ...] of the type and range of one sample [1, ...], always the same."""
    low, high = float(sample.min()), float(sample.max())
    values = np.random.default_rng(0).uniform(low, max(high, low + 1), (n, *sample.shape[1:]))
    return values.astype(sample.dtype)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ArraySamples:
    """Samples in memory: name of an input -> [n, ...]."""

    arrays: Mapping[str, NDArray[Any]]

    def __len__(self) -> int:
        return len(next(iter(self.arrays.values())))

    def read(self, name: str, rows: IntArray) -> NDArray[Any]:
        """See `Samples.read`; all rows are given as they are, not copied."""
        x = self.arrays[name]
        return x if len(rows) == len(x) else x[rows]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SampleRows:
    """Rows `start` .. `stop` - 1 of samples."""

    samples: Samples
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start

    def read(self, name: str, rows: IntArray) -> NDArray[Any]:
        """See `Samples.read`."""
        return self.samples.read(name, rows + self.start)
