"""What proposes genomes (`ask`) and hears how they did (`tell`): the `Strategy`."""

from __future__ import annotations

from typing import Protocol

from ..arrays import DoubleArray, IntArray
from ..state import State
from .archive import ElitistArchive


class Strategy(Protocol):
    """Proposes genomes in batches; the same seed and objectives give the same proposals."""

    @property
    def archive(self) -> ElitistArchive:
        """What was told so far, filtered."""
        ...

    def ask(self) -> IntArray:
        """The genomes to evaluate next, [n, n_genes] with n >= 1; the same until `tell`."""
        ...

    def tell(self, objectives: DoubleArray) -> None:
        """Takes the objectives [n, n_objectives] of the genomes last asked for."""
        ...

    def state(self) -> State:
        """Everything that the future depends on, as plain arrays; legal between any two calls."""
        ...

    def restore(self, state: State) -> None:
        """Continues from a state as if this strategy had never stopped."""
        ...
