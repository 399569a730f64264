"""MO-GOMEA: the multi-objective gene-pool optimal mixing evolutionary algorithm.

Source: N. H. Luong, H. La Poutre, P. A. N. Bosman, "Multi-objective Gene-pool Optimal Mixing
Evolutionary Algorithms", GECCO 2014, doi 10.1145/2576768.2598261, and "Multi-objective Gene-pool
Optimal Mixing Evolutionary Algorithm with the Interleaved Multi-start Scheme", Swarm and
Evolutionary Computation 40, 2018, doi 10.1016/j.swevo.2018.02.005.

A population is clustered in objective space; each cluster learns a linkage tree (linkage.py), and
each individual is improved by taking over, one linkage set after the other, genes from donors of
its cluster; extreme clusters improve one objective (clustering.py, mixing.py). Populations of
doubling sizes, each with one cluster more, run interleaved, so that no size needs to be chosen.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..arrays import DoubleArray, IntArray
from ..evaluate.compiled import compiled
from ..state import State, arrays_of, fields_from, joined, part_of, restore_rng, rng_state
from .archive import TARGET, ElitistArchive
from .mixing import (
    Generation,
    MutationKind,
    accept,
    mutation_of,
    propose,
    replace_unimproved,
    start_forced_improvement,
    start_generation,
)
from .problem import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheme:
    """The interleaved multi-start scheme.

    Args:
        smallest: individuals of the first population; each further one has twice as many.
        largest: no population is larger; the last one starts anew when it has converged.
        interleaving: generations of a population before the next larger one takes one; the
            papers take 2, but with mutation the small populations go on being of use.
        more_clusters: the first population has so many clusters more than objectives.
    """

    smallest: int = 8
    largest: int = 2**16
    interleaving: int = 16
    more_clusters: int = 1


@dataclass(slots=True, kw_only=True, eq=False)
class Population:
    """A population between two generations.

    Args:
        genomes: int64 [n, n_genes].
        objectives: float64 [n, n_objectives], no rows before they were evaluated.
        n_generations: how often its turn came, also after it was terminated.
        n_stagnant: generations since one that added to the archive.
        is_terminated: whether a larger population covers its front, or mixing changes nothing.
    """

    genomes: IntArray
    objectives: DoubleArray
    n_generations: int = 0
    n_stagnant: int = 0
    is_terminated: bool = False


class MoGomea:
    """MO-GOMEA behind the ask/tell protocol.

    Departures from the papers: the individuals of a generation take their s-th mixing step at the
    same time and are accepted one after the other, against one archive, when the whole batch has
    been evaluated; a trial that changes no gene is not evaluated; an archive member is not replaced
    by a solution with the same objectives; mutation, an option of the authors' program, is on.

    Args:
        problem: gives the alphabets and the number of objectives; it is not evaluated here.
        rng: all randomness.
        scheme: population sizes.
        mutation: of genes that are mixed: "none", "weak" or "strong", see `mixing.mutation_of`.
        archive_target: see `ElitistArchive`.
        start: int64 [n, n_genes], genomes of a population before the first random one, None for
            none.
    """

    def __init__(
        self,
        problem: Problem,
        *,
        rng: np.random.Generator,
        scheme: Scheme | None = None,
        mutation: MutationKind = "strong",
        archive_target: int = TARGET,
        start: IntArray | None = None,
    ) -> None:
        self._start = start
        self._n_values = np.asarray(problem.n_values, np.int64)
        self._n_objectives = problem.n_objectives
        self._rng = rng
        self._scheme = scheme or Scheme()
        self._mutation = mutation_of(mutation, self._n_values)
        self._archive = ElitistArchive(
            len(self._n_values), self._n_objectives, target=archive_target
        )
        self._populations: list[Population] = []
        self._turn = 0
        self._generation: Generation | None = None

    @property
    def archive(self) -> ElitistArchive:
        """Every non-dominated solution found so far."""
        return self._archive

    def ask(self) -> IntArray:
        """The trials of the next mixing step, or a new population."""
        while True:
            if self._turn == len(self._populations):
                self._populations.append(self._new_population())
            population = self._populations[self._turn]
            if not len(population.objectives):
                return population.genomes
            if population.is_terminated:
                self._end_turn()
                continue
            generation = self._generation = self._generation or self._started(population)
            if len(generation.trials) or self._propose(generation):
                return generation.trials
            self._end_phase(population, generation)

    def tell(self, objectives: DoubleArray) -> None:
        """Takes the objectives of the genomes last asked for."""
        population, generation = self._populations[self._turn], self._generation
        if generation is None:
            self._archive.add(population.genomes, objectives)
            population.objectives = np.array(objectives, np.float64)
            self._terminate_covered()
            self._end_turn()
        else:
            verdicts = self._archive.add(generation.trials, objectives)
            accept(generation, objectives, verdicts)

    def state(self) -> State:
        """Archive, populations, the generation under way and the generator."""
        own = {"turn": np.array(self._turn), "rng": rng_state(self._rng)}
        parts: dict[str, State] = {"own": own, "archive": self._archive.state()}
        for i, population in enumerate(self._populations):
            parts[f"population.{i}"] = arrays_of(population)
        if self._generation is not None:
            parts["generation"] = arrays_of(self._generation)
        return joined(parts)

    def restore(self, state: State) -> None:
        """Continues from a state."""
        own = part_of(state, "own")
        restore_rng(self._rng, own["rng"])
        self._turn = int(own["turn"])
        self._archive.restore(part_of(state, "archive"))
        self._populations = []
        while part := part_of(state, f"population.{len(self._populations)}"):
            self._populations.append(Population(**fields_from(part)))
        part = part_of(state, "generation")
        self._generation = Generation(**fields_from(part)) if part else None

    def _new_population(self) -> Population:
        unscored, n_before = np.empty((0, self._n_objectives)), len(self._populations)
        if self._start is not None:
            if not n_before:
                return Population(genomes=self._start, objectives=unscored)
            n_before -= 1
        n = min(self._scheme.smallest << n_before, self._scheme.largest)
        genomes = self._rng.integers(self._n_values, size=(n, len(self._n_values)))
        return Population(genomes=genomes, objectives=unscored)

    def _started(self, population: Population) -> Generation:
        n_clusters = self._n_objectives + self._scheme.more_clusters + self._turn
        return start_generation(
            population.genomes,
            population.objectives,
            n_clusters=min(n_clusters, len(population.genomes)),
            rng=self._rng,
        )

    def _propose(self, generation: Generation) -> bool:
        return propose(generation, self._archive, mutation=self._mutation, rng=self._rng)

    def _end_phase(self, population: Population, generation: Generation) -> None:
        if not generation.is_forced and len(self._archive):
            patience = 1 + math.floor(math.log10(len(population.genomes)))
            start_forced_improvement(
                generation, everybody=population.n_stagnant > patience, rng=self._rng
            )
            return
        if generation.is_forced:
            replace_unimproved(generation, self._archive, self._rng)
        population.genomes = generation.offspring
        population.objectives = generation.objectives
        population.n_stagnant = 0 if generation.has_new else population.n_stagnant + 1
        population.is_terminated = not generation.has_trials
        self._terminate_covered()
        self._end_turn()

    def _terminate_covered(self) -> None:
        """Terminates the smaller populations whose front the current population covers."""
        current = self._populations[self._turn]
        for smaller in self._populations[: self._turn]:
            if not smaller.is_terminated:
                smaller.is_terminated = bool(_covers(current.objectives, smaller.objectives))

    def _end_turn(self) -> None:
        population, scheme = self._populations[self._turn], self._scheme
        population.n_generations += 1
        self._generation = None
        is_last = len(population.genomes) * 2 > scheme.largest
        if is_last and population.is_terminated:
            del self._populations[self._turn]
        goes_on = population.n_generations % scheme.interleaving == 0 and not is_last
        self._turn = self._turn + 1 if goes_on else 0


@compiled
def _covers(objectives: DoubleArray, others: DoubleArray) -> bool:
    """Whether each of the others is equal to one of `objectives` or dominated by it."""
    for other in others:
        is_covered = False
        for own in objectives:
            is_worse = False
            for k in range(len(own)):
                is_worse = is_worse or own[k] > other[k]
            if not is_worse:
                is_covered = True
                break
        if not is_covered:
            return False
    return True
