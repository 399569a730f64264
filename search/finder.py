"""Searches a pool: options in, a front out; the one door to every search algorithm."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..arrays import DoubleArray, IntArray
from ..checkpoint import Checkpoint
from ..errors import SearchError
from ..evaluate.compiled import compiling_told
from ..evaluate.evaluator_choice import contenders_of, evaluator_for
from ..evaluate.genome import cascades_of, decode
from ..evaluate.objectives import (
    Error,
    LatencyCost,
    LinearCost,
    error_objective,
    front_costs,
)
from ..fronts.front import Front
from ..fronts.indicators import hypervolume, non_dominated
from ..fronts.scored_cascade import ScoredCascade
from ..fronts.scoring import pool_reference, score, scored_from_counts, with_answers
from ..latency import LatencyProfile
from ..pools.pool import Pool
from ..pools.pool_samples import refuse_held_out
from ..progress import OnProgress, unheard
from ..version import __version__
from .algorithms import ALGORITHMS, Setup
from .automatic import expected_evaluations, resolved
from .loop import Outcome, run
from .options import SearchOptions
from .provenance import provenance
from .warm_start import start_of

# Cascades dearer than this many times the dearest model count nothing in the history.
REFERENCE_COSTS = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A front, and whether Ctrl-C cut its search short."""

    front: Front
    interrupted: bool


def search_pool(
    pool: Pool,
    options: SearchOptions,
    *,
    profile: LatencyProfile | None = None,
    warm_start: Front | None = None,
    checkpoint: Path | None = None,
    resume: bool = False,
    on_progress: OnProgress = unheard,
) -> Finding:
    """Searches a pool, from an earlier front if any, with checkpoints and progress.

    Raises:
        SearchError, PoolError, ProfileError: an option or input that cannot be used.
    """
    refuse_held_out(pool, purpose="search")
    with compiling_told(on_progress):
        return _found(pool, options, profile, warm_start, checkpoint, resume, on_progress)


def _found(
    pool: Pool,
    options: SearchOptions,
    profile: LatencyProfile | None,
    warm_start: Front | None,
    checkpoint: Path | None,
    resume: bool,
    on_progress: OnProgress,
) -> Finding:
    options = resolved(options, pool)
    # What a user can mistype comes before what takes long.
    error = error_objective(options.metric, pool)
    costs = front_costs(options.objectives, pool, profile=profile, batch_size=options.batch_size)
    setup = _setup(pool, options, error, costs, warm_start)
    reference = np.array(options.reference or _reference(setup.costs, pool))
    outcome = run(
        ALGORITHMS[options.algorithm].make(setup),
        budget=options.budget,
        hypervolume=lambda points: hypervolume(points / reference, [1.0] * len(reference)),
        name=f"{options.algorithm} on {pool.name} by {', '.join(options.objectives)}",
        n_expected=expected_evaluations(options, pool),
        on_progress=on_progress,
        checkpoint=_checkpoint(checkpoint, resume, options, setup, profile),
    )
    front = Front(
        pool=pool_reference(pool),
        objectives=("error", *options.objectives),
        cascades=_scored(outcome, setup, costs, options.algorithm),
        search=options.settings | provenance(outcome, setup, reference),
        batch_size=options.batch_size,
        metric=options.metric,
    )
    front = with_answers(front, pool, error, costs)
    return Finding(front=front, interrupted=outcome.interrupted)


def _setup(
    pool: Pool,
    options: SearchOptions,
    error: Error,
    costs: Sequence[LinearCost | LatencyCost],
    warm_start: Front | None,
) -> Setup:
    max_members, confidence = min(options.max_members, pool.n_models), options.confidence
    contenders = contenders_of(pool, max_members=max_members, confidence=confidence)
    return Setup(
        pool=pool,
        evaluator=evaluator_for(
            pool,
            contenders,
            confidence=confidence,
            device=options.device,
            n_threads=options.n_threads,
        ),
        error=error,
        costs=costs[: len(options.objectives)],
        max_members=max_members,
        seed=options.seed,
        contenders=contenders,
        confidence=confidence,
        mode=options.mode,
        start=None if warm_start is None else _start(warm_start, pool, options),
        n_threads=options.n_threads,
    )


def _scored(
    outcome: Outcome,
    setup: Setup,
    costs: Sequence[LinearCost | LatencyCost],
    algorithm: str,
) -> tuple[ScoredCascade, ...]:
    read = ALGORITHMS[algorithm].read
    if read is not None:
        scored = score(read(setup, outcome.genomes), setup.pool, setup.error, costs)
    else:
        scored = _scored_genomes(setup.cascade_genomes(outcome.genomes), setup, costs)
    searched = [cost.name for cost in setup.costs]
    points = np.array([(s.error, *(s.costs[name] for name in searched)) for s in scored])
    kept = [s for s, keep in zip(scored, non_dominated(points), strict=True) if keep]
    return tuple(sorted(kept, key=lambda s: s.cost))


def _scored_genomes(
    genomes: IntArray, setup: Setup, costs: Sequence[LinearCost | LatencyCost]
) -> Sequence[ScoredCascade]:
    members, thresholds = decode(genomes)
    needs_predicted = setup.error.needs_predicted
    counts = setup.evaluator.count(members, thresholds, with_predicted=needs_predicted)
    # A stage that no sample reaches has shown nothing: it is left out.
    members = np.where(counts.reached > 0, members, -1)
    names, confidence = setup.pool.names, setup.confidence
    cascades = cascades_of(members, thresholds, names, confidence=confidence)
    return scored_from_counts(
        cascades, members, counts, setup.error, costs, n_samples=setup.pool.n_samples
    )


def _reference(costs: Sequence[LinearCost | LatencyCost], pool: Pool) -> DoubleArray:
    everyone = np.arange(pool.n_models)
    full = np.full(pool.n_models, pool.n_samples)
    dearest = [
        c.stage_values(everyone, full, n_samples=pool.n_samples, is_last=True).max() for c in costs
    ]
    return np.array([1.0, *(REFERENCE_COSTS * cost or 1.0 for cost in dearest)])


def _start(front: Front, pool: Pool, options: SearchOptions) -> IntArray:
    if not ALGORITHMS[options.algorithm].takes_start:
        able = ", ".join(name for name, entry in sorted(ALGORITHMS.items()) if entry.takes_start)
        raise SearchError(f"{options.algorithm} has no warm start; these have: {able}")
    return start_of(front, pool, options)


def _checkpoint(
    path: Path | None,
    resume: bool,
    options: SearchOptions,
    setup: Setup,
    profile: LatencyProfile | None,
) -> Checkpoint | None:
    if path is None:
        return None
    settings = {
        "pool": setup.pool.sha256,
        "algorithm": options.algorithm,
        "seed": options.seed,
        "max_members": options.max_members,
        "objectives": options.objectives,
        "batch_size": options.batch_size,
        "metric": options.metric,
        "confidence": options.confidence,
        "mode": options.mode,
        "reference": options.reference,
        "stagnation": options.stagnation,
        "profile": profile.digest if profile else None,
        "start": None if setup.start is None else hashlib.sha256(setup.start.tobytes()).hexdigest(),
        "encas": __version__,
    }
    return Checkpoint(path=path, fingerprint=json.dumps(settings, sort_keys=True), resume=resume)
