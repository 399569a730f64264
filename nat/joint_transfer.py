"""ENCAS-joint: supernetworks adapted together to the cascades over them that pay, round by round.

As transfer.py, with cascades for subnets: round 0 takes random cascades, every further one those
that two surrogates promise; the weights of each supernetwork are trained on its subnets in them;
then the cascades are evaluated by the exit rule itself, on outputs of calibrated subnets.

Source: see joint_space.py.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import numpy as np

from ..arrays import DoubleArray, FloatArray, IntArray
from ..cascade import decide, reach_of, softmax
from ..search.state import State, joined, part_of, restore_rng, rng_state
from .adaptation import Adaptation
from .joint_proposing import MeasuredCascades, expected_costs, next_cascades
from .joint_space import JointSpace
from .learning import Rng
from .nat_runs import NatRound
from .nat_settings import NatSettings
from .proposing import Proposal, unknown
from .space import distinct, largest
from .subnet_evaluating import SubnetEvaluator, error_of
from .supernet import Supernet
from .surrogate import Quality
from .task import Task
from .transfer import (
    LEARN_WORK,
    UNKNOWN_LOSS,
    WARM_UP_WORK,
    CountedMacs,
    front_places,
    history_array,
    history_of,
    relative_hypervolume,
)

CACHE_BYTES = 2**29


class JointTransfer:
    """A run of ENCAS-joint that advances by steps and resumes between any two.

    Args:
        supernets: are trained in place, each on the device of its task.
        tasks: the samples as each of them takes them; the same ones, in the same order.
        settings: how; `archive_size` counts cascades.
        rng: all randomness.
    """

    def __init__(
        self,
        supernets: Sequence[Supernet],
        tasks: Sequence[Task],
        settings: NatSettings,
        *,
        rng: Rng,
    ) -> None:
        self.space = JointSpace(spaces=tuple(supernet.space for supernet in supernets))
        self._tasks = tasks
        self._settings = settings
        self._rng = rng
        self._adaptations = [
            Adaptation(supernet, task.train, settings, n_rounds=settings.iterations + 1)
            for supernet, task in zip(supernets, tasks, strict=True)
        ]
        self._evaluators = [
            SubnetEvaluator(
                calibration=task.calibration,
                batch_size=settings.calibration_batch_size,
                precision=settings.training.precision,
            )
            for task in tasks
        ]
        self.costs = [CountedMacs(s.space, n_classes=s.n_classes) for s in supernets]
        self._n_warm = self._turn = self._n_epochs = 0
        self._losses = [UNKNOWN_LOSS] * len(supernets)
        self._proposal: Proposal | None = None
        self._rows: list[DoubleArray] = []
        self._known: OrderedDict[tuple[int, bytes], tuple[float, FloatArray]] = OrderedDict()
        self.genomes = np.empty((0, len(self.space.n_values)), np.int64)
        self._measured_rows = np.empty((0, self._n_columns))
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
    def measured(self) -> MeasuredCascades:
        """How the cascades of the archive did."""
        k, rows = self.space.n_supernets, self._measured_rows
        return MeasuredCascades(
            error=rows[:, 0], member_error=rows[:, 1 : k + 1], reach=rows[:, k + 1 :]
        )

    @property
    def points(self) -> DoubleArray:
        """Errors and expected costs of the archive, float64 [n, 2]."""
        measured = self.measured
        cost = expected_costs(self.space, self.genomes, measured.reach, self.costs)
        return np.stack((measured.error, cost), axis=1)

    @property
    def front(self) -> IntArray:
        """Places in the archive of what nothing in it dominates, cheapest first."""
        return front_places(self.points)

    @property
    def n_work(self) -> int:
        """Samples that the run passes through a network, at most: work as progress counts it."""
        settings, k = self._settings, self.space.n_supernets
        rounds, n = settings.iterations + 1, settings.archive_size
        n_cascades = n * rounds if not settings.n_new else n + settings.n_new * (rounds - 1)
        epochs = settings.warm_up_epochs * WARM_UP_WORK + rounds * settings.epochs * LEARN_WORK
        return k * epochs * self._n_train + n_cascades * self._measure_work

    @property
    def n_done(self) -> int:
        """How much of `n_work` is done."""
        settings, k = self._settings, self.space.n_supernets
        n_epochs = self._turn * settings.epochs * k + self._n_epochs
        n_cascades = sum(e.n_new if settings.n_new else e.n_subnets for e in self.history)
        epochs = self._n_warm * WARM_UP_WORK + n_epochs * LEARN_WORK
        return epochs * self._n_train + (n_cascades + len(self._rows)) * self._measure_work

    @property
    def stage(self) -> str:
        """What it is at, for people."""
        n_warm = self._settings.warm_up_epochs * self.space.n_supernets
        if self._n_warm < n_warm:
            return f"warm-up, epoch {self._n_warm} of {n_warm}"
        return f"round {min(self._turn, self._settings.iterations)} of {self._settings.iterations}"

    def step(self) -> None:
        """Does the next piece of work: an epoch, a proposal, the evaluation of one cascade."""
        settings, k = self._settings, self.space.n_supernets
        if self._n_warm < settings.warm_up_epochs * k:
            s, epoch = divmod(self._n_warm, settings.warm_up_epochs)
            self._losses[s] = self._adaptations[s].warm_up(epoch, self._rng)
            self._n_warm += 1
        elif self._proposal is None:
            self._proposal = self._propose()
        elif self._n_epochs < settings.epochs * k:
            self._learn(self._proposal)
        elif len(self._rows) < len(self._proposal.genomes):
            self._rows.append(self._evaluated(self._proposal.genomes[len(self._rows)]))
        else:
            self._close(self._proposal)

    def state(self) -> State:
        """Everything that the future depends on, as plain arrays."""
        own = {
            "rng": rng_state(self._rng),
            "counts": np.array([self._n_warm, self._turn, self._n_epochs]),
            "losses": np.array(self._losses),
            "rows": np.array(self._rows, np.float64).reshape(-1, self._n_columns),
            "genomes": self.genomes,
            "measured": self._measured_rows,
            "history": history_array(self.history),
        }
        if self._proposal is not None:
            own |= {"asked": self._proposal.genomes, "predicted": self._proposal.predicted}
        parts = {f"adaptation.{s}": each.state() for s, each in enumerate(self._adaptations)}
        return joined({"own": own, **parts})

    def restore(self, state: State) -> None:
        """Continues from a state as if this run had never stopped."""
        own = part_of(state, "own")
        restore_rng(self._rng, own["rng"])
        self._n_warm, self._turn, self._n_epochs = own["counts"].tolist()
        self._losses = own["losses"].tolist()
        self._rows = list(own["rows"].copy())
        self.genomes, self._measured_rows = own["genomes"].copy(), own["measured"].copy()
        self.history = history_of(own["history"])
        self._proposal = None
        if "asked" in own:
            self._proposal = Proposal(genomes=own["asked"], predicted=own["predicted"])
        for s, adaptation in enumerate(self._adaptations):
            adaptation.restore(part_of(state, f"adaptation.{s}"))
        self._known.clear()

    @property
    def _n_columns(self) -> int:
        """Error, the members' errors, the reach of the stages."""
        return 1 + 2 * self.space.n_supernets

    @property
    def _n_train(self) -> int:
        return self._tasks[0].train.n_samples

    @property
    def _measure_work(self) -> int:
        task = self._tasks[0]
        return self.space.n_supernets * (task.calibration.n_samples + task.search.n_samples)

    def _propose(self) -> Proposal:
        if self._turn == 0:
            genomes = self.space.sample_distinct(self._settings.archive_size, self._rng)
            return Proposal(genomes=genomes, predicted=np.full(len(genomes), np.nan))
        return next_cascades(
            self.space,
            self.genomes,
            self.measured,
            costs=self.costs,
            settings=self._settings,
            rng=self._rng,
        )

    def _learn(self, proposal: Proposal) -> None:
        """An epoch of one supernetwork, on its subnets in the cascades; they take turns."""
        epoch, s = divmod(self._n_epochs, self.space.n_supernets)
        is_in = self.space.ranks(proposal.genomes)[:, s] > 0
        if is_in.any():
            own = distinct(self.space.subnets(proposal.genomes)[s][is_in])
            chosen = [self.space.spaces[s].decode(genome) for genome in own]
            self._losses[s] = self._adaptations[s].learn(
                chosen, turn=self._turn, epoch=epoch, rng=self._rng
            )
        self._n_epochs += 1
        if epoch + 1 == self._settings.epochs:
            self._adaptations[s].settle(self._turn)

    def _evaluated(self, genome: IntArray) -> DoubleArray:
        """Error, the members' errors and the reach of one cascade, float64 [1 + 2K]."""
        k, subnets = self.space.n_supernets, self.space.subnets(genome[None])
        members = [int(s) for s in self.space.members(genome[None])[0] if s >= 0]
        answers = [self._answers(s, subnets[s][0]) for s in members]
        cascade, label = self.space.cascade(genome), self._tasks[0].search.label.cpu().numpy()
        decision = decide(cascade, lambda j, rows: answers[j][1][rows], n_samples=len(label))
        row = np.full(self._n_columns, np.nan)
        row[0] = (decision.label != label).mean()
        row[[1 + s for s in members]] = [error for error, _ in answers]
        row[k + 1 :] = 0
        row[k + 1 :][: len(members)] = reach_of(decision.stage, n_stages=len(members))
        return row

    def _answers(self, s: int, genome: IntArray) -> tuple[float, FloatArray]:
        """Error and probabilities [n_search, n_classes] of a subnet; the latest are kept."""
        key = (s, genome.tobytes())
        if key not in self._known:
            table, evaluator = self._tasks[s].search, self._evaluators[s]
            network = evaluator.calibrated(self._adaptations[s].settled, genome)
            logits = evaluator.logits(network, table)
            self._known[key] = (error_of(logits, table), softmax(logits))
            while len(self._known) * logits.nbytes > CACHE_BYTES and len(self._known) > 1:
                self._known.popitem(last=False)
        self._known.move_to_end(key)
        return self._known[key]

    def _close(self, proposal: Proposal) -> None:
        measured, quality = np.array(self._rows).reshape(-1, self._n_columns), None
        n_new = len(unknown(proposal.genomes, self.genomes))
        told = proposal.is_predicted
        if told.any():
            quality = Quality.of(proposal.predicted[told], measured[told, 0])
        if self._settings.n_new and self._turn:
            self.genomes = np.concatenate((self.genomes, proposal.genomes))
            self._measured_rows = np.concatenate((self._measured_rows, measured))
        else:
            self.genomes, self._measured_rows = proposal.genomes, measured
        self.history.append(self._round(quality, n_new))
        self._proposal, self._rows = None, []
        self._turn, self._n_epochs = self._turn + 1, 0
        self._known.clear()

    def _round(self, quality: Quality | None, n_new: int) -> NatRound:
        points = self.points
        losses = [loss for loss in self._losses if not np.isnan(loss)]
        most = max(
            float(cost(largest(space)[None])[0])
            for cost, space in zip(self.costs, self.space.spaces, strict=True)
        )
        return NatRound(
            round=self._turn,
            n_subnets=len(self.genomes),
            loss=float(np.mean(losses)) if losses else None,
            tau=quality.tau if quality else None,
            rmse=quality.rmse if quality else None,
            n_new=n_new,
            hypervolume=relative_hypervolume(points[:, 0], points[:, 1], most),
            best_error=float(points[:, 0].min()),
        )
