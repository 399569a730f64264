"""Scores cascades on a pool by the definition: the numbers that a front carries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from ..arrays import FloatArray, IntArray
from ..cascade import Cascade, decide
from ..class_names import OnNote, unnoted
from ..errors import PoolError
from ..evaluate.class_metrics import TOP1
from ..evaluate.counts import Counts
from ..evaluate.dense import decide_on
from ..evaluate.genome import cascades_of, genes_of
from ..evaluate.objectives import Error, Objective, TopOneError, error_objective, front_costs
from ..latency import LatencyProfile, given_profile
from ..pools.pool import Pool, given_pool
from ..pools.pool_classes import in_classes_of
from .front import Front, given_front
from .front_answers import CascadeAnswer, Difference, FrontAnswers, answering_places
from .scored_cascade import PoolReference, ScoredCascade

CACHE_BYTES = 2**30


def score(
    cascades: Sequence[Cascade], pool: Pool, error: Error, costs: Sequence[Objective]
) -> tuple[ScoredCascade, ...]:
    """Error, reach and costs of cascades on every sample of a pool.

    Args:
        cascades: their members must be models of the pool.
        pool: the stored outputs.
        error: top-1 or a metric.
        costs: the first one becomes `cost`; all are in `costs`.

    Raises:
        PoolError: the pool has no model of a member's name, or is compressed for other cascades.
    """
    if pool.is_compressed:
        return _score_compressed(cascades, pool, error, costs)
    model_bytes = 4 * pool.n_samples * pool.n_classes
    probabilities = lru_cache(maxsize=max(2, CACHE_BYTES // model_bytes))(pool.probabilities)
    scored: list[ScoredCascade] = []
    for cascade in cascades:
        indices = [pool.index(member) for member in cascade.members]

        def outputs(stage: int, rows: IntArray, indices: Sequence[int] = indices) -> FloatArray:
            return probabilities(indices[stage])[rows]

        decision = decide(cascade, outputs, n_samples=pool.n_samples)
        reached = [int((decision.stage > j).sum()) for j in range(cascade.n_stages)]
        counts = Counts(
            correct=np.array([np.count_nonzero(decision.label == pool.label)]),
            reached=np.array([reached]),
            predicted=decision.label[None],
        )
        scored += scored_from_counts(
            [cascade], np.array([indices]), counts, error, costs, n_samples=pool.n_samples
        )
    return tuple(scored)


def _score_compressed(
    cascades: Sequence[Cascade], pool: Pool, error: Error, costs: Sequence[Objective]
) -> tuple[ScoredCascade, ...]:
    """The same numbers from the contenders, for cascades that a search gives."""
    if not cascades:
        return ()
    members, counts = _counted(cascades, pool, with_predicted=error.needs_predicted)
    return tuple(
        scored_from_counts(cascades, members, counts, error, costs, n_samples=pool.n_samples)
    )


def _counted(
    cascades: Sequence[Cascade], pool: Pool, *, with_predicted: bool
) -> tuple[IntArray, Counts]:
    """Member indices [n, K] and counts of cascades on a compressed pool."""
    from ..evaluate.evaluator_choice import contenders_of, evaluator_for  # noqa: PLC0415 - extra search

    for cascade in cascades:
        for member in cascade.members:
            pool.index(member)
    members, thresholds = genes_of(cascades, pool.names)
    confidence = cascades[0].confidence
    again = cascades_of(members, thresholds, pool.names, confidence=confidence)
    if list(cascades) != again:
        raise PoolError(
            "in a compressed pool, cascades must average their members, have one confidence, and "
            "thresholds that are multiples of 0.02; use the pool that it was made of",
            where=f"pool {pool.name}",
        )
    contenders = contenders_of(pool, max_members=members.shape[1], confidence=confidence)
    evaluator = evaluator_for(pool, contenders, confidence=confidence)
    return members, evaluator.count(members, thresholds, with_predicted=with_predicted)


def scored_from_counts(
    cascades: Sequence[Cascade],
    members: IntArray,
    counts: Counts,
    error: Error,
    costs: Sequence[Objective],
    *,
    n_samples: int,
) -> list[ScoredCascade]:
    """The scores of cascades [n] with member indices [n, K] whose counts are known."""
    errors = error.values(members, counts, n_samples=n_samples)
    values = {c.name: c.values(members, counts, n_samples=n_samples) for c in costs}
    return [
        ScoredCascade(
            cascade=cascade,
            error=float(errors[i]),
            cost=float(values[costs[0].name][i]),
            reach=tuple((counts.reached[i, : cascade.n_stages] / n_samples).tolist()),
            costs={name: float(column[i]) for name, column in values.items()},
        )
        for i, cascade in enumerate(cascades)
    ]


def front_of(cascades: Sequence[Cascade], pool: Pool) -> Front:
    """Cascades that somebody named, as a front scored on a pool: by top-1 error and MACs.

    Raises:
        PoolError: the pool has no model of a member's name, or its models no MACs.
    """
    objectives = ("error", "macs")
    scored = score(cascades, pool, TopOneError(), front_costs(objectives, pool))
    return Front(pool=pool_reference(pool), objectives=objectives, cascades=scored)


def evaluate_front(
    front: Front | str | Path,
    pool: Pool | str | Path,
    *,
    profile: LatencyProfile | str | Path | None = None,
    on_note: OnNote = unnoted,
) -> Front:
    """The same cascades in the same order, scored on another pool (never chosen by it).

    The pool's classes are matched by name with those that the front was found on.

    Args:
        front: the front, or its file.
        pool: the other pool, or its folder.
        profile: measured times of its models, or their file; for latency fronts.
        on_note: hears how the classes were matched.

    Raises:
        PoolError: the pool has no model of a member's name, or other classes.
        ProfileError: a latency front without a profile of the pool's models.
    """
    front, profile = given_front(front), given_profile(profile)
    pool = in_classes_of(given_pool(pool), front.pool.class_names, on_note=on_note)
    costs = front_costs(front.objectives, pool, profile=profile, batch_size=front.batch_size)
    error = error_objective(front.metric, pool)
    scored = score([item.cascade for item in front.cascades], pool, error, costs)
    searched = {"searched_on": front.pool.name, "searched_sha256": front.pool.sha256}
    search = searched | dict(front.search)
    evaluated = Front(
        pool=pool_reference(pool),
        objectives=front.objectives,
        cascades=scored,
        search=search,
        batch_size=front.batch_size,
        metric=front.metric,
    )
    return with_answers(evaluated, pool, error, costs)


def with_answers(front: Front, pool: Pool, error: Error, costs: Sequence[Objective]) -> Front:
    """A front with its cascades held against the best single model of its search.

    As it is where it has no cascades, does not say which model that is, or the pool lacks it.

    Args:
        front: scored on `pool`.
        pool: the stored outputs.
        error: as of the front.
        costs: as of the front.
    """
    best = front.search.get("best_single_model")
    if not front.cascades or best not in pool.names:
        return front
    confidence = front.cascades[0].cascade.confidence
    alone = Cascade(members=(best,), thresholds=(), confidence=confidence)
    (single,) = score([alone], pool, error, costs)
    places = answering_places(front.cascades, single)
    found = {place: front.cascades[place] for place in places if place is not None}
    differences = dict[int, Difference]()
    if front.metric == TOP1:
        cascades = [single.cascade, *(scored.cascade for scored in found.values())]
        differences = dict(zip(found, _differences(cascades, pool), strict=True))
    answers = {
        place: CascadeAnswer(index=place, scored=scored, difference=differences.get(place))
        for place, scored in found.items()
    }
    cheapest, most_accurate = places
    return replace(
        front,
        answers=FrontAnswers(
            pool=front.pool,
            objective=front.objectives[1],
            single=single,
            as_accurate=None if cheapest is None else answers[cheapest],
            best=answers[most_accurate],
        ),
    )


def _differences(cascades: Sequence[Cascade], pool: Pool) -> list[Difference]:
    """How the answers of each cascade but the first differ from the first one's."""
    first, *others = (label == pool.label for label in _labels(cascades, pool))
    return [
        Difference(
            n_lost=int((first & ~right).sum()),
            n_gained=int((right & ~first).sum()),
            n_samples=pool.n_samples,
        )
        for right in others
    ]


def _labels(cascades: Sequence[Cascade], pool: Pool) -> Sequence[IntArray]:
    if not pool.is_compressed:
        return [decide_on(cascade, pool).label for cascade in cascades]
    _, counts = _counted(cascades, pool, with_predicted=True)
    assert counts.predicted is not None  # it was asked for
    return list(counts.predicted)


def pool_reference(pool: Pool) -> PoolReference:
    """What a front says of the pool that its scores come from."""
    return PoolReference(
        name=pool.name,
        sha256=pool.sha256,
        n_samples=pool.n_samples,
        n_classes=pool.n_classes,
        classes=pool.classes,
    )
