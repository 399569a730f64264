"""The genome of a cascade search, its decoding, and the problem that a strategy sees.

A genome has K member genes in 0..M (0 = no operation) and K - 1 threshold genes in 0..50, the
threshold being 0.02 * gene. Threshold gene j - 1 stands before slot j and is skipped with it. A
member that stands in an earlier slot already is a no-op as well: a cascade runs a member once.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..arrays import DoubleArray, FloatArray, IntArray, frozen
from ..cascade import Cascade, Confidence
from .compiled import compiled
from .evaluate.counts import Evaluator
from .objectives import Error, Objective

N_THRESHOLDS = 51
# Threshold genes as the numbers that confidences are compared with.
THRESHOLDS: FloatArray = frozen((0.02 * np.arange(N_THRESHOLDS)).astype(np.float32))


def threshold_of(gene: int) -> float:
    """The threshold of a gene as a decimal number; as float32 it is THRESHOLDS[gene]."""
    return round(0.02 * gene, 2)


def gene_sizes(n_models: int, max_members: int) -> IntArray:
    """The alphabet size of each gene, int64 [2 * max_members - 1]."""
    return np.array([n_models + 1] * max_members + [N_THRESHOLDS] * (max_members - 1), np.int64)


def decode(genomes: IntArray) -> tuple[IntArray, IntArray]:
    """Decodes genomes [n, 2K - 1] into members [n, K] and thresholds [n, K - 1].

    Members are model indices from 0, -1 past the last stage; threshold genes past the last
    stage are 0.
    """
    n, n_genes = genomes.shape
    max_members = (n_genes + 1) // 2
    members = np.full((n, max_members), -1, np.int64)
    thresholds = np.zeros((n, max_members - 1), np.int64)
    _decode(genomes, members, thresholds)
    return members, thresholds


@compiled
def _decode(genomes: IntArray, members: IntArray, thresholds: IntArray) -> None:
    for i in range(len(genomes)):
        _decode_one(genomes[i], members[i], thresholds[i])


@compiled
def _decode_one(genome: IntArray, members: IntArray, thresholds: IntArray) -> None:
    n_stages, max_members = 0, len(members)
    for slot in range(max_members):
        member = genome[slot] - 1
        if member < 0 or (members[:n_stages] == member).any():
            continue
        members[n_stages] = member
        if n_stages > 0:
            thresholds[n_stages - 1] = genome[max_members + slot - 1]
        n_stages += 1


def encode(members: IntArray, thresholds: IntArray) -> IntArray:
    """The genomes [n, 2K - 1] of decoded members [n, K] and thresholds [n, K - 1]."""
    return np.concatenate([members + 1, thresholds], axis=1)


def cascades_of(
    genomes: IntArray, names: Sequence[str], *, confidence: Confidence = "max_probability"
) -> list[Cascade]:
    """The cascade of each genome [n, 2K - 1], over models of these names."""
    members, thresholds = decode(genomes)
    cascades = []
    for row, genes in zip(members, thresholds, strict=True):
        n_stages = int((row >= 0).sum())
        cascades.append(
            Cascade(
                members=tuple(names[int(m)] for m in row[:n_stages]),
                thresholds=tuple(threshold_of(int(g)) for g in genes[: n_stages - 1]),
                confidence=confidence,
            )
        )
    return cascades


def genes_of(cascades: Sequence[Cascade], names: Sequence[str]) -> tuple[IntArray, IntArray]:
    """Members [n, K] and thresholds [n, K - 1] of cascades, as `decode` gives them.

    K is the length of the longest; a threshold's gene is that of the nearest value.

    Args:
        cascades: at least one.
        names: of the models, among which all members are.
    """
    place = {name: index for index, name in enumerate(names)}
    max_members = max(cascade.n_stages for cascade in cascades)
    members = np.full((len(cascades), max_members), -1, np.int64)
    thresholds = np.zeros((len(cascades), max_members - 1), np.int64)
    for i, cascade in enumerate(cascades):
        members[i, : cascade.n_stages] = [place[name] for name in cascade.members]
        values = np.array(cascade.thresholds, np.float32)[:, None]
        thresholds[i, : cascade.n_stages - 1] = np.abs(values - THRESHOLDS).argmin(axis=1)
    return members, thresholds


class CascadeProblem:
    """Genomes in, objectives out; the error is the first objective.

    Args:
        evaluator: counts correct answers and reaches.
        error: the first objective.
        costs: the other objectives.
        n_models: models in the pool.
        max_members: K, members of a cascade at most.
    """

    def __init__(
        self,
        evaluator: Evaluator,
        error: Error,
        costs: Sequence[Objective],
        *,
        n_models: int,
        max_members: int,
    ) -> None:
        self.evaluator = evaluator
        self.error = error
        self.objectives: tuple[Objective, ...] = (error, *costs)
        self.n_values = gene_sizes(n_models, max_members)
        self.n_objectives = len(self.objectives)

    def evaluate(self, genomes: IntArray) -> DoubleArray:
        """Objectives [n, n_objectives] of genomes [n, n_genes]; +inf where all is no-op."""
        members, thresholds = decode(genomes)
        counts = self.evaluator.count(
            members, thresholds, with_predicted=self.error.needs_predicted
        )
        n_samples = self.evaluator.n_samples
        columns = [o.values(members, counts, n_samples=n_samples) for o in self.objectives]
        values = np.stack(columns, axis=1)
        values[members[:, 0] < 0] = np.inf
        return values
