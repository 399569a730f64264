"""The algorithm that `auto` stands for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..evaluate.class_metrics import TOP1
from ..evaluate.sweeper import LONGEST
from ..pools.pool import Pool
from .algorithms import AUTO
from .exact import WORK_PER_SECOND, n_exact
from .options import SearchOptions

# Where the exact front takes about so many seconds of two cores, nothing else is worth it.
EXACT_SECONDS = 30.0


def resolved(options: SearchOptions, pool: Pool) -> SearchOptions:
    """The options with an algorithm in the place of `auto`.

    `exact` where it fits into the budget and about half a minute; otherwise `sweep`, the fastest
    to good fronts (docs/performance.md); `mo-gomea` for what cannot be swept: other metrics than
    top-1, the confidence entropy, more than five members, ensembles, evaluation on a GPU.
    """
    if options.algorithm != AUTO:
        return options
    max_members = min(options.max_members, pool.n_models)
    is_swept = options.metric == TOP1 and options.confidence != "entropy"
    is_swept = is_swept and options.mode == "cascade" and options.device == "cpu"
    if not is_swept or max_members > LONGEST:
        return replace(options, algorithm="mo-gomea")
    n = n_exact(pool.n_models, max_members)
    most_seconds = min(EXACT_SECONDS, (options.seconds or np.inf) / 4)
    is_exact = len(options.objectives) == 1 and options.stagnation is None
    is_exact = is_exact and n * pool.n_samples <= most_seconds * WORK_PER_SECOND
    is_exact = is_exact and (options.evaluations is None or n <= options.evaluations)
    return replace(options, algorithm="exact" if is_exact else "sweep")


def expected_evaluations(options: SearchOptions, pool: Pool) -> int | None:
    """How many evaluations a search will spend at most, None where nothing says so."""
    if options.algorithm == "exact":
        n = n_exact(pool.n_models, min(options.max_members, pool.n_models))
        return n if options.evaluations is None else min(n, options.evaluations)
    return options.budget.evaluations
