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
from ..errors import SessionError
from .session import INPUT, SessionInfo, checked_batch


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


def samples_of(x: Batch, inputs: Mapping[str, SessionInfo]) -> Samples:
    """What a caller gave, checked as far as it is there already.

    Args:
        x: one array where there is one input, or an array for each input, or samples that are
            read later.
        inputs: name of an input -> a member that reads it.

    Raises:
        SessionError: an input is missing or unknown, or has another shape, type or length.
    """
    # Arrays first: asking for the protocol costs more than all that follows.
    if not isinstance(x, (np.ndarray, Mapping)):  # noqa: SIM102 - of two lines, one is ignored
        if isinstance(x, Samples):  # pyright: ignore[reportUnnecessaryIsInstance]
            return x
    arrays = dict(x) if isinstance(x, Mapping) else {INPUT: np.asarray(x)}
    if set(arrays) != set(inputs):
        raise SessionError(
            f"expected samples for {', '.join(inputs)}, got {', '.join(arrays) or 'none'}; "
            "members that want different preprocessings take one array each, by input",
            where="cascade",
        )
    checked = {name: checked_batch(np.asarray(a), inputs[name]) for name, a in arrays.items()}
    lengths = {name: len(array) for name, array in checked.items()}
    if len(set(lengths.values())) > 1:
        raise SessionError(f"the inputs have different numbers of samples: {lengths}")
    return ArraySamples(arrays=checked)
