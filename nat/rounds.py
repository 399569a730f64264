"""Rounds of Neural Architecture Transfer: propose candidates, train on them, evaluate them.

Round 0 takes random candidates; every further one those that surrogates fitted on the archive
promise. Then the weights of each supernetwork are trained on its subnets among them, and the
candidates are evaluated. What candidates are is another's business: subnets of one supernetwork
(transfer.py) or cascades over several (joint_transfer.py).

Sources: see nat_settings.py. Departure: where weights are trained, all candidates of the archive
are evaluated anew in each round, so that its errors all belong to the same weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, Protocol, TypeVar

import numpy as np

from ..arrays import DoubleArray, IntArray
from ..progress import Progress
from ..state import State, joined, part_of, restore_rng, rng_state
from .adaptation import Adaptation
from .design import Architecture
from .learning import Rng
from .nat_runs import NatRound
from .nat_settings import NatSettings
from .proposing import Proposal, unknown
from .round_history import front_places, history_array, history_of, relative_hypervolume, round_text
from .supernet import Supernet
from .surrogate import Quality
from .task import Task

UNKNOWN_LOSS = np.nan
# Passes forward that an epoch is worth: one backward counts as two, the sandwich has four subnets.
LEARN_WORK, WARM_UP_WORK = 3, 12


class Candidates(Protocol):
    """What the rounds look for; `measured` are rows of numbers, the first of each its error."""

    @property
    def noun(self) -> str:
        """What they are called."""
        ...

    @property
    def cost_unit(self) -> str:
        """What their costs count."""
        ...

    @property
    def n_genes(self) -> int:
        """Genes of one."""
        ...

    @property
    def n_columns(self) -> int:
        """How many numbers are measured of one."""
        ...

    @property
    def largest_cost(self) -> float:
        """The cost that the hypervolume is relative to."""
        ...

    def first(self, rng: Rng, /) -> Proposal:
        """Random ones."""
        ...

    def following(self, genomes: IntArray, measured: DoubleArray, rng: Rng, /) -> Proposal:
        """Promising ones, by an archive [n, n_genes] and what was measured of it [n, n_columns]."""
        ...

    def lesson(self, index: int, genomes: IntArray, /) -> Sequence[Architecture]:
        """What supernetwork `index` is trained on for candidates [n, n_genes]; may be empty."""
        ...

    def measured(self, genome: IntArray, settled: Sequence[Supernet], /) -> DoubleArray:
        """Evaluates one with the weights of all supernetworks, float64 [n_columns]."""
        ...

    def costs(self, genomes: IntArray, measured: DoubleArray, /) -> DoubleArray:
        """Costs of an archive, float64 [n]."""
        ...

    def forget(self) -> None:
        """Is called when the weights change: nothing evaluated before may be used again."""
        ...


Kind = TypeVar("Kind", bound=Candidates)


class Rounds(Generic[Kind]):
    """A run that advances by steps and resumes between any two; see `work.Work`.

    Args:
        supernets: are trained in place, each on the device of its task.
        tasks: the samples as each of them takes them; the same ones, in the same order.
        settings: how; `archive_size` counts candidates.
        rng: all randomness.
        candidates: what is looked for.
        name: what progress is told of.
    """

    resumable = True

    def __init__(
        self,
        supernets: Sequence[Supernet],
        tasks: Sequence[Task],
        settings: NatSettings,
        *,
        rng: Rng,
        candidates: Kind,
        name: str = "adapting",
    ) -> None:
        self.candidates = candidates
        self._task = tasks[0]
        self._settings = settings
        self._rng = rng
        self._name = name
        self._adaptations = [
            Adaptation(supernet, task.train, settings, n_rounds=settings.iterations + 1)
            for supernet, task in zip(supernets, tasks, strict=True)
        ]
        self._n_warm = self._turn = self._n_epochs = 0
        self._losses = [UNKNOWN_LOSS] * len(supernets)
        self._proposal: Proposal | None = None
        self._rows: list[DoubleArray] = []
        self._news = ""
        self.genomes = np.empty((0, candidates.n_genes), np.int64)
        self.measured = np.empty((0, candidates.n_columns))
        self.history: list[NatRound] = []

    @property
    def finished(self) -> bool:
        """Whether all rounds are done."""
        return self._turn > self._settings.iterations

    @property
    def settled(self) -> list[Supernet]:
        """The weights that the errors were measured with, of each supernetwork."""
        return [adaptation.settled for adaptation in self._adaptations]

    @property
    def points(self) -> DoubleArray:
        """Errors and costs of the archive, float64 [n, 2]."""
        costs = self.candidates.costs(self.genomes, self.measured)
        return np.stack((self.measured[:, 0], costs), axis=1)

    @property
    def front(self) -> IntArray:
        """Places in the archive of what nothing in it dominates, cheapest first."""
        return front_places(self.points)

    @property
    def n_work(self) -> int:
        """Samples that the run passes through a network, at most: work as progress counts it."""
        settings, k = self._settings, len(self._adaptations)
        rounds, n = settings.iterations + 1, settings.archive_size
        n_measured = n * rounds if not settings.n_new else n + settings.n_new * (rounds - 1)
        epochs = settings.warm_up_epochs * WARM_UP_WORK + rounds * settings.epochs * LEARN_WORK
        return k * epochs * self._task.train.n_samples + n_measured * self._measure_work

    @property
    def n_done(self) -> int:
        """How much of `n_work` is done."""
        settings, k = self._settings, len(self._adaptations)
        n_epochs = self._turn * settings.epochs * k + self._n_epochs
        closed = (each.n_new if settings.n_new else each.n_subnets for each in self.history)
        n_measured = sum(closed) + len(self._rows)
        epochs = self._n_warm * WARM_UP_WORK + n_epochs * LEARN_WORK
        return epochs * self._task.train.n_samples + n_measured * self._measure_work

    @property
    def stage(self) -> str:
        """What it is at, for people."""
        n_warm = self._settings.warm_up_epochs * len(self._adaptations)
        if self._n_warm < n_warm:
            return f"warm-up, epoch {self._n_warm} of {n_warm}"
        return f"round {min(self._turn, self._settings.iterations)} of {self._settings.iterations}"

    @property
    def progress(self) -> Progress:
        """See `Work.progress`; a round that is over is news."""
        return Progress(
            what=self._name,
            done=self.n_done,
            total=self.n_done if self.finished else self.n_work,
            unit="samples",
            text=self.stage,
            news=self._news,
        )

    def step(self) -> None:
        """Does the next piece of work: an epoch, a proposal, the evaluation of one candidate."""
        settings, k, self._news = self._settings, len(self._adaptations), ""
        if self._n_warm < settings.warm_up_epochs * k:
            index, epoch = divmod(self._n_warm, settings.warm_up_epochs)
            self._losses[index] = self._adaptations[index].warm_up(epoch, self._rng)
            self._n_warm += 1
        elif self._proposal is None:
            self._proposal = self._proposed()
        elif self._n_epochs < settings.epochs * k:
            self._learn(self._proposal)
        elif len(self._rows) < len(self._proposal.genomes):
            next_one = self._proposal.genomes[len(self._rows)]
            self._rows.append(self.candidates.measured(next_one, self.settled))
        else:
            self._close(self._proposal)

    def state(self) -> State:
        """Everything that the future depends on, as plain arrays."""
        own = {
            "rng": rng_state(self._rng),
            "counts": np.array([self._n_warm, self._turn, self._n_epochs]),
            "losses": np.array(self._losses),
            "rows": self._row_array,
            "genomes": self.genomes,
            "measured": self.measured,
            "history": history_array(self.history),
        }
        if self._proposal is not None:
            own |= {"asked": self._proposal.genomes, "predicted": self._proposal.predicted}
        parts = {f"adaptation.{s}": each.state() for s, each in enumerate(self._adaptations)}
        return joined({"own": own, **parts})

    def restore(self, state: State, /) -> None:
        """Continues from a state as if this run had never stopped."""
        own = part_of(state, "own")
        restore_rng(self._rng, own["rng"])
        self._n_warm, self._turn, self._n_epochs = own["counts"].tolist()
        self._losses = own["losses"].tolist()
        self._rows = list(own["rows"].copy())
        self.genomes, self.measured = own["genomes"].copy(), own["measured"].copy()
        self.history = history_of(own["history"])
        self._proposal = None
        if "asked" in own:
            self._proposal = Proposal(genomes=own["asked"], predicted=own["predicted"])
        for s, adaptation in enumerate(self._adaptations):
            adaptation.restore(part_of(state, f"adaptation.{s}"))
        self.candidates.forget()

    def _proposed(self) -> Proposal:
        if self._turn == 0:
            return self.candidates.first(self._rng)
        return self.candidates.following(self.genomes, self.measured, self._rng)

    def _learn(self, proposal: Proposal) -> None:
        """An epoch of one supernetwork, on its subnets in the candidates; they take turns."""
        epoch, index = divmod(self._n_epochs, len(self._adaptations))
        chosen = self.candidates.lesson(index, proposal.genomes)
        if chosen:
            self._losses[index] = self._adaptations[index].learn(
                chosen, turn=self._turn, epoch=epoch, rng=self._rng
            )
        self._n_epochs += 1
        if epoch + 1 == self._settings.epochs:
            self._adaptations[index].settle(self._turn)

    def _close(self, proposal: Proposal) -> None:
        measured, quality = self._row_array, None
        n_new = len(unknown(proposal.genomes, self.genomes))
        told = proposal.is_predicted
        if told.any():
            quality = Quality.of(proposal.predicted[told], measured[told, 0])
        if self._settings.n_new and self._turn:
            self.genomes = np.concatenate((self.genomes, proposal.genomes))
            self.measured = np.concatenate((self.measured, measured))
        else:
            self.genomes, self.measured = proposal.genomes, measured
        self.history.append(self._round(quality, n_new))
        noun, cost_unit = self.candidates.noun, self.candidates.cost_unit
        self._news = round_text(self.history[-1], noun=noun, cost_unit=cost_unit)
        self._proposal, self._rows = None, []
        self._turn, self._n_epochs = self._turn + 1, 0
        self.candidates.forget()

    def _round(self, quality: Quality | None, n_new: int) -> NatRound:
        points, losses = self.points, [loss for loss in self._losses if not np.isnan(loss)]
        return NatRound(
            round=self._turn,
            n_subnets=len(self.genomes),
            loss=float(np.mean(losses)) if losses else None,
            tau=quality.tau if quality else None,
            rmse=quality.rmse if quality else None,
            n_new=n_new,
            hypervolume=relative_hypervolume(points, self.candidates.largest_cost),
            best_error=float(points[:, 0].min()),
        )

    @property
    def _row_array(self) -> DoubleArray:
        return np.array(self._rows, np.float64).reshape(-1, self.candidates.n_columns)

    @property
    def _measure_work(self) -> int:
        n_samples = self._task.calibration.n_samples + self._task.search.n_samples
        return len(self._adaptations) * n_samples
