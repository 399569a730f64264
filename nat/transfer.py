"""Neural Architecture Transfer: a supernetwork is adapted to the subnets that pay, round by round.

NatRound 0 takes random subnets; every further one fits a surrogate of the error on the archive,
searches it, and chooses subnets. Then the weights are trained on the chosen ones, and those are
evaluated with BatchNorm statistics of their own.

Sources: see settings.py. Departure: where weights are trained, all subnets of the archive are
evaluated anew in each round, so that its errors all belong to the same weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, fields
from functools import cached_property, partial

import numpy as np

from ..arrays import DoubleArray, IntArray
from ..fronts.indicators import hypervolume, non_dominated
from ..search.state import State, joined, part_of, restore_rng, rng_state
from .adaptation import Adaptation
from .learning import Rng
from .nat_runs import NatRound
from .nat_settings import NatSettings
from .proposing import Costs, Proposal, first_proposal, next_proposal, random_proposal, unknown
from .space import Space, largest
from .subnet_evaluating import SubnetEvaluator, error_of, macs_of_genomes
from .supernet import Supernet
from .surrogate import Quality
from .task import Task

UNKNOWN_LOSS = np.nan
# Passes forward that an epoch is worth: one backward counts as two, the sandwich has four subnets.
LEARN_WORK, WARM_UP_WORK = 3, 12
PROPOSERS = {"surrogate": next_proposal, "random": random_proposal}


class Transfer:
    """A run of Neural Architecture Transfer that advances by steps and resumes between any two.

    Args:
        supernet: is trained in place, on the device of the task.
        task: the samples.
        settings: how.
        rng: all randomness.
        costs: the second objective; None: multiply-adds.
    """

    def __init__(
        self,
        supernet: Supernet,
        task: Task,
        settings: NatSettings,
        *,
        rng: Rng,
        costs: Costs | None = None,
    ) -> None:
        self._task = task
        self._settings = settings
        self._rng = rng
        self._adaptation = Adaptation(
            supernet, task.train, settings, n_rounds=settings.iterations + 1
        )
        self._evaluator = SubnetEvaluator(
            calibration=task.calibration,
            batch_size=settings.calibration_batch_size,
            precision=settings.training.precision,
        )
        macs = CountedMacs(supernet.space, n_classes=supernet.n_classes)
        self._costs = RememberedCosts(costs) if costs else macs
        no_genomes = np.empty((0, len(supernet.space.n_values)), np.int64)
        self._n_warm = self._turn = self._n_epochs = 0
        self._loss = UNKNOWN_LOSS
        self._proposal: Proposal | None = None
        self._errors: list[float] = []
        self.genomes, self.errors = no_genomes, np.empty(0)
        self.history: list[NatRound] = []

    @property
    def finished(self) -> bool:
        """Whether all rounds are done."""
        return self._turn > self._settings.iterations

    @property
    def space(self) -> Space:
        """The search space."""
        return self._adaptation.supernet.space

    @property
    def settled(self) -> Supernet:
        """The weights that the errors were measured with."""
        return self._adaptation.settled

    @property
    def costs(self) -> DoubleArray:
        """Costs of the archive, float64 [n]."""
        return self._costs(self.genomes)

    @property
    def front(self) -> IntArray:
        """Places in the archive of what nothing in it dominates, cheapest first."""
        return front_places(np.stack((self.errors, self.costs), axis=1))

    @property
    def n_work(self) -> int:
        """Samples that the run passes through a network, about: work as progress counts it."""
        settings, n_train = self._settings, self._task.train.n_samples
        rounds, n = settings.iterations + 1, settings.archive_size
        n_measured = n * rounds if not settings.n_new else n + settings.n_new * (rounds - 1)
        return (
            settings.warm_up_epochs * WARM_UP_WORK * n_train
            + rounds * settings.epochs * LEARN_WORK * n_train
            + n_measured * self._measure_work
        )

    @property
    def n_done(self) -> int:
        """How much of `n_work` is done."""
        settings, n_train = self._settings, self._task.train.n_samples
        n_epochs = self._turn * settings.epochs + self._n_epochs
        n_measured = sum(each.n_new if settings.n_new else each.n_subnets for each in self.history)
        return (
            self._n_warm * WARM_UP_WORK * n_train
            + n_epochs * LEARN_WORK * n_train
            + (n_measured + len(self._errors)) * self._measure_work
        )

    @property
    def stage(self) -> str:
        """What it is at, for people."""
        if self._n_warm < self._settings.warm_up_epochs:
            return f"warm-up, epoch {self._n_warm} of {self._settings.warm_up_epochs}"
        return f"round {min(self._turn, self._settings.iterations)} of {self._settings.iterations}"

    def step(self) -> None:
        """Does the next piece of work: an epoch, a proposal, the evaluation of one subnet."""
        settings = self._settings
        if self._n_warm < settings.warm_up_epochs:
            self._loss = self._adaptation.warm_up(self._n_warm, self._rng)
            self._n_warm += 1
        elif self._proposal is None:
            self._proposal = self._propose()
        elif self._n_epochs < settings.epochs:
            self._learn(self._proposal)
        elif len(self._errors) < len(self._proposal.genomes):
            self._errors.append(self._measured(self._proposal.genomes[len(self._errors)]))
        else:
            self._close(self._proposal)

    def state(self) -> State:
        """Everything that the future depends on, as plain arrays."""
        own = {
            "rng": rng_state(self._rng),
            "counts": np.array([self._n_warm, self._turn, self._n_epochs]),
            "loss": np.array(self._loss),
            "measured": np.array(self._errors),
            "genomes": self.genomes,
            "errors": self.errors,
            "history": history_array(self.history),
        }
        if self._proposal is not None:
            own |= {"asked": self._proposal.genomes, "predicted": self._proposal.predicted}
        return joined({"own": own, "adaptation": self._adaptation.state()})

    def restore(self, state: State) -> None:
        """Continues from a state as if this run had never stopped."""
        own = part_of(state, "own")
        restore_rng(self._rng, own["rng"])
        self._n_warm, self._turn, self._n_epochs = own["counts"].tolist()
        self._loss = float(own["loss"])
        self._errors = own["measured"].tolist()
        self.genomes, self.errors = own["genomes"].copy(), own["errors"].copy()
        self.history = history_of(own["history"])
        self._proposal = None
        if "asked" in own:
            self._proposal = Proposal(genomes=own["asked"], predicted=own["predicted"])
        self._adaptation.restore(part_of(state, "adaptation"))

    def _propose(self) -> Proposal:
        if self._turn == 0:
            return first_proposal(self.space, self._settings, self._rng)
        propose = PROPOSERS[self._settings.proposer]
        return propose(
            self.space,
            self.genomes,
            self.errors,
            costs=self._costs,
            settings=self._settings,
            rng=self._rng,
        )

    def _learn(self, proposal: Proposal) -> None:
        chosen = [self.space.decode(genome) for genome in proposal.genomes]
        self._loss = self._adaptation.learn(
            chosen, turn=self._turn, epoch=self._n_epochs, rng=self._rng
        )
        self._n_epochs += 1
        if self._n_epochs == self._settings.epochs:
            self._adaptation.settle(self._turn)

    def _measured(self, genome: IntArray) -> float:
        network = self._evaluator.calibrated(self.settled, genome)
        return error_of(self._evaluator.logits(network, self._task.search), self._task.search)

    def _close(self, proposal: Proposal) -> None:
        measured = np.array(self._errors)
        n_new = len(unknown(proposal.genomes, self.genomes))
        told, quality = proposal.is_predicted, None
        if told.any():
            quality = Quality.of(proposal.predicted[told], measured[told])
        if self._settings.n_new and self._turn:
            self.genomes = np.concatenate((self.genomes, proposal.genomes))
            self.errors = np.concatenate((self.errors, measured))
        else:
            self.genomes, self.errors = proposal.genomes, measured
        self.history.append(self._round(quality, n_new))
        self._proposal, self._errors = None, []
        self._turn, self._n_epochs = self._turn + 1, 0

    def _round(self, quality: Quality | None, n_new: int) -> NatRound:
        return NatRound(
            round=self._turn,
            n_subnets=len(self.genomes),
            loss=None if np.isnan(self._loss) else self._loss,
            tau=quality.tau if quality else None,
            rmse=quality.rmse if quality else None,
            n_new=n_new,
            hypervolume=relative_hypervolume(self.errors, self.costs, self._largest_cost),
            best_error=float(self.errors.min()),
        )

    @property
    def _measure_work(self) -> int:
        return self._task.calibration.n_samples + self._task.search.n_samples

    @cached_property
    def _largest_cost(self) -> float:
        return float(self._costs(largest(self.space)[None])[0])


class RememberedCosts:
    """Costs of genomes, those of each asked for once.

    Args:
        costs: of a genome, whatever others it is asked with.
    """

    def __init__(self, costs: Costs) -> None:
        self._costs = costs
        self._known: dict[bytes, float] = {}

    def __call__(self, genomes: IntArray) -> DoubleArray:
        """Float64 [n], of genomes [n, n_genes]."""
        keys = [row.tobytes() for row in genomes]
        unknown = {key: i for i, key in enumerate(keys) if key not in self._known}
        found = self._costs(genomes[list(unknown.values())])
        self._known |= dict(zip(unknown, found.tolist(), strict=True))
        return np.array([self._known[key] for key in keys], np.float64)


class CountedMacs(RememberedCosts):
    """Multiply-adds of genomes, each counted once.

    Args:
        space: of the genomes.
        n_classes: logits of a sample.
    """

    def __init__(self, space: Space, *, n_classes: int) -> None:
        super().__init__(partial(macs_of_genomes, space, n_classes=n_classes))


def relative_hypervolume(errors: DoubleArray, costs: DoubleArray, largest_cost: float) -> float:
    """Of errors and costs [n], relative to error 1 and the cost of the largest subnet; in 0..1."""
    return hypervolume(np.stack((errors, costs / largest_cost), axis=1), (1.0, 1.0))


def front_places(points: DoubleArray) -> IntArray:
    """Places of the errors and costs [n, 2] that none dominates, cheapest first."""
    places = np.flatnonzero(non_dominated(points))
    return places[np.argsort(points[places, 1])]


def history_array(history: Sequence[NatRound]) -> DoubleArray:
    """Rounds as numbers, float64 [n, n_fields], NaN for None."""
    rows = [[np.nan if v is None else v for v in astuple(each)] for each in history]
    return np.array(rows, np.float64).reshape(len(rows), len(fields(NatRound)))


def history_of(array: DoubleArray) -> list[NatRound]:
    """The rounds that `history_array` took apart."""
    return [_round_of(row) for row in array.tolist()]


def _round_of(row: list[float]) -> NatRound:
    names = [field.name for field in fields(NatRound)]
    values = {n: None if np.isnan(v) else v for n, v in zip(names, row, strict=True)}
    whole = {name: int(values[name] or 0) for name in ("round", "n_subnets", "n_new")}
    return NatRound(**values | whole)  # type: ignore[arg-type]  # only losses and qualities are None
