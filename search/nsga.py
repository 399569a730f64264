"""NSGA-II and NSGA-III, as pymoo has them, behind the ask/tell protocol.

Sources: K. Deb, A. Pratap, S. Agarwal, T. Meyarivan, "A Fast and Elitist Multiobjective Genetic
Algorithm: NSGA-II", IEEE Transactions on Evolutionary Computation 6(2), 2002,
doi 10.1109/4235.996017; K. Deb, H. Jain, "An Evolutionary Many-Objective Optimization Algorithm
Using Reference-Point-Based Nondominated Sorting Approach, Part I", IEEE Transactions on
Evolutionary Computation 18(4), 2014, doi 10.1109/TEVC.2013.2281535; J. Blank, K. Deb, "pymoo:
Multi-Objective Optimization in Python", IEEE Access 8, 2020, doi 10.1109/ACCESS.2020.2990567.

Tournaments, mating and survival are pymoo's; the population, the random generator and what survival
remembers are plain arrays here, so that a search stops and goes on anywhere.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, Protocol, TypeAlias

import numpy as np

from ..arrays import DoubleArray, IntArray
from ..errors import MissingExtraError
from ..state import State, joined, part_of, restore_rng, rng_state
from .archive import TARGET, ElitistArchive
from .problem import Problem

try:
    from pymoo.algorithms.moo.nsga2 import binary_tournament
    from pymoo.algorithms.moo.nsga3 import ReferenceDirectionSurvival, comp_by_cv_then_random
    from pymoo.core.duplicate import DefaultDuplicateElimination
    from pymoo.core.mating import Mating
    from pymoo.core.mutation import Mutation
    from pymoo.core.population import Population
    from pymoo.core.problem import Problem as PymooProblem
    from pymoo.operators.crossover.ux import UX
    from pymoo.operators.selection.tournament import TournamentSelection
    from pymoo.operators.survival.rank_and_crowding import RankAndCrowding
    from pymoo.util.reference_direction import (
        UniformReferenceDirectionFactory,
        get_number_of_uniform_points,
    )
except ImportError as error:
    raise MissingExtraError("NSGA-II and NSGA-III", extra="moo") from error

Rng: TypeAlias = np.random.Generator

POPULATION_SIZE = 100
CROSSOVER_PROBABILITY = 0.9
NO_CONSTRAINTS = SimpleNamespace(has_constraints=lambda: False)


class Selection(Protocol):
    """Who mates and who survives."""

    def compare(self, population: Any, pairs: IntArray, **options: Any) -> IntArray:
        """The winner of each of the tournaments `pairs` [n, 2], int64 [n, 1]."""
        ...

    def survivors(self, population: Any, n_survive: int, rng: Rng) -> Any:
        """The fittest of a pymoo population."""
        ...

    def state(self) -> State:
        """What it remembers from one generation to the next."""
        ...

    def restore(self, state: State) -> None:
        """Takes a state back."""
        ...


class Nsga:
    """An NSGA behind the ask/tell protocol.

    Departures from the sources: genes are categories, so that crossover is uniform and a mutated
    gene takes any value of its alphabet; an infeasible genome never enters the population; an
    archive keeps what the population forgets.

    Args:
        problem: gives the alphabets and the number of objectives; it is not evaluated here.
        rng: all randomness.
        make_selection: makes the selection from the number of objectives and the population size.
        population_size: individuals, and offspring of a generation.
        archive_target: see `ElitistArchive`.
        start: int64 [n, n_genes], the first genomes, of any number, instead of random ones.
    """

    def __init__(
        self,
        problem: Problem,
        *,
        rng: Rng,
        make_selection: Callable[[int, int], Selection],
        population_size: int = POPULATION_SIZE,
        archive_target: int = TARGET,
        start: IntArray | None = None,
    ) -> None:
        self._n_values = np.asarray(problem.n_values, np.int64)
        n_genes, n_objectives = len(self._n_values), problem.n_objectives
        self._rng = rng
        self._size = population_size
        self._archive = ElitistArchive(n_genes, n_objectives, target=archive_target)
        self._asked = np.empty((0, n_genes), np.int64) if start is None else start
        self._genomes = np.empty((0, n_genes), np.int64)
        self._objectives = np.empty((0, n_objectives))
        self._crowding = np.empty(0)
        self._selection = make_selection(n_objectives, population_size)
        self._problem = PymooProblem(n_var=n_genes, n_obj=n_objectives, xl=0, xu=self._n_values - 1)
        self._mating = Mating(
            TournamentSelection(func_comp=self._selection.compare),
            UX(prob=CROSSOVER_PROBABILITY),
            RandomReset(self._n_values),
            eliminate_duplicates=DefaultDuplicateElimination(),
        )

    @property
    def archive(self) -> ElitistArchive:
        """Every non-dominated solution found so far."""
        return self._archive

    def ask(self) -> IntArray:
        """The next generation: random genomes, later offspring that no living one equals."""
        if not len(self._asked):
            self._asked = self._offspring() if len(self._genomes) else self._asked
        if not len(self._asked):
            size = (self._size, len(self._n_values))
            self._asked = self._rng.integers(self._n_values, size=size)
        return self._asked

    def tell(self, objectives: DoubleArray) -> None:
        """Takes the objectives of the genomes last asked for; the fittest of all survive."""
        self._archive.add(self._asked, objectives)
        is_feasible = np.isfinite(objectives).all(axis=1)
        genomes = np.concatenate((self._genomes, self._asked[is_feasible]))
        objectives = np.concatenate((self._objectives, objectives[is_feasible]))
        self._asked = self._asked[:0]
        if len(genomes):
            everyone = _population(genomes, objectives, np.zeros(len(genomes)))
            survivors = self._selection.survivors(everyone, self._size, self._rng)
            self._genomes = np.asarray(survivors.get("X"), np.int64)
            self._objectives = np.asarray(survivors.get("F"), np.float64)
            self._crowding = np.asarray(survivors.get("crowding"), np.float64)

    def state(self) -> State:
        """Population, offspring, archive, generator and what selection remembers."""
        own = {
            "asked": self._asked.copy(),
            "genomes": self._genomes.copy(),
            "objectives": self._objectives.copy(),
            "crowding": self._crowding.copy(),
            "rng": rng_state(self._rng),
        }
        parts = {"archive": self._archive.state(), "selection": self._selection.state()}
        return own | joined(parts)

    def restore(self, state: State) -> None:
        """Continues from a state."""
        self._asked = np.array(state["asked"])
        self._genomes = np.array(state["genomes"])
        self._objectives = np.array(state["objectives"])
        self._crowding = np.array(state["crowding"])
        restore_rng(self._rng, state["rng"])
        self._archive.restore(part_of(state, "archive"))
        self._selection.restore(part_of(state, "selection"))

    def _offspring(self) -> IntArray:
        offspring = self._mating.do(
            self._problem,
            _population(self._genomes, self._objectives, self._crowding),
            self._size,
            random_state=self._rng,
            algorithm=SimpleNamespace(
                tournament_type="comp_by_dom_and_crowding", random_state=self._rng
            ),
        )
        if not len(offspring):
            return self._asked
        return np.asarray(offspring.get("X"), np.int64)


def _population(genomes: IntArray, objectives: DoubleArray, crowding: DoubleArray) -> Any:
    return Population.new("X", genomes, "F", objectives, "crowding", crowding)


class Nsga2(Nsga):
    """NSGA-II: survival by rank and crowding distance."""

    def __init__(
        self, problem: Problem, *, rng: Rng, population_size: int = POPULATION_SIZE
    ) -> None:
        super().__init__(
            problem,
            rng=rng,
            make_selection=lambda _n_objectives, _size: ByCrowding(),
            population_size=population_size,
        )


class Nsga3(Nsga):
    """NSGA-III: survival by rank and niches around reference directions."""

    def __init__(
        self,
        problem: Problem,
        *,
        rng: Rng,
        population_size: int = POPULATION_SIZE,
        start: IntArray | None = None,
    ) -> None:
        super().__init__(
            problem,
            rng=rng,
            make_selection=lambda n_objectives, size: ByDirection(directions(n_objectives, size)),
            population_size=population_size,
            start=start,
        )


class ByCrowding:
    """Selection of NSGA-II; it remembers nothing."""

    def compare(self, population: Any, pairs: IntArray, **options: Any) -> IntArray:
        """See `Selection.compare`: by dominance, then by crowding distance."""
        return binary_tournament(population, pairs, **options)

    def survivors(self, population: Any, n_survive: int, rng: Rng) -> Any:
        """See `Selection.survivors`."""
        return RankAndCrowding().do(
            NO_CONSTRAINTS, population, n_survive=n_survive, random_state=rng
        )

    def state(self) -> State:
        """Nothing."""
        return {}

    def restore(self, state: State) -> None:
        """Takes nothing back."""


class ByDirection:
    """Selection of NSGA-III; it remembers how it scaled the objectives.

    Args:
        reference: float64 [n, n_objectives], the directions.
    """

    _REMEMBERED = ("ideal_point", "worst_point", "nadir_point", "extreme_points")

    def __init__(self, reference: DoubleArray) -> None:
        self._survival = ReferenceDirectionSurvival(reference)

    def compare(self, population: Any, pairs: IntArray, **options: Any) -> IntArray:
        """See `Selection.compare`: at random."""
        return comp_by_cv_then_random(population, pairs, **options)

    def survivors(self, population: Any, n_survive: int, rng: Rng) -> Any:
        """See `Selection.survivors`."""
        with warnings.catch_warnings():
            return self._survival.do(
                NO_CONSTRAINTS, population, n_survive=n_survive, random_state=rng
            )

    def state(self) -> State:
        """The points that normalise the objectives."""
        values = {name: getattr(self._survival.norm, name) for name in self._REMEMBERED}
        return {name: np.array(value) for name, value in values.items() if value is not None}

    def restore(self, state: State) -> None:
        """Takes the points back."""
        for name in self._REMEMBERED:
            value = np.array(state[name]) if name in state else None
            setattr(self._survival.norm, name, value)


class RandomReset(Mutation):
    """Each gene takes, with probability 1 / n_genes, a random value of its alphabet."""

    def __init__(self, n_values: IntArray) -> None:
        super().__init__()
        self._n_values = n_values

    def _do(self, problem: Any, X: IntArray, *_: Any, random_state: Any, **__: Any) -> IntArray:  # noqa: ARG002, N803
        is_reset = random_state.random(X.shape) < 1 / X.shape[1]
        return np.where(is_reset, random_state.integers(self._n_values, size=X.shape), X)


def directions(n_objectives: int, at_most: int) -> DoubleArray:
    """Evenly spaced reference directions (Das, Dennis, 1998), as many as fit; float64 [n, m]."""
    n_partitions = 1
    while get_number_of_uniform_points(n_partitions + 1, n_objectives) <= at_most:
        n_partitions += 1
    return UniformReferenceDirectionFactory(n_objectives, n_partitions=n_partitions).do()
