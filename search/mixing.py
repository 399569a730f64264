"""One generation of gene-pool optimal mixing, as batches of trials.

Every individual of a population takes its mixing steps, one for each linkage set of its cluster in
its own random order, and then, where that is due, its steps of forced improvement. All individuals
take their s-th step at the same time, so that a step's trials are one batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

import numpy as np

from ..arrays import BoolArray, ByteArray, DoubleArray, IntArray
from ..evaluate.compiled import compiled, inlined
from .archive import ElitistArchive
from .archive_store import ADDED, DOMINATED
from .clustering import NO_OBJECTIVE, clusters_of
from .linkage import linkage_sets

MutationKind: TypeAlias = Literal["none", "weak", "strong"]


class Mutation(NamedTuple):
    """How often a gene that is mixed takes another value than its donor's, any with equal chance.

    rates float64 [n_genes + 1], the probability by the size of the linkage set; n_values int64
    [n_genes].
    """

    rates: DoubleArray
    n_values: IntArray


@dataclass(slots=True, kw_only=True, eq=False)
class Generation:
    """A generation under way; n individuals, n_sets the most linkage sets of any cluster.

    Args:
        parents: int64 [n, n_genes], the population it started from: the donors.
        offspring: int64 [n, n_genes], how far each individual has come.
        objectives: float64 [n, n_objectives], of the offspring.
        objective_of: int64 [n], what an individual of an extreme cluster improves alone,
            NO_OBJECTIVE elsewhere.
        cluster_of: int64 [n].
        sets: bool [n_clusters, n_sets, n_genes], rows past a cluster's last set are unused.
        order: int64 [n, n_sets], the set that an individual mixes at each step, -1 for none.
        donors: int64 [n, n_sets], the parent that gives the genes at each step.
        draws: float64 [n, n_sets], in [0, 1), the archive members that give genes when forced.
        is_active: bool [n], who takes the next step.
        has_changed: bool [n], whose trials were accepted.
        rows: int64 [n_trials], the individuals of the trials that wait for their objectives.
        trials: int64 [n_trials, n_genes].
        step: the next step.
        is_forced: whether this is forced improvement.
        has_trials: whether any trial was made yet.
        has_new: whether any trial was added to the archive.
    """

    parents: IntArray
    offspring: IntArray
    objectives: DoubleArray
    objective_of: IntArray
    cluster_of: IntArray
    sets: BoolArray
    order: IntArray
    donors: IntArray
    draws: DoubleArray
    is_active: BoolArray
    has_changed: BoolArray
    rows: IntArray
    trials: IntArray
    step: int = 0
    is_forced: bool = False
    has_trials: bool = False
    has_new: bool = False


def start_generation(
    genomes: IntArray, objectives: DoubleArray, *, n_clusters: int, rng: np.random.Generator
) -> Generation:
    """Clusters a population, learns a linkage tree for each cluster and draws orders and donors."""
    n, n_genes = genomes.shape
    clusters = clusters_of(objectives, n_clusters, rng)
    families = [linkage_sets(genomes[members], rng) for members in clusters.members]
    n_sets = max(len(family) for family in families)
    sets = np.zeros((n_clusters, n_sets, n_genes), np.bool_)
    for c, family in enumerate(families):
        sets[c, : len(family)] = family
    sizes = np.array([len(family) for family in families])[clusters.cluster_of]
    places = rng.integers(clusters.members.shape[1], size=(n, n_sets))
    return Generation(
        parents=genomes,
        offspring=genomes.copy(),
        objectives=objectives.copy(),
        objective_of=clusters.objective_of[clusters.cluster_of],
        cluster_of=clusters.cluster_of,
        sets=sets,
        order=_random_orders(sizes, n_sets, rng),
        donors=clusters.members[clusters.cluster_of[:, None], places],
        draws=np.empty((0, n_sets)),
        is_active=np.ones(n, np.bool_),
        has_changed=np.zeros(n, np.bool_),
        rows=np.empty(0, np.int64),
        trials=np.empty((0, n_genes), np.int64),
    )


def mutation_of(kind: MutationKind, n_values: IntArray) -> Mutation:
    """Weak mutation changes one gene in n_genes, strong mutation one gene of a linkage set."""
    sizes = np.arange(len(n_values) + 1)
    shares = {"none": 0.0, "weak": 1 / len(n_values), "strong": 1 / np.maximum(sizes, 1)}
    return Mutation(rates=np.broadcast_to(shares[kind], sizes.shape).copy(), n_values=n_values)


def propose(
    generation: Generation,
    archive: ElitistArchive,
    *,
    mutation: Mutation,
    rng: np.random.Generator,
) -> bool:
    """Moves on to the next step that has trials; False when no step of this phase has any."""
    n_steps = generation.order.shape[1]
    while generation.step < n_steps:
        step = generation.step
        generation.step += 1
        generation.rows, generation.trials = _mixed(
            generation.offspring,
            _donated(generation, archive, step),
            generation.sets,
            generation.cluster_of,
            np.where(generation.is_active, generation.order[:, step], -1),
            rng.random(generation.offspring.shape),
            mutation,
        )
        if len(generation.rows):
            generation.has_trials = True
            return True
    return False


def accept(generation: Generation, objectives: DoubleArray, verdicts: ByteArray) -> None:
    """Decides which of the trials take the place of the individuals that they were made from."""
    generation.has_new |= bool((verdicts == ADDED).any())
    is_accepted = _accepted(
        generation.rows,
        objectives,
        verdicts,
        generation.objectives,
        generation.objective_of,
        generation.is_forced,
    )
    rows = generation.rows[is_accepted]
    generation.offspring[rows] = generation.trials[is_accepted]
    generation.objectives[rows] = objectives[is_accepted]
    generation.has_changed[rows] = True
    if generation.is_forced:
        generation.is_active[rows] = False
    generation.rows, generation.trials = generation.rows[:0], generation.trials[:0]


def start_forced_improvement(
    generation: Generation, *, everybody: bool, rng: np.random.Generator
) -> None:
    """Goes on to forced improvement for those that did not change, or for everybody."""
    n, n_sets = generation.order.shape
    generation.is_active = np.full(n, True) if everybody else ~generation.has_changed
    sizes = (generation.order >= 0).sum(axis=1)
    generation.order = _random_orders(sizes, n_sets, rng)
    generation.draws = rng.random((n, n_sets))
    generation.step = 0
    generation.is_forced = True


def replace_unimproved(
    generation: Generation, archive: ElitistArchive, rng: np.random.Generator
) -> None:
    """Replaces those that force did not improve: by a random member of the archive, or its best."""
    rows = np.flatnonzero(generation.is_active)
    members = rng.integers(len(archive), size=len(rows))
    objective = generation.objective_of[rows]
    members = np.where(objective == NO_OBJECTIVE, members, archive.best()[objective])
    generation.offspring[rows] = archive.genomes_at(members)
    generation.objectives[rows] = archive.objectives_at(members)


def _random_orders(sizes: IntArray, n_sets: int, rng: np.random.Generator) -> IntArray:
    """A random order of 0..size - 1 for each of the sizes [n], -1 behind; int64 [n, n_sets]."""
    keys = rng.random((len(sizes), n_sets))
    is_there = np.arange(n_sets) < sizes[:, None]
    order = np.argsort(np.where(is_there, keys, 2.0), axis=1)
    return np.where(is_there, order, -1)


def _donated(generation: Generation, archive: ElitistArchive, step: int) -> IntArray:
    """The genomes [n, n_genes] that give genes: parents, or, by force, archive members.

    Those are the best in the objective of an extreme cluster, elsewhere random ones.
    """
    if not generation.is_forced:
        return generation.parents[generation.donors[:, step]]
    members = (generation.draws[:, step] * len(archive)).astype(np.int64)
    objective = generation.objective_of
    members = np.where(objective == NO_OBJECTIVE, members, archive.best()[objective])
    return archive.genomes_at(members)


@inlined
def _mutated(value: int, n_values: int, chance: float, rate: float) -> int:
    """The value, or with probability `rate` any of the others, by a uniform `chance`."""
    if chance >= rate:
        return value
    # Below the rate, chance / rate is uniform again: it picks one of the others.
    others = n_values - 1
    return (value + 1 + int(chance / rate * others)) % n_values


@compiled
def _mixed(
    offspring: IntArray,
    donated: IntArray,
    sets: BoolArray,
    cluster_of: IntArray,
    chosen: IntArray,
    chances: DoubleArray,
    mutation: Mutation,
) -> tuple[IntArray, IntArray]:
    """The individuals that change when they take over their chosen sets, and how they then are."""
    n, n_genes = offspring.shape
    rows = np.empty(n, np.int64)
    trials = np.empty((n, n_genes), np.int64)
    count = 0
    for i in range(n):
        if chosen[i] < 0:
            continue
        is_mixed = sets[cluster_of[i], chosen[i]]
        n_mixed, differs = 0, False
        for g in range(n_genes):
            n_mixed += is_mixed[g]
        rate = mutation.rates[n_mixed]
        for g in range(n_genes):
            value = offspring[i, g]
            if is_mixed[g]:
                value = _mutated(donated[i, g], mutation.n_values[g], chances[i, g], rate)
            trials[count, g] = value
            differs = differs or value != offspring[i, g]
        if differs:
            rows[count] = i
            count += 1
    return rows[:count], trials[:count]


@compiled
def _accepted(
    rows: IntArray,
    trials: DoubleArray,
    verdicts: ByteArray,
    objectives: DoubleArray,
    objective_of: IntArray,
    is_forced: bool,
) -> BoolArray:
    """Which trials [n_trials, n_objectives] replace the individuals `rows`."""
    result = np.empty(len(rows), np.bool_)
    for t in range(len(rows)):
        new, old, k = trials[t], objectives[rows[t]], objective_of[rows[t]]
        if k != NO_OBJECTIVE:
            result[t] = new[k] < old[k] or (new[k] == old[k] and not is_forced)
        elif is_forced:
            result[t] = verdicts[t] == ADDED or _dominates(new, old)
        else:
            result[t] = verdicts[t] != DOMINATED or _is_no_worse(new, old)
    return result


@inlined
def _is_no_worse(a: DoubleArray, b: DoubleArray) -> bool:
    for k in range(len(a)):  # noqa: SIM110 - all() is slow when compiled
        if a[k] > b[k]:
            return False
    return True


@inlined
def _dominates(a: DoubleArray, b: DoubleArray) -> bool:
    is_better = False
    for k in range(len(a)):
        if a[k] > b[k]:
            return False
        is_better = is_better or a[k] < b[k]
    return is_better
