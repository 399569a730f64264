"""Warm starts: the cascades of an earlier front as genomes to start from.

Whatever changed meanwhile (costs, measured latencies, models that were added), a cascade that was
good is a place to look from. Scores are not taken over: everything is evaluated anew.
"""

from __future__ import annotations

import numpy as np

from ..arrays import IntArray
from ..errors import SearchError
from ..evaluate.genome import encode, genes_of
from ..fronts.front import Front
from ..pools.pool import Pool
from .options import SearchOptions


def start_of(front: Front, pool: Pool, options: SearchOptions) -> IntArray:
    """The genomes of a front's cascades for a search, each once, int64 [n, 2K - 1].

    Cascades that are longer than the search allows, or have members that the pool lacks, are left
    out; thresholds go to the nearest one that a genome can say.

    Args:
        front: the earlier front.
        pool: what is searched now.
        options: how it is searched.

    Raises:
        SearchError: the front's cascades decide by another rule than the search's, or none is left.
    """
    max_members = min(options.max_members, pool.n_models)
    rules = {(scored.cascade.confidence, scored.cascade.combine) for scored in front.cascades}
    if rules - {(options.confidence, "mean")} or options.mode != "cascade":
        found = " and ".join(f"{confidence}, {combine}" for confidence, combine in sorted(rules))
        raise SearchError(
            f"expected a front of cascades with {options.confidence}, mean, got {found} for "
            f"a search in the mode {options.mode}",
            where="warm start",
        )
    known = set(pool.names)
    cascades = [
        scored.cascade
        for scored in front.cascades
        if scored.cascade.n_stages <= max_members and set(scored.cascade.members) <= known
    ]
    if not cascades:
        raise SearchError(
            f"none of {len(front.cascades)} cascades has at most {max_members} members that are "
            f"models of the pool {pool.name}",
            where="warm start",
        )
    members, thresholds = genes_of(cascades, pool.names)
    missing = max_members - members.shape[1]
    members = np.pad(members, ((0, 0), (0, missing)), constant_values=-1)
    thresholds = np.pad(thresholds, ((0, 0), (0, missing)))
    return np.unique(encode(members, thresholds), axis=0)
