"""What a model gives, told by its values: logits, probabilities, or scores of each class alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import SourceError
from ...probability_rows import probability_rows
from ..model import Kind

# With so many probability rows among others, the others are faults and no logits.
MIN_SHARE = 0.9


@dataclass(slots=True, kw_only=True)
class OutputKind:
    """Counts rows of a model's outputs, batch by batch.

    Args:
        stated: what the SPEC says, which counts more than the values; None: nothing.
    """

    stated: str | None
    n_rows: int = 0
    n_probabilities: int = 0
    n_unit: int = 0
    n_classes: int = 0

    def add(self, outputs: NDArray[Any]) -> None:
        """Counts outputs [n, n_classes]; rows that are not finite say nothing."""
        finite = outputs[np.isfinite(outputs).all(axis=1)]
        sums = probability_rows(finite)
        self.n_rows += len(finite)
        self.n_probabilities += int(sums.sum())
        self.n_unit += int(((finite >= 0) & (finite <= 1)).all(axis=1).sum())
        self.n_classes = outputs.shape[1]

    @property
    def looks_like_probabilities(self) -> bool:
        """Whether every row is one of probabilities."""
        return self.n_classes > 1 and 0 < self.n_rows == self.n_probabilities

    @property
    def found(self) -> Kind:
        """What the model gives.

        Raises:
            SourceError: most rows are probabilities, others are not.
        """
        if self.stated is not None:
            return "probabilities" if self.stated == "probabilities" else "logits"
        if self.looks_like_probabilities:
            return "probabilities"
        if self.n_classes > 1 and self.n_probabilities >= MIN_SHARE * self.n_rows > 0:
            raise SourceError(
                f"{self.n_probabilities:,} of {self.n_rows:,} rows are probabilities, the others "
                "are not; say in the SPEC what they all are: ?kind=probabilities or ?kind=logits"
            )
        return "logits"

    def doubts(self) -> Iterator[str]:
        """What a user should know of the values, one sentence each."""
        if self.n_classes < 2 or not self.n_rows:
            return
        if self.n_unit == self.n_rows and not self.looks_like_probabilities:
            yield (
                "its scores lie in 0..1, but those of a sample do not sum to 1: each class is "
                "scored for itself, as by a sigmoid; their softmax is never sure (at most "
                f"{np.e / (np.e + self.n_classes - 1):.2f}), so give the output before the "
                "sigmoid, for example with ?output=NAME"
            )
        elif self.stated == "logits" and self.looks_like_probabilities:
            yield "?kind=logits, but its rows are probabilities: they get a second softmax"
