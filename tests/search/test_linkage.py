from collections import Counter

import numpy as np
import pytest

from encas.search.linkage import joint_entropies, linkage_sets


def entropy_of(rows: np.ndarray) -> float:
    counts = np.array(list(Counter(map(tuple, rows.tolist())).values()))
    shares = counts / counts.sum()
    return float(-(shares * np.log(shares)).sum())


def upgma(similarity: np.ndarray) -> set[frozenset[int]]:
    """All subsets of the tree, by looking at every pair at every merge."""
    parts = [frozenset([i]) for i in range(len(similarity))]
    subsets = set(parts)
    while len(parts) > 1:
        pairs = [(a, b) for i, a in enumerate(parts) for b in parts[i + 1 :]]
        a, b = max(pairs, key=lambda p: similarity[np.ix_(sorted(p[0]), sorted(p[1]))].mean())
        parts = [p for p in parts if p not in (a, b)] + [a | b]
        subsets.add(a | b)
    return subsets


def sets_of(masks: np.ndarray) -> set[frozenset[int]]:
    return {frozenset(np.flatnonzero(mask).tolist()) for mask in masks}


def test_joint_entropies_equal_the_definition(rng):
    genomes = np.stack([rng.integers(n, size=60) for n in (2, 17, 51, 3)], axis=1)
    joint, n_distinct = joint_entropies(genomes)
    for i in range(4):
        assert n_distinct[i] == len(np.unique(genomes[:, i]))
        for j in range(4):
            assert joint[i, j] == pytest.approx(entropy_of(genomes[:, [i, j]]))


@pytest.mark.parametrize("n_genes", [2, 3, 6, 11])
def test_linkage_sets_are_the_tree_of_mutual_information_without_its_root(rng, n_genes):
    for _ in range(20):
        latent = rng.integers(5, size=(80, 1))
        noise = rng.integers(5, size=(80, n_genes))
        genomes = np.where(rng.random((80, n_genes)) < rng.random(n_genes), latent, noise)
        joint, _ = joint_entropies(genomes)
        entropies = np.diagonal(joint)
        expected = upgma(entropies[:, None] + entropies - joint)
        found = sets_of(linkage_sets(genomes, rng))
        assert found == expected - {frozenset(range(n_genes))}


def test_linkage_sets_twins_that_recur_are_mixed_together_only(rng):
    genomes = rng.integers(4, size=(100, 5))
    genomes[:, 3] = (genomes[:, 1] + 1) % 4
    found = sets_of(linkage_sets(genomes, rng))
    assert frozenset([1, 3]) in found
    assert frozenset([1]) not in found
    assert frozenset([3]) not in found
    assert {frozenset([0]), frozenset([2]), frozenset([4])} <= found


def test_linkage_sets_values_that_do_not_recur_keep_every_gene(rng):
    genomes = np.stack([rng.permutation(8) for _ in range(4)], axis=1)
    found = sets_of(linkage_sets(genomes, rng))
    assert {frozenset([g]) for g in range(4)} <= found


def test_linkage_sets_constant_population_keeps_every_gene(rng):
    found = sets_of(linkage_sets(np.zeros((10, 4), np.int64), rng))
    assert {frozenset([g]) for g in range(4)} <= found


def test_linkage_sets_all_twins_keeps_the_halves_of_the_root(rng):
    genomes = np.repeat(rng.integers(3, size=(60, 1)), 4, axis=1)
    found = linkage_sets(genomes, rng)
    assert found.sum(axis=0).tolist() == [1, 1, 1, 1]
    assert len(found) == 2


def test_linkage_sets_one_gene_is_its_own_set(rng):
    assert linkage_sets(np.zeros((5, 1), np.int64), rng).tolist() == [[True]]


def test_linkage_sets_same_generator_gives_the_same_sets(rng):
    genomes = rng.integers(2, size=(50, 12))
    first, second = (linkage_sets(genomes, np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(first, second)
