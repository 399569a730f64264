"""Neural Architecture Transfer: a supernetwork is adapted to the subnets that pay.

Its rounds (rounds.py) look for subnets, evaluated with BatchNorm statistics of their own.

Sources: see nat_settings.py.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..arrays import DoubleArray, IntArray
from .design import Architecture
from .learning import Rng
from .nat_settings import NatSettings
from .proposing import Costs, Proposal, first_proposal, next_proposal, random_proposal
from .rounds import Rounds
from .space import largest
from .subnet_costs import CountedMacs, RememberedCosts
from .subnet_evaluating import error_of, evaluator_on
from .supernet import Supernet
from .task import Task

PROPOSERS = {"surrogate": next_proposal, "random": random_proposal}


class SubnetCandidates:
    """Subnets of one supernetwork; see `rounds.Candidates`. What is measured is the error.

    Args:
        supernet: of the subnets.
        task: the samples.
        settings: how many are wanted, and who proposes.
        costs: the second objective; None: multiply-adds.
    """

    noun = "subnets"
    n_columns = 1

    def __init__(
        self, supernet: Supernet, task: Task, settings: NatSettings, *, costs: Costs | None = None
    ) -> None:
        self.space = supernet.space
        self.cost_unit = "ms" if costs else "MACs"
        self.n_genes = len(supernet.space.n_values)
        self._search = task.search
        self._settings = settings
        self._evaluator = evaluator_on(task.calibration, settings)
        macs = CountedMacs(supernet.space, n_classes=supernet.n_classes)
        self._costs = RememberedCosts(costs) if costs else macs

    @property
    def largest_cost(self) -> float:
        """See `Candidates.largest_cost`: that of the largest subnet."""
        return float(self._costs(largest(self.space)[None])[0])

    def first(self, rng: Rng, /) -> Proposal:
        """See `Candidates.first`."""
        return first_proposal(self.space, self._settings, rng)

    def following(self, genomes: IntArray, measured: DoubleArray, rng: Rng, /) -> Proposal:
        """See `Candidates.following`."""
        propose = PROPOSERS[self._settings.proposer]
        errors, costs, settings = measured[:, 0], self._costs, self._settings
        return propose(self.space, genomes, errors, costs=costs, settings=settings, rng=rng)

    def lesson(self, index: int, genomes: IntArray, /) -> list[Architecture]:  # noqa: ARG002 - there is one
        """See `Candidates.lesson`."""
        return [self.space.decode(genome) for genome in genomes]

    def measured(self, genome: IntArray, settled: Sequence[Supernet], /) -> DoubleArray:
        """See `Candidates.measured`."""
        network = self._evaluator.calibrated(settled[0], genome)
        return np.array([error_of(self._evaluator.logits(network, self._search), self._search)])

    def costs(self, genomes: IntArray, measured: DoubleArray, /) -> DoubleArray:  # noqa: ARG002 - exact
        """See `Candidates.costs`."""
        return self._costs(genomes)

    def forget(self) -> None:
        """See `Candidates.forget`; nothing is kept."""


def subnet_rounds(
    supernet: Supernet,
    task: Task,
    settings: NatSettings,
    *,
    rng: Rng,
    costs: Costs | None = None,
) -> Rounds[SubnetCandidates]:
    """A run of Neural Architecture Transfer.

    Args:
        supernet: is trained in place, on the device of the task.
        task: the samples.
        settings: how.
        rng: all randomness.
        costs: the second objective; None: multiply-adds.
    """
    candidates = SubnetCandidates(supernet, task, settings, costs=costs)
    name = f"adapting {supernet.space.design.name}"
    return Rounds([supernet], [task], settings, rng=rng, candidates=candidates, name=name)
