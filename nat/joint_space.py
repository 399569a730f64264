"""Genomes of cascades over supernetworks: which subnet of each, in what order, and when to leave.

A genome holds one subnet's genome for each supernetwork, then a rank for each (0 = not in the
cascade; the others run by rank, equal ranks in the order of the supernetworks), then the genes of
the thresholds between the stages, as in evaluate/genome.py.

Source: A. Chebykin, T. Alderliesten, P. A. N. Bosman, "Evolutionary Neural Cascade Search across
Supernetworks", GECCO 2022, doi 10.1145/3512290.3528749, section 6 (ENCAS-joint). Departure: there
a cascade has a member of every supernetwork; here it may leave some out.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ..arrays import IntArray, frozen
from ..cascade import Cascade
from ..evaluate.threshold_grid import N_THRESHOLDS, threshold_of
from .space import Space, distinct, largest, smallest
from .subnets import subnet_name

TRIES = 100


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class JointSpace:
    """The cascades over some supernetworks as genomes.

    Args:
        spaces: those of the supernetworks, one or more.
    """

    spaces: tuple[Space, ...]
    n_values: IntArray = field(init=False)

    def __post_init__(self) -> None:
        k = len(self.spaces)
        parts = [space.n_values for space in self.spaces]
        sizes = [*parts, np.full(k, k + 1), np.full(k - 1, N_THRESHOLDS)]
        object.__setattr__(self, "n_values", frozen(np.concatenate(sizes).astype(np.int64)))

    @property
    def n_supernets(self) -> int:
        """K, the number of supernetworks, and of stages at most."""
        return len(self.spaces)

    def subnets(self, genomes: IntArray) -> list[IntArray]:
        """The subnets' own genomes, int64 [n, n_genes of the space] for each supernetwork."""
        ends = np.cumsum([len(space.n_values) for space in self.spaces])
        return np.split(genomes[:, : ends[-1]], ends[:-1], axis=1)

    def ranks(self, genomes: IntArray) -> IntArray:
        """The ranks, int64 [n, K], 0 where a supernetwork is left out."""
        return genomes[:, self._n_architecture :][:, : self.n_supernets]

    def thresholds(self, genomes: IntArray) -> IntArray:
        """The threshold genes, int64 [n, K - 1]."""
        return genomes[:, self._n_architecture + self.n_supernets :]

    def members(self, genomes: IntArray) -> IntArray:
        """The supernetworks in the order that they run, int64 [n, K], -1 past the last stage."""
        ranks = self.ranks(genomes)
        late = np.where(ranks > 0, ranks, self.n_supernets + 1)
        order = np.argsort(late, axis=1, kind="stable")
        return np.where(np.take_along_axis(ranks, order, axis=1) > 0, order, -1)

    def canonical(self, genomes: IntArray) -> IntArray:
        """The one genome that stands for the same cascade, for each of genomes [n, n_genes]."""
        members, is_in = self.members(genomes), self.ranks(genomes) > 0
        subnets = [
            np.where(is_in[:, [s]], space.canonical(own), smallest(space))
            for s, (space, own) in enumerate(zip(self.spaces, self.subnets(genomes), strict=True))
        ]
        ranks = np.zeros_like(is_in, np.int64)
        stage = np.arange(1, self.n_supernets + 1)
        for s in range(self.n_supernets):
            ranks[:, s] = ((members == s) * stage).sum(axis=1)
        thresholds = np.where(members[:, 1:] >= 0, self.thresholds(genomes), 0)
        return np.concatenate((*subnets, ranks, thresholds), axis=1)

    def sample(self, n: int, rng: np.random.Generator) -> IntArray:
        """Random cascades, canonical, int64 [n, n_genes]; some may be equal.

        Every number of members is as likely as any other.
        """
        k = self.n_supernets
        subnets = [space.sample(n, rng) for space in self.spaces]
        n_members = rng.integers(1, k + 1, size=(n, 1))
        ranks = rng.permuted(np.tile(np.arange(1, k + 1), (n, 1)), axis=1)
        thresholds = rng.integers(N_THRESHOLDS, size=(n, k - 1))
        drawn = (*subnets, np.where(ranks <= n_members, ranks, 0), thresholds)
        return self.canonical(np.concatenate(drawn, axis=1))

    def sample_distinct(self, n: int, rng: np.random.Generator) -> IntArray:
        """`n` different random cascades; first every smallest and largest subnet alone."""
        found = self._alone()
        for _ in range(TRIES):
            found = distinct(np.concatenate((found, self.sample(n, rng))))
            if len(found) >= n:
                break
        return found[:n]

    def cascade(self, genome: IntArray) -> Cascade:
        """The cascade of a genome [n_genes], its members named as in a pool."""
        canonical = self.canonical(genome[None])
        subnets = self.subnets(canonical)
        members = [int(s) for s in self.members(canonical)[0] if s >= 0]
        genes = self.thresholds(canonical)[0][: len(members) - 1]
        return Cascade(
            members=tuple(subnet_name(self.spaces[s], subnets[s][0]) for s in members),
            thresholds=tuple(threshold_of(int(gene)) for gene in genes),
        )

    @property
    def _n_architecture(self) -> int:
        return sum(len(space.n_values) for space in self.spaces)

    def _alone(self) -> IntArray:
        rows: list[IntArray] = []
        for make in (smallest, largest):
            architecture = np.concatenate([make(space) for space in self.spaces])
            for s in range(self.n_supernets):
                ranks = np.zeros(self.n_supernets, np.int64)
                ranks[s] = 1
                rest = np.zeros(self.n_supernets - 1, np.int64)
                rows.append(np.concatenate((architecture, ranks, rest)))
        return self.canonical(np.stack(rows))
