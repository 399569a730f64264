"""The genome of a cascade search, and the cascades that its genes stand for.

A genome has K member genes in 0..M (0 = no operation) and K - 1 threshold genes
(threshold_grid.py). Threshold gene j - 1 stands before slot j and is skipped with it. A
member that stands in an earlier slot already is a no-op as well: a cascade runs a member once.
Decoded, there are only the members that run, and the thresholds between them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..arrays import IntArray
from ..cascade import Cascade, Confidence
from .threshold_grid import N_THRESHOLDS, THRESHOLDS, threshold_of


def gene_sizes(n_models: int, max_members: int) -> IntArray:
    """The alphabet size of each gene, int64 [2 * max_members - 1]."""
    return np.array([n_models + 1] * max_members + [N_THRESHOLDS] * (max_members - 1), np.int64)


def encode(members: IntArray, thresholds: IntArray) -> IntArray:
    """The genomes [n, 2K - 1] of decoded members [n, K] and thresholds [n, K - 1].

    Members are model indices from 0, -1 past the last stage.
    """
    return np.concatenate([members + 1, thresholds], axis=1)


def decode(genomes: IntArray) -> tuple[IntArray, IntArray]:
    """The members [n, K] and thresholds [n, K - 1] of genomes [n, 2K - 1].

    Members are model indices from 0, -1 past the last stage; threshold genes past the last
    stage are 0.

    Raises:
        MissingExtraError: numba is not installed.
    """
    from .gene_decoding import decode_into  # noqa: PLC0415 - fronts are read without numba

    n, n_genes = genomes.shape
    max_members = (n_genes + 1) // 2
    members = np.full((n, max_members), -1, np.int64)
    thresholds = np.zeros((n, max_members - 1), np.int64)
    decode_into(genomes if genomes.flags.writeable else genomes.copy(), members, thresholds)
    return members, thresholds


def cascades_of(
    members: IntArray,
    thresholds: IntArray,
    names: Sequence[str],
    *,
    confidence: Confidence = "max_probability",
) -> list[Cascade]:
    """Cascades of decoded members [n, K] and thresholds [n, K - 1], over models of these names."""
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
    """Decoded members [n, K] and thresholds [n, K - 1] of cascades.

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
