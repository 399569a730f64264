"""The next cascades over supernetworks: two surrogates, searched by MO-GOMEA, and a choice.

The first surrogate, one for each supernetwork, tells a subnet's error from its genome; the second a
cascade's error, and the shares of samples that reach its stages, from the errors of its members,
their ranks and the thresholds. The cost of a cascade is the sum of its members' exact costs times
those shares; a cascade of one member has that member's error and cost.

Source: see joint_space.py. Departure: there the cascade's cost is predicted as a whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ..arrays import DoubleArray, IntArray
from ..evaluate.threshold_grid import N_THRESHOLDS
from ..search.gomea import MoGomea
from .joint_space import JointSpace
from .learning import Rng
from .nat_settings import NatSettings
from .proposing import Costs, Proposal, chosen_proposal, drawn_proposal, searched, unknown
from .surrogate import RbfEnsemble

FEWEST_POINTS = 2
ABSENT_ERROR = 1.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MeasuredCascades:
    """How cascades did.

    Args:
        error: float64 [n], share of wrong answers.
        member_error: float64 [n, K], of each supernetwork's subnet alone; NaN where it is left out.
        reach: float64 [n, K], shares of samples that run each stage; 0 past the last.
    """

    error: DoubleArray
    member_error: DoubleArray
    reach: DoubleArray


class MemberSurrogate(Protocol):
    """Tells errors of subnets."""

    def predict(self, features: DoubleArray, /) -> DoubleArray:
        """Errors [m, 1] of genomes [m, n_genes]."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Constant:
    """Tells everybody the same: where hardly any subnet of a supernetwork was measured.

    Args:
        error: what it tells.
    """

    error: float

    def predict(self, features: DoubleArray, /) -> DoubleArray:
        """See `MemberSurrogate.predict`."""
        return np.full((len(features), 1), self.error)


class JointProblem:
    """Predicted error and expected cost of cascades.

    Args:
        space: of the genomes.
        members: one surrogate of errors for each supernetwork.
        cascades: the surrogate of a cascade's error and of the reach of its stages after the first.
        costs: of each supernetwork's subnets.
    """

    n_objectives = 2

    def __init__(
        self,
        space: JointSpace,
        members: Sequence[MemberSurrogate],
        cascades: RbfEnsemble,
        costs: Sequence[Costs],
    ) -> None:
        self.n_values = space.n_values
        self._space = space
        self._members = members
        self._cascades = cascades
        self._costs = costs

    def evaluate(self, genomes: IntArray, /) -> DoubleArray:
        """See `Problem.evaluate`; a cascade without members is infeasible."""
        space = self._space
        canonical = space.canonical(genomes)
        subnets, order = space.subnets(canonical), space.members(canonical)
        told = [
            m.predict(g.astype(np.float64)) for m, g in zip(self._members, subnets, strict=True)
        ]
        member_error = np.concatenate(told, axis=1).clip(0, 1)
        predicted = self._cascades.predict(features_of(space, canonical, member_error))
        n_members = (order >= 0).sum(axis=1)
        reach = np.concatenate((np.ones((len(genomes), 1)), predicted[:, 1:]), axis=1)
        reach = np.minimum.accumulate(reach.clip(0, 1), axis=1) * (order >= 0)
        alone = np.take_along_axis(member_error, order[:, :1].clip(0), axis=1)[:, 0]
        error = np.where(n_members == 1, alone, predicted[:, 0].clip(0, 1))
        cost = expected_costs(space, canonical, reach, self._costs)
        return np.where(n_members[:, None] > 0, np.stack((error, cost), axis=1), np.inf)


def features_of(space: JointSpace, canonical: IntArray, member_error: DoubleArray) -> DoubleArray:
    """What the second surrogate sees of cascades, float64 [n, 3K - 1].

    Args:
        space: of the genomes.
        canonical: int64 [n, n_genes].
        member_error: float64 [n, K]; those of supernetworks that are left out do not count.
    """
    ranks = space.ranks(canonical)
    errors = np.where(ranks > 0, member_error, ABSENT_ERROR)
    thresholds = space.thresholds(canonical) / (N_THRESHOLDS - 1)
    return np.concatenate((errors, ranks / space.n_supernets, thresholds), axis=1)


def expected_costs(
    space: JointSpace, canonical: IntArray, reach: DoubleArray, costs: Sequence[Costs]
) -> DoubleArray:
    """Expected cost per sample of cascades, float64 [n], from the reach of their stages [n, K]."""
    subnets, order = space.subnets(canonical), space.members(canonical)
    own = np.stack([cost(g) for cost, g in zip(costs, subnets, strict=True)], axis=1)
    total = np.zeros(len(canonical))
    for stage in range(space.n_supernets):
        of_stage = np.take_along_axis(own, order[:, stage : stage + 1].clip(0), axis=1)[:, 0]
        total += np.where(order[:, stage] >= 0, of_stage * reach[:, stage], 0.0)
    return total


def fitted_problem(
    space: JointSpace,
    genomes: IntArray,
    measured: MeasuredCascades,
    costs: Sequence[Costs],
    rng: Rng,
) -> JointProblem:
    """Both surrogates, fitted on an archive of canonical genomes [n, n_genes]."""
    members = [
        _member_surrogate(own, measured.member_error[:, s], rng)
        for s, own in enumerate(space.subnets(genomes))
    ]
    targets = np.concatenate((measured.error[:, None], measured.reach[:, 1:]), axis=1)
    features = features_of(space, genomes, measured.member_error)
    return JointProblem(space, members, RbfEnsemble.fit(features, targets, rng=rng), costs)


def next_cascades(
    space: JointSpace,
    genomes: IntArray,
    measured: MeasuredCascades,
    *,
    costs: Sequence[Costs],
    settings: NatSettings,
    rng: Rng,
) -> Proposal:
    """Cascades that are promising by surrogates fitted on the archive, or random ones.

    Args:
        space: of the cascades.
        genomes: int64 [n, n_genes], the archive, canonical.
        measured: of the archive.
        costs: of each supernetwork's subnets.
        settings: how many are wanted, who proposes, and whether the archive's own are among them.
        rng: all randomness.
    """
    cost = expected_costs(space, genomes, measured.reach, costs)
    points = np.stack((measured.error, cost), axis=1)
    if settings.proposer == "random":
        return drawn_proposal(genomes, points, draw=space.sample, settings=settings, rng=rng)
    problem = fitted_problem(space, genomes, measured, costs, rng)
    search = MoGomea(problem, rng=rng, start=genomes)
    found = space.canonical(searched(problem, search, settings.evaluations))
    return chosen_proposal(
        unknown(found, genomes),
        genomes,
        points,
        problem=problem,
        draw=space.sample,
        settings=settings,
        rng=rng,
    )


def _member_surrogate(genomes: IntArray, errors: DoubleArray, rng: Rng) -> MemberSurrogate:
    """Fitted on those of genomes [n, n_genes] whose errors [n] are known, each once."""
    is_known = ~np.isnan(errors)
    if not is_known.any():
        return Constant(error=ABSENT_ERROR)
    points, first = np.unique(genomes[is_known], axis=0, return_index=True)
    if len(points) < FEWEST_POINTS:
        return Constant(error=float(errors[is_known].mean()))
    own = errors[is_known][first]
    return RbfEnsemble.fit(points.astype(np.float64), own[:, None], rng=rng)
