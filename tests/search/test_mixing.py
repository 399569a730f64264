import numpy as np
import pytest

from encas.search.archive import ElitistArchive
from encas.search.archive_store import ADDED, DOMINATED, KNOWN
from encas.search.clustering import NO_OBJECTIVE
from encas.search.mixing import (
    Generation,
    accept,
    mutation_of,
    propose,
    replace_unimproved,
    start_forced_improvement,
    start_generation,
)

PARENT, TRIAL = [0, 0], [1, 1]


@pytest.fixture
def generation(rng) -> Generation:
    genomes = rng.integers(6, size=(40, 7))
    objectives = np.stack([genomes.sum(axis=1), (5 - genomes).sum(axis=1)], axis=1) * 1.0
    return start_generation(genomes, objectives, n_clusters=4, rng=rng)


def proposed(generation: Generation, archive: ElitistArchive, kind="none", seed=0) -> bool:
    n_values = np.full(generation.parents.shape[1], 10)
    rng = np.random.default_rng(seed)
    return propose(generation, archive, mutation=mutation_of(kind, n_values), rng=rng)


def with_trial(*, old: list[float], objective_of: int, is_forced: bool) -> Generation:
    """One individual, PARENT, that waits for the objectives of TRIAL."""
    return Generation(
        parents=np.array([PARENT]),
        offspring=np.array([PARENT]),
        objectives=np.array([old]),
        objective_of=np.array([objective_of]),
        cluster_of=np.array([0]),
        sets=np.ones((1, 1, 2), np.bool_),
        order=np.array([[0]]),
        donors=np.array([[0]]),
        draws=np.array([[0.0]]),
        is_active=np.array([True]),
        has_changed=np.array([False]),
        rows=np.array([0]),
        trials=np.array([TRIAL]),
        is_forced=is_forced,
    )


@pytest.mark.parametrize(
    ("new", "verdict", "objective_of", "is_forced", "is_taken"),
    [
        ([1.0, 1.0], DOMINATED, NO_OBJECTIVE, False, True),  # dominates
        ([2.0, 2.0], DOMINATED, NO_OBJECTIVE, False, True),  # equal
        ([1.0, 9.0], KNOWN, NO_OBJECTIVE, False, True),  # no archive member dominates
        ([1.0, 9.0], DOMINATED, NO_OBJECTIVE, False, False),
        ([1.0, 2.0], DOMINATED, NO_OBJECTIVE, True, True),
        ([2.0, 2.0], KNOWN, NO_OBJECTIVE, True, False),  # force wants better, not as good
        ([1.0, 9.0], KNOWN, NO_OBJECTIVE, True, False),
        ([1.0, 9.0], ADDED, NO_OBJECTIVE, True, True),  # or new in the archive
        ([9.0, 1.0], DOMINATED, 1, False, True),  # extreme: its objective alone
        ([9.0, 2.0], DOMINATED, 1, False, True),
        ([1.0, 3.0], ADDED, 1, False, False),
        ([9.0, 2.0], ADDED, 1, True, False),
        ([9.0, 1.0], DOMINATED, 1, True, True),
    ],
)
def test_accept_follows_the_rules_of_the_paper(new, verdict, objective_of, is_forced, is_taken):
    generation = with_trial(old=[2.0, 2.0], objective_of=objective_of, is_forced=is_forced)
    accept(generation, np.array([new]), np.array([verdict], np.uint8))
    assert generation.offspring.tolist() == [TRIAL if is_taken else PARENT]
    assert generation.objectives.tolist() == [new if is_taken else [2.0, 2.0]]
    assert generation.has_changed.tolist() == [is_taken]
    assert generation.is_active.tolist() == [not (is_taken and is_forced)]
    assert generation.has_new == (verdict == ADDED)
    assert not len(generation.rows)


def test_accept_infeasible_for_infeasible_drifts_but_never_replaces_feasible():
    nowhere = np.array([[np.inf, np.inf]])
    verdict = np.array([DOMINATED], np.uint8)
    for old, is_taken in (([np.inf, np.inf], True), ([2.0, 2.0], False)):
        generation = with_trial(old=old, objective_of=NO_OBJECTIVE, is_forced=False)
        accept(generation, nowhere, verdict)
        assert generation.has_changed.tolist() == [is_taken]


def test_start_generation_each_individual_mixes_each_set_of_its_cluster_once(generation):
    for i, order in enumerate(generation.order):
        n_sets = int(generation.sets[generation.cluster_of[i]].any(axis=1).sum())
        assert sorted(order[:n_sets]) == list(range(n_sets))
        assert set(order[n_sets:]) <= {-1}
    assert len({tuple(order) for order in generation.order}) > 30


def test_propose_trials_differ_in_one_set_from_their_individuals(generation):
    archive = ElitistArchive(7, 2)
    assert proposed(generation, archive)
    for row, trial in zip(generation.rows, generation.trials, strict=True):
        changed = trial != generation.offspring[row]
        step_set = generation.sets[generation.cluster_of[row], generation.order[row, 0]]
        donor = generation.parents[generation.donors[row, 0]]
        assert changed.any()
        assert not (changed & ~step_set).any()
        np.testing.assert_array_equal(trial[step_set], donor[step_set])


def test_propose_population_of_equals_has_no_trials(rng):
    genomes = np.ones((8, 5), np.int64)
    generation = start_generation(genomes, np.ones((8, 2)), n_clusters=3, rng=rng)
    assert not proposed(generation, ElitistArchive(5, 2))
    assert not generation.has_trials


def test_forced_improvement_extreme_individuals_get_genes_of_the_best(generation, rng):
    archive = ElitistArchive(7, 2)
    elite = np.array([[8] * 7, [9] * 7])
    archive.add(elite, np.array([[0.0, 1.0], [1.0, 0.0]]))
    start_forced_improvement(generation, everybody=True, rng=rng)
    assert proposed(generation, archive)
    given = generation.trials.max(axis=1)
    objective = generation.objective_of[generation.rows]
    assert set(given[objective == 0]) == {8}
    assert set(given[objective == 1]) == {9}
    assert set(given[objective == NO_OBJECTIVE]) == {8, 9}


def test_forced_improvement_leaves_the_changed_alone_unless_everybody(generation, rng):
    generation.has_changed[:25] = True
    start_forced_improvement(generation, everybody=False, rng=rng)
    assert np.flatnonzero(generation.is_active).tolist() == list(range(25, 40))


def test_replace_unimproved_takes_archive_members_for_those_still_active(generation, rng):
    archive = ElitistArchive(7, 2)
    archive.add(np.array([[8] * 7, [9] * 7]), np.array([[0.0, 1.0], [1.0, 0.0]]))
    before = generation.offspring.copy()
    generation.is_active[:] = np.arange(40) % 2 == 0
    replace_unimproved(generation, archive, rng)
    np.testing.assert_array_equal(generation.offspring[1::2], before[1::2])
    for i in range(0, 40, 2):
        genes, objective = set(generation.offspring[i]), generation.objective_of[i]
        assert genes == {8 + objective} if objective != NO_OBJECTIVE else genes in ({8}, {9})
        assert generation.objectives[i].tolist() == ([0, 1] if genes == {8} else [1, 0])


@pytest.mark.parametrize(("kind", "expected"), [("none", 0.0), ("weak", 1 / 7), ("strong", None)])
def test_propose_mutation_changes_as_many_genes_as_its_kind_says(rng, kind, expected):
    n_genes, n = 7, 4000
    genomes = np.full((n, n_genes), 4)
    generation = start_generation(genomes, np.ones((n, 2)), n_clusters=1, rng=rng)
    generation.order[:] = np.arange(generation.order.shape[1])
    archive = ElitistArchive(n_genes, 2)
    n_tried = 0
    for step in range(generation.order.shape[1]):
        generation.step = step
        size = generation.sets[0, step].sum()
        rate = 1 / size if expected is None else expected
        has_any = proposed(generation, archive, kind, seed=step)
        if generation.step > step + 1 or not has_any:
            assert rate == 0.0
            continue
        share = (generation.trials != 4).sum() / (n * size)
        assert abs(share - rate) < 0.04
        values = generation.trials[generation.trials != 4]
        assert set(values) == set(range(10)) - {4}
        n_tried += 1
    assert n_tried == (0 if kind == "none" else 12)
