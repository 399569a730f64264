"""A pool whose classes are numbered as those of another thing: its labels, and its outputs.

A pool states names by label. Whether its models' outputs come in that order, too, or in the order
of the other thing, such as the pool that a front was found on, only the outputs themselves tell: in
one of the two orders the models are right.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arrays import IntArray, frozen
from ..class_names import ClassMatch, ClassNames, OnNote, matched_classes, unnoted
from ..errors import PoolError
from ..intervals import wilson_interval
from .pool import Pool

# So many models tell in which order outputs are.
TELLING_MODELS = 8


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ArrangedOutput:
    """One classifier's outputs with their columns in another order, arranged when they are read.

    Args:
        stored: [n_samples, n_classes].
        columns: int64 [n_classes], which stored column stands at each place.
    """

    stored: NDArray[Any]
    columns: IntArray

    @property
    def shape(self) -> tuple[int, ...]:
        """[n_samples, n_classes]."""
        return self.stored.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """What they are stored as."""
        return self.stored.dtype

    def __len__(self) -> int:
        return len(self.stored)

    def __getitem__(self, rows: Any) -> NDArray[Any]:
        return np.asarray(self.stored[rows])[..., self.columns]

    def __array__(self, *_: Any, **__: Any) -> NDArray[Any]:
        return self[:]


def class_names_of(pool: Pool) -> ClassNames:
    """The classes of a pool, as they meet others."""
    return ClassNames(owner=f"pool {pool.name}", n_classes=pool.n_classes, names=pool.classes)


def in_classes_of(pool: Pool, known: ClassNames, *, on_note: OnNote = unnoted) -> Pool:
    """The pool with labels and outputs in the order of other classes; it keeps its sha256.

    A pool with a part of the classes alone stays as it is: it is a problem of its own.

    Args:
        pool: stored outputs of models that the other thing knows.
        known: such as the classes of the pool that a front was found on.
        on_note: hears what was matched.

    Raises:
        PoolError: the classes are other ones, or in another order and the outputs do not tell
            whether they are in that order, too.
    """
    match = matched_classes(class_names_of(pool), known, error=PoolError)
    if match.relation == "unnamed" and pool.n_classes != known.n_classes:
        fault = f"expected {known.n_classes} classes as in {known.owner}, got {pool.n_classes}"
        raise PoolError(fault, where=f"pool {pool.name}")
    if match.note and match.relation != "permutation":
        on_note(match.note)
    if match.is_plain or match.relation != "permutation":
        return pool
    arranged = replace(pool, label=frozen(match.labels(pool.label)), classes=known.names)
    if _outputs_are_arranged(pool, match, known):
        on_note(f"{match.note}; its outputs are in the order of {known.owner} already")
        return arranged
    on_note(match.note)
    columns = np.argsort(np.array(match.places, np.int64)).astype(np.int64)
    outputs = [ArrangedOutput(stored=output, columns=columns) for output in pool.outputs]
    return replace(arranged, outputs=tuple(outputs))  # type: ignore[arg-type]  # reads like an array


def _outputs_are_arranged(pool: Pool, match: ClassMatch, known: ClassNames) -> bool:
    """Whether the outputs are in the order of `known`, and not in that of the pool's labels."""
    if pool.is_compressed:
        raise PoolError(
            f"the classes are in another order than in {known.owner}, and a compressed pool has "
            "no outputs to arrange; use the pool that it was made of",
            where=f"pool {pool.name}",
        )
    answers = [np.argmax(output, axis=1) for output in pool.outputs[:TELLING_MODELS]]
    moved = match.labels(pool.label)
    own, others = (max(int((a == label).sum()) for a in answers) for label in (pool.label, moved))
    low, high = sorted((own, others))
    n = pool.n_samples
    if wilson_interval(low, n)[1] >= wilson_interval(high, n)[0]:
        raise PoolError(
            f"the classes are in another order than in {known.owner}, and the outputs do not tell "
            f"which order they are in: the best model is right on {own} of {n} samples in the "
            f"pool's order, on {others} in the other; state output_classes in the file that "
            "`encas pool import` takes",
            where=f"pool {pool.name}",
        )
    return others > own
