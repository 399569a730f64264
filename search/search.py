"""Searches, which advance by steps, as `loop.run` runs them.

`AskTellSearch` joins a problem and a strategy; algorithms that sweep or enumerate implement
`Search` themselves.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from ..arrays import DoubleArray
from ..errors import SearchError
from ..state import State, joined, part_of
from .archive import ElitistArchive
from .problem import Problem
from .strategy import Strategy


class Search(Protocol):
    """An algorithm that advances by steps."""

    @property
    def archive(self) -> ElitistArchive:
        """What was found so far."""
        ...

    @property
    def n_evaluations(self) -> int:
        """Evaluations spent so far."""
        ...

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do."""
        ...

    @property
    def resumable(self) -> bool:
        """Whether `state` may be taken now."""
        ...

    def step(self, limit: int, /) -> None:
        """Does a piece of work, at most seconds long, and spends at most `limit` evaluations."""
        ...

    def state(self) -> State:
        """Everything that the future depends on, as plain arrays."""
        ...

    def restore(self, state: State) -> None:
        """Continues from a state as if this search had never stopped."""
        ...


class AskTellSearch:
    """A strategy at work on a problem; one step is one batch.

    A batch that the limit cuts stays open: its objectives so far count in `archive`, but the
    strategy is told only when the batch is complete. So a run that stops at any number of
    evaluations and goes on later equals one that never stopped.
    """

    def __init__(self, problem: Problem, strategy: Strategy) -> None:
        self._problem = problem
        self._strategy = strategy
        self._n_evaluations = 0
        self._open = np.empty((0, problem.n_objectives))

    @property
    def archive(self) -> ElitistArchive:
        """What was found so far, the open batch included."""
        if not len(self._open):
            return self._strategy.archive
        archive = self._strategy.archive.copy()
        archive.add(self._strategy.ask()[: len(self._open)], self._open)
        return archive

    @property
    def n_evaluations(self) -> int:
        """Evaluations spent so far."""
        return self._n_evaluations

    @property
    def finished(self) -> bool:
        """False: a strategy always has another idea."""
        return False

    @property
    def resumable(self) -> bool:
        """True: a state may be taken between any two steps."""
        return True

    def step(self, limit: int, /) -> None:
        """Evaluates the next batch, or as much of it as the limit allows.

        Raises:
            SearchError: the problem returned a wrong shape or a NaN.
        """
        asked = self._strategy.ask()
        genomes = asked[len(self._open) :][:limit]
        objectives = self._problem.evaluate(genomes)
        self._check(objectives, len(genomes))
        if len(self._open):
            objectives = np.concatenate((self._open, objectives))
        if len(objectives) < len(asked):
            self._open = objectives
        else:
            self._strategy.tell(objectives)
            self._open = self._open[:0]
        self._n_evaluations += len(genomes)

    def state(self) -> State:
        """The strategy's state, the open batch and the count."""
        own = {"n_evaluations": np.array(self._n_evaluations), "open": self._open.copy()}
        return joined({"own": own, "strategy": self._strategy.state()})

    def restore(self, state: State) -> None:
        """Continues from a state."""
        own = part_of(state, "own")
        self._n_evaluations = int(own["n_evaluations"])
        self._open = own["open"].copy()
        self._strategy.restore(part_of(state, "strategy"))

    def _check(self, objectives: DoubleArray, n: int) -> None:
        expected = (n, self._problem.n_objectives)
        if objectives.shape != expected:
            raise SearchError(
                f"objectives of {n} genomes must have shape {expected}, got {objectives.shape}"
            )
        if np.isnan(objectives).any():
            raise SearchError("an objective is NaN; the row of an infeasible genome is +inf")
