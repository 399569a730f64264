"""Linkage trees: which genes belong together, learned from a population.

Source: D. Thierens, P. A. N. Bosman, "Hierarchical problem solving with the linkage tree genetic
algorithm", GECCO 2013, doi 10.1145/2463372.2463477: mutual information between genes, merged by
UPGMA; the tree in O(n_genes^2) with the chain of nearest neighbours of I. Gronau, S. Moran,
"Optimal implementations of UPGMA and other common clustering algorithms", Information Processing
Letters 104, 2007, doi 10.1016/j.ipl.2007.07.002. Filter: P. A. N. Bosman, D. Thierens, "More
concise and robust linkage learning by filtering and combining linkage hierarchies", GECCO 2013,
doi 10.1145/2463372.2463420.
"""

from __future__ import annotations

import numpy as np

from ..arrays import BoolArray, DoubleArray, IntArray
from ..evaluate.compiled import compiled, inlined

ROUNDING = 1e-9


def linkage_sets(genomes: IntArray, rng: np.random.Generator) -> BoolArray:
    """The family of subsets of genes for mixing: the linkage tree without its root, filtered.

    A subset is dropped when the subset that it was merged into holds genes that determine one
    another everywhere in the population, which says something only where values recur: to mix them
    apart can but break what is always together.

    Args:
        genomes: int64 [n, n_genes].
        rng: orders the genes; ties go to the smaller subset, then to the first in that order.

    Returns:
        bool [n_sets, n_genes], n_sets between 1 and max(1, 2 * n_genes - 2).
    """
    n_genes = genomes.shape[1]
    if n_genes == 1:
        return np.ones((1, 1), np.bool_)
    joint, n_distinct = joint_entropies(genomes)
    entropies = np.diagonal(joint)
    information = entropies[:, None] + entropies - joint
    order = rng.permutation(n_genes)
    tree, parents = _tree(information[order][:, order], order)
    recurs = (n_distinct > 1) & (2 * n_distinct <= len(genomes))
    adds_nothing = joint - np.minimum(entropies[:, None], entropies) < ROUNDING
    return tree[_is_kept(tree, parents, adds_nothing & recurs[:, None] & recurs)]


@compiled
def joint_entropies(genomes: IntArray) -> tuple[DoubleArray, IntArray]:
    """Entropies in nats of genes (diagonal) and pairs of genes, and how many values genes have."""
    n, n_genes = genomes.shape
    labels, n_labels = _labels(genomes)
    logs = np.zeros(n + 1)
    for c in range(2, n + 1):
        logs[c] = c * np.log(c)
    result = np.empty((n_genes, n_genes))
    largest = 0
    for g in range(n_genes):
        largest = max(largest, n_labels[g])
    counts = np.zeros(largest * largest, np.int64)
    for i in range(n_genes):
        for j in range(i, n_genes):
            for r in range(n):
                counts[labels[i, r] * largest + labels[j, r]] += 1
            total = 0.0
            for r in range(n):
                cell = labels[i, r] * largest + labels[j, r]
                total += logs[counts[cell]]
                counts[cell] = 0
            result[i, j] = result[j, i] = np.log(n) - total / n
    return result, n_labels


@compiled
def _is_kept(tree: BoolArray, parents: IntArray, are_twins: BoolArray) -> BoolArray:
    """Which subsets are neither the root nor halves of a subset, not the root, of twins."""
    root = len(tree) - 1
    keep = np.empty(len(tree), np.bool_)
    keep[root] = False
    for i in range(root):
        keep[i] = parents[i] == root or not _is_of_twins(tree[parents[i]], are_twins)
    return keep


@inlined
def _is_of_twins(subset: BoolArray, are_twins: BoolArray) -> bool:
    """Whether the first gene of a subset is a twin of all the others."""
    first, holds = -1, True
    for g in range(len(subset)):
        if subset[g] and first < 0:
            first = g
        elif subset[g]:
            holds = holds and are_twins[first, g]
    return holds


@inlined
def _labels(genomes: IntArray) -> tuple[IntArray, IntArray]:
    """The values of each gene numbered in order of appearance, [n_genes, n], and their number."""
    n, n_genes = genomes.shape
    labels = np.empty((n_genes, n), np.int64)
    n_labels = np.zeros(n_genes, np.int64)
    largest = 0
    for r in range(n):
        for g in range(n_genes):
            largest = max(largest, genomes[r, g])
    known = np.empty(largest + 1, np.int64)
    for g in range(n_genes):
        for value in range(len(known)):
            known[value] = -1
        for r in range(n):
            value = genomes[r, g]
            if known[value] < 0:
                known[value] = n_labels[g]
                n_labels[g] += 1
            labels[g, r] = known[value]
    return labels, n_labels


def _tree(similarity: DoubleArray, order: IntArray) -> tuple[BoolArray, IntArray]:
    """UPGMA: subsets [2 n - 1, n], the single genes first and the root last, and their parents."""
    n = len(order)
    tree, parents = np.zeros((2 * n - 1, n), np.bool_), np.full(2 * n - 1, -1)
    tree[np.arange(n), order] = True
    _merge(similarity, tree, parents, np.arange(n), np.ones(n, np.int64), np.empty(n + 1, np.int64))
    return tree, parents


@compiled
def _merge(
    s: DoubleArray,
    tree: BoolArray,
    parents: IntArray,
    node: IntArray,
    size: IntArray,
    chain: IntArray,
) -> None:
    """Merges the nearest subsets until the root is left.

    Args:
        s: float64 [n, n], the similarity of the genes; that of the subsets takes its place.
        tree: bool [2 n - 1, n], which holds the single genes.
        parents: int64 [2 n - 1], -1.
        node: int64 [n], the place in the tree of the subset in each row of `s`.
        size: int64 [n], of the subset in each row of `s`, 0 where it has been merged.
        chain: int64 [n + 1], room for the chain of nearest neighbours.
    """
    n, length = len(size), 0
    for new in range(n, 2 * n - 1):
        if length == 0:
            first = 0
            while size[first] == 0:
                first += 1
            chain[0] = first
            length = 1
        while True:
            previous = chain[length - 2] if length > 1 else -1
            nearest = _nearest(s, size, chain[length - 1], previous)
            if nearest == previous:
                break
            chain[length] = nearest
            length += 1
        a, b = chain[length - 2], chain[length - 1]
        length -= 2
        parents[node[a]] = parents[node[b]] = new
        for g in range(n):
            tree[new, g] = tree[node[a], g] or tree[node[b], g]
        for i in range(n):
            s[a, i] = (size[a] * s[a, i] + size[b] * s[b, i]) / (size[a] + size[b])
        for i in range(n):
            s[i, a] = s[a, i]
        node[a] = new
        size[a] += size[b]
        size[b] = 0


@inlined
def _nearest(s: DoubleArray, size: IntArray, of: int, previous: int) -> int:
    """The most similar subset; ties go to the previous one, then to the smaller one."""
    best = previous
    for i in range(len(size)):
        if size[i] == 0 or i == of:
            continue
        is_closer = best < 0 or s[of, i] > s[of, best]
        is_tie = not is_closer and s[of, i] == s[of, best]
        if is_closer or (is_tie and best != previous and size[i] < size[best]):
            best = i
    return best
