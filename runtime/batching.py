"""How many rows a session is given at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import SessionError

HELD_BATCHES = 4
WARM_UP_CALLS = 3
FEW_ROWS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmUp:
    """What to run before the first sample comes.

    Args:
        sizes: of the batches, the largest first: memory then grows once.
        n_calls: how often each of them runs.
    """

    sizes: tuple[int, ...]
    n_calls: int = WARM_UP_CALLS


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Rows start .. stop - 1, run as a batch of `size` >= stop - start rows."""

    start: int
    stop: int
    size: int

    def padded(self, samples: NDArray[Any]) -> NDArray[Any]:
        """These rows of `samples` [n, ...], with rows of zeros up to `size`."""
        rows = samples[self.start : self.stop]
        if len(rows) == self.size:
            return rows
        batch = np.zeros((self.size, *rows.shape[1:]), rows.dtype)
        batch[: len(rows)] = rows
        return batch


@dataclass(frozen=True, slots=True, kw_only=True)
class Batching:
    """The sizes of batches that a session sees.

    Args:
        max_batch_size: the most rows in one call.
        buckets: the only sizes there are, ascending; smaller batches are padded to the next one.
            Empty: every size up to the largest, none padded.
        max_held_rows: the most samples of a call that lie where the sessions run at once; longer
            calls are cut.

    Raises:
        SessionError: a size below 1, or buckets that do not end with `max_batch_size`.
    """

    max_batch_size: int = 256
    buckets: tuple[int, ...] = ()
    max_held_rows: int = 2**16

    def __post_init__(self) -> None:
        sizes = (*self.buckets, self.max_batch_size, self.max_held_rows)
        if min(sizes) < 1:
            raise SessionError(f"batch sizes must be at least 1, got {min(sizes)}")
        ascending = tuple(sorted(set(self.buckets)))
        if self.buckets and (self.buckets != ascending or ascending[-1] != self.max_batch_size):
            raise SessionError(
                f"batch buckets must ascend and end with the largest batch size "
                f"{self.max_batch_size}, got {self.buckets}"
            )

    @classmethod
    def powers_of_two(cls, max_batch_size: int) -> Batching:
        """Buckets 1, 2, 4, ... up to `max_batch_size`, which is one itself."""
        powers = {2**i for i in range(max_batch_size.bit_length())}
        return cls(
            max_batch_size=max_batch_size,
            buckets=tuple(sorted(powers | {max_batch_size})),
            max_held_rows=HELD_BATCHES * max_batch_size,
        )

    @classmethod
    def on(cls, device: str, *, max_batch_size: int) -> Batching:
        """The one for a device: on a GPU buckets, since each new size costs a plan."""
        if device == "cpu":
            return cls(max_batch_size=max_batch_size)
        return cls.powers_of_two(max_batch_size)

    def warm_up_on(self, device: str) -> WarmUp:
        """What a first call on a device would else pay for.

        Each bucket is run as often as capturing it takes. Without buckets a GPU gets the smallest
        and the largest batch; a CPU plans nothing for a size, so that one small batch is enough.
        """
        if self.buckets:
            return WarmUp(sizes=self.buckets[::-1])
        if device == "cpu":
            return WarmUp(sizes=(min(FEW_ROWS, self.max_batch_size),), n_calls=1)
        return WarmUp(sizes=tuple(sorted({1, self.max_batch_size}, reverse=True)))

    @property
    def unpadded_rows(self) -> int:
        """So many rows, and all fewer, are one batch without padding."""
        return 0 if self.buckets else self.max_batch_size

    def pieces(self, n_rows: int) -> Iterator[Piece]:
        """Cuts `n_rows` rows into batches."""
        for start in range(0, n_rows, self.max_batch_size):
            stop = min(start + self.max_batch_size, n_rows)
            fitting = (size for size in self.buckets if size >= stop - start)
            yield Piece(start=start, stop=stop, size=next(fitting, stop - start))
