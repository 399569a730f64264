"""What stands in a compressed pool where a pool has outputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import PoolError


@dataclass(frozen=True, slots=True, kw_only=True)
class AbsentOutput:
    """Stands for one classifier's outputs in a compressed pool, which does not hold them.

    Args:
        shape: [n_samples, n_classes] of the outputs.
        dtype: what they were stored as.
        where: the compressed pool's folder.
    """

    shape: tuple[int, int]
    dtype: np.dtype[Any]
    where: str

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any) -> NDArray[Any]:
        raise self._error()

    def __array__(self, *_: Any, **__: Any) -> NDArray[Any]:
        raise self._error()

    def _error(self) -> PoolError:
        return PoolError(
            "a compressed pool holds no outputs: cascades can be searched and scored in it, "
            "nothing else; use the pool that it was made of",
            where=self.where,
        )
