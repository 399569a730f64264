"""The next subnets: a surrogate of the error, searched by NSGA-III, and a choice of what it finds.

Sources: see settings.py. Departures: the search begins from the archive; the candidates are all
that the search found not to dominate each other, not its last population.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from ...arrays import BoolArray, DoubleArray, IntArray
from ..indicators import non_dominated
from ..nsga import Nsga3
from ..strategy import AskTellSearch
from .directions import N_DIRECTIONS, chosen_by_direction, riesz_directions
from .learning import Rng
from .settings import NatSettings
from .space import Space, distinct, sample_distinct
from .surrogate import RbfEnsemble

# How many subnets are drawn at random for each that is wanted: some repeat.
SPARE = 4
# Costs of canonical genomes [n, n_genes], float64 [n], exact.
Costs: TypeAlias = Callable[[IntArray], DoubleArray]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Proposal:
    """Subnets to evaluate.

    Args:
        genomes: int64 [n, n_genes], canonical and different.
        predicted: float64 [n], errors by the surrogate; NaN for those that the archive has, and
            where there is no surrogate.
    """

    genomes: IntArray
    predicted: DoubleArray

    @property
    def is_predicted(self) -> BoolArray:
        """Which of them have a predicted error, bool [n]."""
        return ~np.isnan(self.predicted)


class SurrogateProblem:
    """Predicted error and exact cost of subnets.

    Args:
        space: of the genomes.
        surrogate: fitted on canonical genomes; its first target is the error.
        costs: see `Costs`.
    """

    n_objectives = 2

    def __init__(self, space: Space, surrogate: RbfEnsemble, costs: Costs) -> None:
        self.n_values = space.n_values
        self._space = space
        self._surrogate = surrogate
        self._costs = costs

    def evaluate(self, genomes: IntArray, /) -> DoubleArray:
        """See `Problem.evaluate`."""
        canonical = self._space.canonical(genomes)
        return np.stack((self.errors(canonical), self._costs(canonical)), axis=1)

    def errors(self, canonical: IntArray) -> DoubleArray:
        """Predicted errors of canonical genomes [n, n_genes], float64 [n]."""
        return self._surrogate.predict(canonical.astype(np.float64))[:, 0]


def first_proposal(space: Space, settings: NatSettings, rng: Rng) -> Proposal:
    """Random subnets, the smallest and the largest among them."""
    genomes = sample_distinct(space, settings.archive_size, rng)
    return Proposal(genomes=genomes, predicted=np.full(len(genomes), np.nan))


def next_proposal(
    space: Space,
    genomes: IntArray,
    errors: DoubleArray,
    *,
    costs: Costs,
    settings: NatSettings,
    rng: Rng,
) -> Proposal:
    """Subnets that are promising by a surrogate fitted on the archive.

    Args:
        space: of the subnets.
        genomes: int64 [n, n_genes], the archive.
        errors: float64 [n], of the archive.
        costs: of any genomes.
        settings: how many are wanted, and whether the archive's own are among them.
        rng: all randomness.
    """
    surrogate = RbfEnsemble.fit(genomes.astype(np.float64), errors[:, None], rng=rng)
    problem = SurrogateProblem(space, surrogate, costs)
    search = AskTellSearch(problem, Nsga3(problem, rng=rng, start=genomes))
    while search.n_evaluations < settings.evaluations:
        search.step(settings.evaluations - search.n_evaluations)
    found = unknown(space.canonical(search.archive.genomes), genomes)
    if not settings.n_new:
        predicted = problem.errors(found) if len(found) else np.empty(0)
        return _renewed(genomes, errors, found, predicted, costs=costs, settings=settings, rng=rng)
    drawn = unknown(space.sample(settings.n_new, rng), np.concatenate((genomes, found)))
    lacking = max(0, settings.n_new - len(found))
    found = np.concatenate((found, drawn[:lacking]))
    if not len(found):
        return Proposal(genomes=found, predicted=np.empty(0))
    predicted = problem.errors(found)
    chosen = _chosen(predicted, costs(found), settings.n_new, rng)
    return Proposal(genomes=found[chosen], predicted=predicted[chosen])


def random_proposal(
    space: Space,
    genomes: IntArray,
    errors: DoubleArray,
    *,
    costs: Costs,
    settings: NatSettings,
    rng: Rng,
) -> Proposal:
    """As many subnets as `next_proposal` gives, the new ones drawn at random.

    A renewed archive keeps the same subnets as with a surrogate.

    Args:
        space: of the subnets.
        genomes: int64 [n, n_genes], the archive.
        errors: float64 [n], of the archive.
        costs: of any genomes.
        settings: how many are wanted, and whether the archive's own are among them.
        rng: all randomness.
    """
    kept = genomes[:0]
    if not settings.n_new:
        kept = genomes[_staying(errors, costs(genomes), settings.archive_size, rng)]
    n_drawn = (settings.n_new or settings.archive_size) - len(kept)
    drawn = unknown(space.sample(SPARE * n_drawn, rng), genomes)[:n_drawn]
    proposed = np.concatenate((kept, drawn))
    return Proposal(genomes=proposed, predicted=np.full(len(proposed), np.nan))


def unknown(genomes: IntArray, known: IntArray) -> IntArray:
    """Those of `genomes` [n, n_genes] that are not in `known` [m, n_genes], each once."""
    rows = {tuple(row) for row in known.tolist()}
    fresh = np.array([tuple(row) not in rows for row in genomes.tolist()], np.bool_)
    return distinct(genomes[fresh]) if fresh.any() else genomes[:0]


def _renewed(
    genomes: IntArray,
    errors: DoubleArray,
    found: IntArray,
    predicted: DoubleArray,
    *,
    costs: Costs,
    settings: NatSettings,
    rng: Rng,
) -> Proposal:
    """The archive of the next round: the best of this one and of the candidates."""
    n, macs = settings.archive_size, costs(genomes)
    staying = _staying(errors, macs, n, rng)
    others = np.setdiff1d(np.arange(len(genomes)), staying)
    rest = np.concatenate((errors[others], predicted)), np.concatenate((macs[others], costs(found)))
    chosen = _chosen(*rest, n - len(staying), rng)
    everyone = np.concatenate((genomes[others], found))[chosen]
    known = np.full(len(staying), np.nan), np.full(len(others), np.nan)
    return Proposal(
        genomes=np.concatenate((genomes[staying], everyone)),
        predicted=np.concatenate((known[0], np.concatenate((known[1], predicted))[chosen])),
    )


def _staying(errors: DoubleArray, costs: DoubleArray, n: int, rng: Rng) -> IntArray:
    """Places in an archive of what nothing in it dominates, at most half of `n`."""
    front = np.flatnonzero(non_dominated(np.stack((errors, costs), axis=1)))
    return front[_chosen(errors[front], costs[front], n // 2, rng)]


def _chosen(errors: DoubleArray, costs: DoubleArray, n: int, rng: Rng) -> IntArray:
    points = np.stack((errors, costs), axis=1)
    reference = riesz_directions(points.shape[1], N_DIRECTIONS)
    return chosen_by_direction(points, n, reference=reference, rng=rng)
