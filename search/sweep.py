"""Sweep: a search over member sequences that sweeps all thresholds of each at once.

The genome is the sequence of members alone. Each evaluation takes one sequence and finds what all
its 51^(k - 1) threshold vectors add to the front (see evaluate/sweep_tables.py): what it reports is
exact, and nothing of the sequence that improves the front is missed. New sequences come from those
of the front by changes of single members (sweep_moves.py), each with alternatives for the last
member, which a sweep prices together; none is swept twice. Where the neighbourhood of the front is
exhausted, two and three changes are made at once; when that yields nothing new, the search is
finished. Which sequences are tried is a heuristic: only `exact` proves that there are none better.

With several costs, each batch follows one weighting of them: what it finds is complete for that
weighted sum, and scored by all objectives.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ..arrays import DoubleArray, IntArray
from ..evaluate.sweeper import N_LANES, Sweeper
from ..state import State, joined, part_of, restore_rng, rng_state
from .archive import ElitistArchive
from .problem import Problem
from .sweep_moves import Moves, parents_of
from .swept import sweep_into

# Prefixes of a batch: enough for all cores, few enough for the next batch to know more.
BATCH = 64
# How many changes are tried for each prefix of a batch before a wider neighbourhood is looked at.
PATIENCE = 30
MOST_CHANGES = 3


@dataclass(slots=True, kw_only=True, eq=False)
class Direction:
    """One weighting of the costs.

    Args:
        sweeper: sweeps for the weighted sum.
        stair: the staircase at the start of the batch, see `Sweeper.empty_stair`.
        lowered: the staircase after what was swept of the batch.
        seen: codes of the sequences that were swept or are about to be.
        n_changes: how many changes lead from the front to new sequences.
    """

    sweeper: Sweeper
    stair: DoubleArray
    lowered: DoubleArray
    seen: set[int] = field(default_factory=set)
    n_changes: int = 1


class SweepSearch:
    """Searches member sequences, sweeping the thresholds of each.

    Args:
        problem: scores the cascades found: top-1 error first, then the costs.
        sweepers: one for each weighting of the costs.
        singles: float64 [n_models, n_objectives], the objectives of the models alone.
        max_members: the longest sequence, at most five.
        rng: all randomness.
        start: int64 [n, max_members], sequences to start from besides the single models, -1 past
            the last member.
    """

    def __init__(
        self,
        problem: Problem,
        sweepers: Sequence[Sweeper],
        *,
        singles: DoubleArray,
        max_members: int,
        rng: np.random.Generator,
        start: IntArray | None = None,
    ) -> None:
        self._problem = problem
        self._n_models, self._max_members = len(singles), max_members
        self._rng = rng
        self._archive = ElitistArchive(2 * max_members - 1, problem.n_objectives)
        self._moves = Moves(singles, max_members=max_members, rng=rng)
        self._start = first_sequences(len(singles), max_members, start)
        self._directions = [_unswept(sweeper) for sweeper in sweepers]
        self._turn = self._n_swept = 0
        self._pending = self._proposed()

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
        """Whether few changes of the front lead to nothing new any more."""
        return not len(self._pending)

    @property
    def resumable(self) -> bool:
        """True: a state may be taken between any two steps."""
        return True

    def step(self, limit: int, /) -> None:
        """Sweeps the sequences of a batch, or as many as the limit allows."""
        sequences, self._pending = self._pending[:limit], self._pending[limit:]
        direction = self._directions[self._turn]
        swept = sweep_into(
            self._archive,
            sequences,
            direction.stair,
            sweeper=direction.sweeper,
            problem=self._problem,
        )
        if swept is not None:
            direction.lowered = direction.sweeper.lowered(direction.lowered, swept)
            direction.n_changes = 1
        self._n_swept += len(sequences)
        if not len(self._pending):
            direction.stair = direction.lowered
            self._turn = (self._turn + 1) % len(self._directions)
            self._pending = self._proposed()

    def state(self) -> State:
        """Archive, staircases, what was swept, the batch under way and the generator."""
        own = {
            "rng": rng_state(self._rng),
            "turn": np.array(self._turn),
            "n_swept": np.array(self._n_swept),
            "pending": self._pending,
        }
        parts: dict[str, State] = {"own": own, "archive": self._archive.state()}
        for i, direction in enumerate(self._directions):
            parts[f"direction.{i}"] = {
                "stair": direction.stair,
                "lowered": direction.lowered,
                "seen": np.sort(np.fromiter(direction.seen, np.int64, len(direction.seen))),
                "n_changes": np.array(direction.n_changes),
            }
        return joined(parts)

    def restore(self, state: State) -> None:
        """Continues from a state."""
        own = part_of(state, "own")
        restore_rng(self._rng, own["rng"])
        self._turn, self._n_swept = int(own["turn"]), int(own["n_swept"])
        self._pending = own["pending"].copy()
        self._archive.restore(part_of(state, "archive"))
        for i, direction in enumerate(self._directions):
            part = part_of(state, f"direction.{i}")
            direction.stair, direction.lowered = part["stair"].copy(), part["lowered"].copy()
            direction.seen = set(part["seen"].tolist())
            direction.n_changes = int(part["n_changes"])

    def _proposed(self) -> IntArray:
        """The next batch of sequences; empty when no direction has anything new."""
        for _ in self._directions:
            direction = self._directions[self._turn]
            if not direction.seen:
                direction.seen.update(self._code(row) for row in self._start)
                return self._start
            sequences = self._changed_front(direction)
            if sequences:
                return np.array(sequences, np.int64)
            self._turn = (self._turn + 1) % len(self._directions)
        return self._start[:0]

    def _changed_front(self, direction: Direction) -> list[list[int]]:
        objectives = self._archive.objectives
        front = self._archive.genomes[:, : self._max_members] - 1
        found: list[list[int]] = []
        n_prefixes = 0
        while n_prefixes < BATCH and direction.n_changes <= MOST_CHANGES:
            before = n_prefixes
            for row in parents_of(objectives, PATIENCE * BATCH, self._rng):
                new = self._changed(front[row], front, direction)
                found += new
                n_prefixes += bool(new)
                if n_prefixes == BATCH:
                    break
            if n_prefixes - before < BATCH // 4:
                direction.n_changes += 1
        return found

    def _changed(self, parent: IntArray, front: IntArray, direction: Direction) -> list[list[int]]:
        """New sequences that differ in the last member; none where the changes led to none."""
        sequence: list[int] | None = parent[parent >= 0].tolist()
        for _ in range(direction.n_changes):
            sequence = self._moves.changed(sequence, front) if sequence else None
        if not sequence:
            return []
        prefix, padding = sequence[:-1], [-1] * (self._max_members - len(sequence))
        found = []
        for member in self._alternatives(sequence, front):
            row = [*prefix, member, *padding]
            code = self._code(row)
            if code not in direction.seen:
                direction.seen.add(code)
                found.append(row)
        return found

    def _alternatives(self, sequence: list[int], front: IntArray) -> list[int]:
        """Models for the last place: all there are, or its like where those are many."""
        others = set(range(self._n_models)).difference(sequence[:-1])
        if len(others) <= N_LANES:
            return sorted(others)
        chosen = {sequence[-1]: None}
        while len(chosen) < N_LANES:
            model = self._moves.drawn(sequence[-1], front)
            if model in others:
                chosen[model] = None
        return list(chosen)

    def _code(self, sequence: Sequence[int]) -> int:
        """A number for each sequence; unique in pools of up to 6,207 models, which 64 bits take."""
        code = 0
        for model in sequence:
            code = code * (self._n_models + 1) + int(model) + 1
        return code % LARGEST_CODE


LARGEST_CODE = 2**63 - 25


def single_objectives(problem: Problem, n_models: int, max_members: int) -> DoubleArray:
    """The objectives of the models alone, float64 [n_models, n_objectives]."""
    genomes = np.zeros((n_models, 2 * max_members - 1), np.int64)
    genomes[:, 0] = np.arange(n_models) + 1
    return problem.evaluate(genomes)


def first_sequences(n_models: int, max_members: int, start: IntArray | None) -> IntArray:
    """The single models, then the given sequences, each once; int64 [n, max_members]."""
    singles = np.full((n_models, max_members), -1, np.int64)
    singles[:, 0] = np.arange(n_models)
    if start is None:
        return singles
    longer = np.unique(start[(start >= 0).sum(axis=1) > 1], axis=0)
    return np.concatenate((singles, longer))


def _unswept(sweeper: Sweeper) -> Direction:
    stair = sweeper.empty_stair()
    return Direction(sweeper=sweeper, stair=stair, lowered=stair)
