"""Genes to members and thresholds, compiled; `genome.decode` is the way in."""

from __future__ import annotations

from ..arrays import IntArray
from .compiled import compiled


@compiled
def decode_into(genomes: IntArray, members: IntArray, thresholds: IntArray) -> None:
    """Decodes genomes [n, 2K - 1] into members [n, K], all -1, and thresholds [n, K - 1], all 0."""
    max_members = members.shape[1]
    for i in range(len(genomes)):
        n_stages = 0
        for slot in range(max_members):
            member = genomes[i, slot] - 1
            is_new = member >= 0
            for stage in range(n_stages):
                is_new = is_new and members[i, stage] != member
            if not is_new:
                continue
            members[i, n_stages] = member
            if n_stages > 0:
                thresholds[i, n_stages - 1] = genomes[i, max_members + slot - 1]
            n_stages += 1
