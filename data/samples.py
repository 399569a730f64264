"""The samples of one call: one array for each input that the members read.

Members that want different preprocessings read different inputs: "input" is the first member's,
"input_2", "input_3", ... are the others'. Row i is the same sample in all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, runtime_checkable

from numpy.typing import NDArray

from ..arrays import IntArray


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
