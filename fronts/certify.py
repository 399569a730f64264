"""Certificates: what a held-out split proves of a cascade, with a stated risk of being wrong.

The split must have had no part in finding or choosing the cascade; its samples are then independent
draws for that cascade, whatever the search did.

For a bounded drop of accuracy, threshold vectors are tested from the safest (all at 1: every member
runs) over the cascade's own to the cheapest (all at 0), a path that does not depend on the split.
Each is tested at the same level until the first that fails; the last that passed is returned. The
probability that the population's drop is too large is at most the level, exactly. What another
split of the same size will show is blurred once more: the difference of two splits has twice the
variance of one. So a risk r of *measuring* too large a drop there takes the level
Phi(sqrt(2) * Phi^-1(r)), 0.01 for 0.05, in the limit of many samples.

Sources: A. N. Angelopoulos, S. Bates, E. J. Candes, M. I. Jordan, L. Lei, "Learn then Test:
Calibrating Predictive Algorithms to Achieve Risk Control", Annals of Applied Statistics 19, 2025,
arXiv 2110.01052: fixed-sequence testing (section 3); accuracy_drop.py has the p-values and
Clopper-Pearson's interval.
"""

from __future__ import annotations

from dataclasses import replace
from math import sqrt
from statistics import NormalDist

import numpy as np

from ..arrays import BoolArray
from ..cascade import Cascade
from ..errors import FrontError
from ..evaluate.dense import decide_on
from ..evaluate.stage_table import StageTable
from ..pools.pool import Pool
from .accuracy_drop import clopper_pearson, drop_p_value, is_drop_small
from .certificates import AccuracyCertificate, DropCertificate

# Threshold vectors between all thresholds at 1 and the cascade's own, and from there down to 0.
N_STEPS = 250


def certify_accuracy(cascade: Cascade, pool: Pool, *, risk: float) -> AccuracyCertificate:
    """A lower bound of the accuracy of `cascade`, from a split that had no part in choosing it.

    Raises:
        FrontError: the risk is not in (0, 1).
        PoolError: the pool has no model of a member's name.
    """
    _check_risk(risk)
    n_correct = int((decide_on(cascade, pool).label == pool.label).sum())
    return AccuracyCertificate(
        pool=pool.name,
        n_samples=pool.n_samples,
        n_correct=n_correct,
        risk=risk,
        at_least=clopper_pearson(n_correct, pool.n_samples, risk=risk)[0],
    )


def certify_drop(
    cascade: Cascade,
    pool: Pool,
    *,
    reference_model: str,
    max_drop: float,
    risk: float,
    population_only: bool = False,
) -> tuple[Cascade, DropCertificate]:
    """The cheapest thresholds for the members of `cascade` that are proven to lose little.

    Args:
        cascade: gives the members, and a point of the path of thresholds.
        pool: a split that had no part in choosing them.
        reference_model: what accuracy is compared with.
        max_drop: how far below it the accuracy may be.
        risk: the probability, at most, that it is further below, also as measured on another
            split of the same size.
        population_only: claim the risk for the population alone: cheaper, but another split will
            show a larger drop more often.

    Raises:
        FrontError: nothing can be certified, or risk or drop are not in their range.
        PoolError: the pool lacks a member or the reference.
    """
    _check_risk(risk)
    if not 0 <= max_drop < 1:
        raise FrontError(f"the drop must be in [0, 1), got {max_drop:g}")
    reference = pool.probabilities(pool.index(reference_model)).argmax(axis=1) == pool.label
    table = StageTable.of(cascade, pool)
    path = threshold_path(cascade.thresholds)
    level = risk if population_only else level_for_another_split(risk)
    passed = fixed_sequence(path, table, reference, max_drop=max_drop, level=level)
    n_lost, n_gained = _lost_and_gained(table.right(path[max(passed, 1) - 1]), reference)
    p_value = drop_p_value(n_lost, n_gained, pool.n_samples, max_drop=max_drop)
    if not passed:
        drop = (n_lost - n_gained) / pool.n_samples
        raise FrontError(
            f"no thresholds of {' > '.join(cascade.members)} can be certified: even with every "
            f"member run, the accuracy is {-drop:+.4f} against {reference_model} on "
            f"{pool.n_samples} samples (p = {p_value:.2g}, wanted at most {level:.2g}); choose a "
            "more accurate cascade, a larger drop, or certify on more samples",
            where=f"pool {pool.name}",
        )
    certificate = DropCertificate(
        pool=pool.name,
        n_samples=pool.n_samples,
        n_lost=n_lost,
        n_gained=n_gained,
        reference_model=reference_model,
        max_drop=max_drop,
        risk=risk,
        level=level,
        p_value=p_value,
        n_tests=passed,
        n_candidates=len(path),
    )
    return replace(cascade, thresholds=path[passed - 1]), certificate


def level_for_another_split(risk: float) -> float:
    """The level of a test whose rejections another split of the same size belies at that risk."""
    normal = NormalDist()
    return min(risk, normal.cdf(sqrt(2) * normal.inv_cdf(risk)))


def threshold_path(thresholds: tuple[float, ...]) -> list[tuple[float, ...]]:
    """Threshold vectors from all at 1 over `thresholds` to all at 0, none larger than the last.

    A cascade without thresholds has one, empty vector.
    """
    own = np.array(thresholds, np.float64)
    if not len(own):
        return [()]
    shares = np.linspace(0, 1, N_STEPS + 1)[:, None]
    vectors = np.concatenate((1 - shares * (1 - own), own * (1 - shares[1:])))
    return [tuple(vector) for vector in np.round(vectors, 6).tolist()]


def fixed_sequence(
    path: list[tuple[float, ...]],
    table: StageTable,
    reference: BoolArray,
    *,
    max_drop: float,
    level: float,
) -> int:
    """How many threshold vectors of the path pass before the first that does not."""
    for i, thresholds in enumerate(path):
        n_lost, n_gained = _lost_and_gained(table.right(thresholds), reference)
        if not is_drop_small(n_lost, n_gained, len(reference), max_drop=max_drop, level=level):
            return i
    return len(path)


def _lost_and_gained(right: BoolArray, reference: BoolArray) -> tuple[int, int]:
    return int((reference & ~right).sum()), int((right & ~reference).sum())


def _check_risk(risk: float) -> None:
    if not 0 < risk < 1:
        raise FrontError(f"the risk must be in (0, 1), got {risk:g}")
