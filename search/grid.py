"""Grid search: committees of few members, and thresholds on a grid.

Source: X. Wang, D. Kondratyuk, E. Christiansen, K. M. Kitani, Y. Alon, E. Eban, "Wisdom of
Committees: An Overlooked Approach To Faster and More Accurate Models", ICLR 2022, arXiv 2012.01988:
combinations of given models, the thresholds of each by grid search.

All single models come first, then all ordered pairs with every threshold, then ordered triples with
thresholds in steps of 0.1; sequences come in an order scattered by the seed, so that a budget that
ends among them has seen a fair part. Departure from the source: every order of the members is
tried, and the answer is the mean of probabilities, as everywhere here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb, gcd

import numpy as np

from ..arrays import IntArray
from ..evaluate.threshold_grid import N_THRESHOLDS
from .listing import Listing
from .sequences import n_sequences, sequences_at

# Threshold genes from one to the next, by the number of members.
THRESHOLD_STEPS = {1: 1, 2: 1, 3: 5}


@dataclass(frozen=True, slots=True, kw_only=True)
class SequenceGrid:
    """All ordered sequences of `n_members` different models, each with a grid of thresholds.

    Args:
        n_models: models to take members from.
        n_members: members of each sequence.
        max_members: K, slots of a genome of 2K - 1 genes.
        threshold_step: threshold genes are 0, step, 2 * step, ..
        order: offset and stride of the order in which the sequences come; the stride is prime to
            their number.
    """

    n_models: int
    n_members: int
    max_members: int
    threshold_step: int = 1
    order: tuple[int, int] = (0, 1)

    @property
    def n_sequences(self) -> int:
        """How many sequences there are."""
        return n_sequences(self.n_models, self.n_members)

    @property
    def n_levels(self) -> int:
        """How many values each threshold takes."""
        return (N_THRESHOLDS - 1) // self.threshold_step + 1

    @property
    def n_genomes(self) -> int:
        """Sequences times threshold vectors."""
        return self.n_sequences * self.n_levels ** (self.n_members - 1)

    def genomes(self, places: IntArray) -> IntArray:
        """See `Listing.genomes`; all thresholds of a sequence, then the next sequence."""
        genomes = np.zeros((len(places), 2 * self.max_members - 1), np.int64)
        rest = places
        for j in range(self.n_members - 1):
            rest, level = np.divmod(rest, self.n_levels)
            genomes[:, self.max_members + j] = level * self.threshold_step
        genomes[:, : self.n_members] = self._sequences(rest) + 1
        return genomes

    def _sequences(self, places: IntArray) -> IntArray:
        offset, stride = self.order
        # Exact integers: the product may not fit in 64 bits.
        rest = np.array((places.astype(object) * stride + offset) % self.n_sequences, np.int64)
        return sequences_at(rest, n_models=self.n_models, n_members=self.n_members)


@dataclass(frozen=True, slots=True, kw_only=True)
class SubsetGrid:
    """All sets of `n_members` models, as member genes alone, ascending.

    Args:
        n_models: models to take members from.
        n_members: members of each set.
        max_members: K, genes of a genome.
    """

    n_models: int
    n_members: int
    max_members: int

    @property
    def n_genomes(self) -> int:
        """How many sets there are."""
        return comb(self.n_models, self.n_members)

    def genomes(self, places: IntArray) -> IntArray:
        """See `Listing.genomes`: the combinatorial number system."""
        genomes = np.zeros((len(places), self.max_members), np.int64)
        rest = places
        for size in range(self.n_members, 0, -1):
            # No place is as large: sets beyond it are never looked for.
            smaller = np.array([min(comb(m, size), 2**62) for m in range(self.n_models)])
            member = np.searchsorted(smaller, rest, side="right") - 1
            rest = rest - smaller[member]
            genomes[:, size - 1] = member + 1
        return genomes


@dataclass(frozen=True, slots=True)
class Chain:
    """One listing after the other."""

    parts: Sequence[Listing]

    @property
    def n_genomes(self) -> int:
        """Those of all parts."""
        return sum(part.n_genomes for part in self.parts)

    def genomes(self, places: IntArray) -> IntArray:
        """See `Listing.genomes`; the places must ascend."""
        pieces: list[IntArray] = []
        start = 0
        for part in self.parts:
            here = places[(places >= start) & (places < start + part.n_genomes)]
            if len(here):
                pieces.append(part.genomes(here - start))
            start += part.n_genomes
        return np.concatenate(pieces)


def cascade_grid(n_models: int, max_members: int, rng: np.random.Generator) -> Chain:
    """Singles, pairs and triples with thresholds; fewer where K is smaller."""
    return Chain(
        [
            SequenceGrid(
                n_models=n_models,
                n_members=n_members,
                max_members=max_members,
                threshold_step=step,
                order=_scattered(n_sequences(n_models, n_members), rng),
            )
            for n_members, step in THRESHOLD_STEPS.items()
            if n_members <= min(n_models, max_members)
        ]
    )


def ensemble_grid(n_models: int, max_members: int) -> Chain:
    """All sets of 1, 2, .. K models."""
    return Chain(
        [
            SubsetGrid(n_models=n_models, n_members=n_members, max_members=max_members)
            for n_members in range(1, min(n_models, max_members) + 1)
        ]
    )


def _scattered(n: int, rng: np.random.Generator) -> tuple[int, int]:
    """An offset and a stride that visit 0..n - 1, each once, in no order to speak of."""
    offset, stride = (int(x) for x in rng.integers(n, size=2))
    while gcd(stride, n) > 1:
        stride += 1
    return offset, stride
