"""Sweeps: every cascade of given member sequences, all thresholds at once, against a staircase."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..arrays import DoubleArray, IntArray
from ..cascade import Confidence
from .contender_arrays import source_of
from .contenders import CHUNK, Contenders
from .lanes import on_lanes, threads_or_all
from .stages import fill_lane
from .sweep_space import MARGIN, Prices, new_blocks, new_planes
from .sweep_tables import KNOWN, sweep_lane
from .sweep_units import N_LANES, N_PREFIX, NOBODY, sorted_units

# The longest sequences whose thresholds are swept: 51^4 cells each.
LONGEST = N_PREFIX + 1
# Units whose tables are held at the same time take up about this much memory.
BATCH_BYTES = 2**27


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sweep:
    """Cascades that improve on a staircase, none of which another of the same unit dominates.

    Args:
        sequence: int64 [n], the row of the swept sequences.
        thresholds: int64 [n, max_members - 1], genes 0..50.
        correct: int64 [n], right answers.
        cost: float64 [n].
    """

    sequence: IntArray
    thresholds: IntArray
    correct: IntArray
    cost: DoubleArray


class Sweeper:
    """Sweeps sequences of at most five members for top-1 errors and one cost.

    Args:
        contenders: the compressed pool.
        prices: the cost, see sweep_prices.py.
        confidence: see `ContenderEvaluator`.
        n_threads: threads to work on, None for all processors.
    """

    def __init__(
        self,
        contenders: Contenders,
        prices: Prices,
        *,
        confidence: Confidence = "max_probability",
        n_threads: int | None = None,
    ) -> None:
        self.n_samples = contenders.n_samples
        self._source = source_of(contenders, confidence)
        self._prices = prices
        self._padded = contenders.n_chunks * CHUNK
        unit_bytes = 2 * (N_PREFIX + N_LANES) * self._padded + 16 * self.n_samples
        self._n_threads = threads_or_all(n_threads)
        self._at_once = max(self._n_threads, BATCH_BYTES // unit_bytes)

    def empty_stair(self) -> DoubleArray:
        """The staircase when nothing is known, float64 [n_samples + 1 + MARGIN], all +inf.

        stair[c] is the least cost known for c or more right answers.
        """
        return np.full(self.n_samples + 1 + MARGIN, np.inf)

    def lowered(self, stair: DoubleArray, swept: Sweep) -> DoubleArray:
        """The staircase, lowered by what a sweep found."""
        result = stair.copy()
        np.minimum.at(result, swept.correct, swept.cost)
        return np.minimum.accumulate(result[::-1])[::-1].copy()

    def sweep(self, sequences: IntArray, stair: DoubleArray) -> Sweep:
        """Sweeps sequences [n, max_members], -1 past the last member.

        Those that follow each other and share all but the last member cost little more than one.
        What is found is exact and complete: for every other cascade of these sequences the
        staircase, something found, or a cascade of a shorter sequence (these without their last
        member or members) costs no more for as many right answers.
        """
        units = units_of(sequences)
        found = [
            self._sweep_units(units.prefix[part], units.last[part], units.row[part], stair)
            for part in portions(len(units.prefix), self._at_once)
        ]
        row, genes, correct, cost = (np.concatenate(column) for column in zip(*found, strict=True))
        return Sweep(
            sequence=row,
            thresholds=_in_front(genes, sequences[row]),
            correct=correct,
            cost=cost,
        )

    def _sweep_units(
        self, prefix: IntArray, last: IntArray, row: IntArray, stair: DoubleArray
    ) -> tuple[IntArray, IntArray, IntArray, DoubleArray]:
        n = len(prefix)
        stages = np.empty((n, N_PREFIX, self._padded), np.uint8)
        lasts = np.empty((n, N_LANES, self._padded), np.uint8)
        n_blocks = -(-self._padded // (CHUNK * self._source.block))
        n_lanes = min(self._n_threads, n_blocks)
        on_lanes(fill_lane, n_lanes, self._source, prefix, last, stages, lasts)
        n_lanes = min(self._n_threads, n)
        codes, costs = np.empty((n, len(stair)), np.int64), np.empty((n, len(stair)))
        units = sorted_units(stages, lasts, last, self.n_samples, n_lanes=n_lanes)
        on_lanes(
            sweep_lane, n_lanes, units, prefix, last, self._prices, stair,
            new_planes(n_lanes), new_blocks(n_lanes, self.n_samples), codes, costs,
        )  # fmt: skip
        unit, correct = np.nonzero(codes != KNOWN)
        code = codes[unit, correct]
        genes = code[:, None] // N_LANES // 64 ** np.arange(N_PREFIX) % 64
        return row[unit, code % N_LANES], genes, correct, costs[unit, correct]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Grouped:
    """Sequences grouped into units.

    Args:
        prefix: int64 [n, 4], all members but the last, NOBODY in front.
        last: int64 [n, 16], the last members, NOBODY behind.
        row: int64 [n, 16], the rows of the sequences, NOBODY behind.
    """

    prefix: IntArray
    last: IntArray
    row: IntArray


def units_of(sequences: IntArray) -> Grouped:
    """Groups sequences [n, max_members] that follow each other and differ in the last member."""
    n, max_members = sequences.shape
    length = (sequences >= 0).sum(axis=1)
    prefix = sequences.copy()
    prefix[np.arange(n), length - 1] = NOBODY
    starts_anew = np.ones(n, np.bool_)
    starts_anew[1:] = (prefix[1:] != prefix[:-1]).any(axis=1)
    run = np.cumsum(starts_anew) - 1
    place = np.arange(n) - np.flatnonzero(starts_anew)[run]
    lane = place % N_LANES
    unit = np.cumsum(lane == 0) - 1
    last, row = (np.full((n and unit[-1] + 1, N_LANES), NOBODY, np.int64) for _ in range(2))
    last[unit, lane] = sequences[np.arange(n), length - 1]
    row[unit, lane] = np.arange(n)
    first = row[:, 0]
    columns = np.arange(N_PREFIX) - (N_PREFIX + 1 - length[first])[:, None]
    members = np.take_along_axis(prefix[first], np.clip(columns, 0, max_members - 1), axis=1)
    return Grouped(prefix=np.where(columns >= 0, members, NOBODY), last=last, row=row)


def portions(n: int, size: int) -> list[slice]:
    """Slices that cover 0 .. n - 1 in order, each of at most `size`; at least one."""
    return [slice(start, min(start + size, n)) for start in range(0, max(n, 1), size)]


def _in_front(genes: IntArray, sequences: IntArray) -> IntArray:
    """Genes [n, 4], right-aligned as prefixes are, as threshold genes [n, max_members - 1]."""
    max_members = sequences.shape[1]
    length = (sequences >= 0).sum(axis=1)
    columns = np.arange(max_members - 1) + (N_PREFIX + 1 - length)[:, None]
    taken = np.take_along_axis(genes, np.clip(columns, 0, N_PREFIX - 1), axis=1)
    return np.where(columns < N_PREFIX, taken, 0)
