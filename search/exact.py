"""The exact front: every sequence of models, all thresholds of each, nothing left out.

Sequences are swept from short to long in lexicographic order, so that those with the same prefix
come together, each batch against the staircase of all before it (see evaluate/sweep_tables.py):
blocks of thresholds that cannot improve on it are skipped, which is sound. When the search is
finished, no cascade of at most `max_members` different models, with thresholds 0.00, 0.02 .. 1.00,
dominates a cascade of the archive.
"""

from __future__ import annotations

import numpy as np

from ..arrays import IntArray
from ..errors import SearchError
from ..evaluate.sweeper import Sweeper
from ..state import State, joined, part_of
from .archive import ElitistArchive
from .problem import Problem
from .sequences import n_sequences, sequences_at
from .swept import sweep_into

# Sequences of a batch: enough prefixes for all cores, few enough for the staircase to be young.
BATCH = 4096
# Sequences times samples; two cores sweep about 1e8 of these in a second.
MOST_WORK = 10**12
WORK_PER_SECOND = 1e8


class ExactSearch:
    """Sweeps every sequence of 1, 2, .. max_members models.

    Args:
        problem: scores the cascades found: top-1 error and one cost.
        sweeper: sweeps for that cost.
        n_models: models in the pool.
        max_members: the longest sequence.
    """

    def __init__(
        self, problem: Problem, sweeper: Sweeper, *, n_models: int, max_members: int
    ) -> None:
        self._problem = problem
        self._sweeper = sweeper
        self._n_models, self._max_members = n_models, max_members
        self._archive = ElitistArchive(2 * max_members - 1, problem.n_objectives)
        self._stair = sweeper.empty_stair()
        self._n_members, self._place = 1, 0
        self._n_swept = 0

    @property
    def archive(self) -> ElitistArchive:
        """What was found so far."""
        return self._archive

    @property
    def n_evaluations(self) -> int:
        """Sequences swept so far."""
        return self._n_swept

    @property
    def finished(self) -> bool:
        """Whether every sequence has been swept."""
        return self._n_members > self._max_members

    @property
    def resumable(self) -> bool:
        """True: a state may be taken between any two steps."""
        return True

    def step(self, limit: int, /) -> None:
        """Sweeps the next sequences."""
        total = n_sequences(self._n_models, self._n_members)
        stop = min(total, self._place + min(limit, BATCH))
        sequences = self._sequences(np.arange(self._place, stop))
        swept = sweep_into(
            self._archive, sequences, self._stair, sweeper=self._sweeper, problem=self._problem
        )
        if swept is not None:
            self._stair = self._sweeper.lowered(self._stair, swept)
        self._n_swept += stop - self._place
        self._place = stop
        if stop == total:
            self._n_members, self._place = self._n_members + 1, 0

    def state(self) -> State:
        """The place in the order, the staircase and the archive."""
        own = {
            "n_members": np.array(self._n_members),
            "place": np.array(self._place),
            "n_swept": np.array(self._n_swept),
            "stair": self._stair,
        }
        return joined({"own": own, "archive": self._archive.state()})

    def restore(self, state: State) -> None:
        """Continues from a state."""
        own = part_of(state, "own")
        self._n_members, self._place = int(own["n_members"]), int(own["place"])
        self._n_swept = int(own["n_swept"])
        self._stair = own["stair"].copy()
        self._archive.restore(part_of(state, "archive"))

    def _sequences(self, places: IntArray) -> IntArray:
        sequences = np.full((len(places), self._max_members), -1, np.int64)
        sequences[:, : self._n_members] = sequences_at(
            places, n_models=self._n_models, n_members=self._n_members
        )
        return sequences


def n_exact(n_models: int, max_members: int) -> int:
    """How many sequences an exact search sweeps."""
    return sum(n_sequences(n_models, n) for n in range(1, max_members + 1))


def check_work(n_models: int, max_members: int, *, n_samples: int) -> None:
    """Refuses an exact search that would take hours.

    Raises:
        SearchError: it would; the message says how long, and what would fit.
    """
    n = n_exact(n_models, max_members)
    if n * n_samples <= MOST_WORK:
        return
    fitting = [k for k in range(1, max_members) if n_exact(n_models, k) * n_samples <= MOST_WORK]
    remedy = f"give --max-members {fitting[-1]}, " if fitting else ""
    raise SearchError(
        f"the exact front of {n_models} models, at most {max_members} members and {n_samples} "
        f"samples means {n:.3g} sequences, about {n * n_samples / WORK_PER_SECOND / 3600:.3g} "
        f"hours on two cores; {remedy}filter the pool, or use --algorithm sweep"
    )
