"""The next subnets: a surrogate of the error, searched by NSGA-III, and a choice of what it finds.

Sources: see nat_settings.py. Departures: the search begins from the archive; the candidates are all
that the search found not to dominate each other, not its last population.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from ..arrays import BoolArray, DoubleArray, IntArray
from ..fronts.indicators import non_dominated
from ..search.nsga import Nsga3
from ..search.problem import Problem
from ..search.search import AskTellSearch
from ..search.strategy import Strategy
from .directions import N_DIRECTIONS, chosen_by_direction, riesz_directions
from .learning import Rng
from .nat_settings import NatSettings
from .space import Space, distinct, sample_distinct
from .surrogate import RbfEnsemble

# How many subnets are drawn at random for each that is wanted: some repeat.
SPARE = 4
# Costs of canonical genomes [n, n_genes], float64 [n], exact.
Costs: TypeAlias = Callable[[IntArray], DoubleArray]
# So many random genomes, canonical, int64 [n, n_genes]; some may be equal.
Draw: TypeAlias = Callable[[int, Rng], IntArray]


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
        errors = self._surrogate.predict(canonical.astype(np.float64))[:, 0]
        return np.stack((errors, self._costs(canonical)), axis=1)


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
    found = searched(problem, Nsga3(problem, rng=rng, start=genomes), settings.evaluations)
    return chosen_proposal(
        unknown(space.canonical(found), genomes),
        genomes,
        np.stack((errors, costs(genomes)), axis=1),
        problem=problem,
        draw=space.sample,
        settings=settings,
        rng=rng,
    )


def searched(problem: Problem, strategy: Strategy, n_evaluations: int) -> IntArray:
    """Genomes that a strategy finds not to dominate each other, int64 [m, n_genes]."""
    search = AskTellSearch(problem, strategy)
    while search.n_evaluations < n_evaluations:
        search.step(n_evaluations - search.n_evaluations)
    return search.archive.genomes


def chosen_proposal(
    found: IntArray,
    genomes: IntArray,
    points: DoubleArray,
    *,
    problem: Problem,
    draw: Draw,
    settings: NatSettings,
    rng: Rng,
) -> Proposal:
    """What to evaluate next, out of an archive and of what a search found beside it.

    Args:
        found: int64 [m, n_genes], canonical and not in the archive.
        genomes: int64 [n, n_genes], the archive.
        points: float64 [n, 2], its errors and costs.
        problem: predicts errors and costs.
        draw: random genomes, where too few were found.
        settings: how many are wanted, and whether the archive's own are among them.
        rng: all randomness.
    """
    if not settings.n_new:
        return _renewed(genomes, points, found, problem=problem, n=settings.archive_size, rng=rng)
    drawn = unknown(draw(settings.n_new, rng), np.concatenate((genomes, found)))
    lacking = max(0, settings.n_new - len(found))
    found = np.concatenate((found, drawn[:lacking]))
    predicted = _predicted(problem, found)
    chosen = _chosen_points(predicted, settings.n_new, rng)
    return Proposal(genomes=found[chosen], predicted=predicted[chosen, 0])


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
    points = np.stack((errors, costs(genomes)), axis=1)
    return drawn_proposal(genomes, points, draw=space.sample, settings=settings, rng=rng)


def drawn_proposal(
    genomes: IntArray, points: DoubleArray, *, draw: Draw, settings: NatSettings, rng: Rng
) -> Proposal:
    """As `chosen_proposal`, the new ones drawn at random."""
    kept = genomes[:0]
    if not settings.n_new:
        kept = genomes[_staying(points, settings.archive_size, rng)]
    n_drawn = (settings.n_new or settings.archive_size) - len(kept)
    drawn = unknown(draw(SPARE * n_drawn, rng), genomes)[:n_drawn]
    proposed = np.concatenate((kept, drawn))
    return Proposal(genomes=proposed, predicted=np.full(len(proposed), np.nan))


def unknown(genomes: IntArray, known: IntArray) -> IntArray:
    """Those of `genomes` [n, n_genes] that are not in `known` [m, n_genes], each once."""
    rows = {tuple(row) for row in known.tolist()}
    fresh = np.array([tuple(row) not in rows for row in genomes.tolist()], np.bool_)
    return distinct(genomes[fresh]) if fresh.any() else genomes[:0]


def _chosen_points(points: DoubleArray, n: int, rng: Rng) -> IntArray:
    """Which `n` of errors and costs [m, 2] to take, spread along their front, ascending."""
    reference = riesz_directions(points.shape[1], N_DIRECTIONS)
    return chosen_by_direction(points, n, reference=reference, rng=rng)


def _renewed(
    genomes: IntArray,
    points: DoubleArray,
    found: IntArray,
    *,
    problem: Problem,
    n: int,
    rng: Rng,
) -> Proposal:
    """The archive of the next round: the best of this one and of the candidates."""
    predicted = _predicted(problem, found)
    staying = _staying(points, n, rng)
    others = np.setdiff1d(np.arange(len(genomes)), staying)
    chosen = _chosen_points(np.concatenate((points[others], predicted)), n - len(staying), rng)
    everyone = np.concatenate((genomes[others], found))[chosen]
    errors = np.concatenate((np.full(len(others), np.nan), predicted[:, 0]))[chosen]
    return Proposal(
        genomes=np.concatenate((genomes[staying], everyone)),
        predicted=np.concatenate((np.full(len(staying), np.nan), errors)),
    )


def _predicted(problem: Problem, genomes: IntArray) -> DoubleArray:
    return problem.evaluate(genomes) if len(genomes) else np.empty((0, 2))


def _staying(points: DoubleArray, n: int, rng: Rng) -> IntArray:
    """Places in an archive of what nothing in it dominates, at most half of `n`."""
    front = np.flatnonzero(non_dominated(points))
    return front[_chosen_points(points[front], n // 2, rng)]
