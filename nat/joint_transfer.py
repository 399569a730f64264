"""ENCAS-joint: supernetworks adapted together to the cascades over them that pay.

Its rounds (rounds.py) look for cascades, evaluated by the exit rule itself on outputs of calibrated
subnets.

Source: see joint_space.py.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import numpy as np

from ..arrays import DoubleArray, FloatArray, IntArray
from ..cascade import decide, reach_of, softmax
from .design import Architecture
from .joint_proposing import MeasuredCascades, expected_costs, next_cascades
from .joint_space import JointSpace
from .learning import Rng
from .nat_settings import NatSettings
from .proposing import Proposal
from .space import distinct, largest
from .subnet_costs import CountedMacs
from .subnet_evaluating import error_of, evaluator_on
from .supernet import Supernet
from .task import Task

CACHE_BYTES = 2**29


class CascadeCandidates:
    """Cascades over K supernetworks; see `rounds.Candidates`.

    What is measured are the error, the errors of the members alone (NaN where a supernetwork is
    left out) and the reach of the stages: 1 + 2K numbers.

    Args:
        supernets: of the members.
        tasks: the samples as each of them takes them; the same ones, in the same order.
        settings: how many are wanted, and who proposes.
    """

    noun, cost_unit = "cascades", "MACs"

    def __init__(
        self, supernets: Sequence[Supernet], tasks: Sequence[Task], settings: NatSettings
    ) -> None:
        self.space = JointSpace(spaces=tuple(supernet.space for supernet in supernets))
        self.subnet_costs = [CountedMacs(s.space, n_classes=s.n_classes) for s in supernets]
        self.n_genes = len(self.space.n_values)
        self.n_columns = 1 + 2 * self.space.n_supernets
        self._tables = [task.search for task in tasks]
        self._settings = settings
        self._evaluators = [evaluator_on(task.calibration, settings) for task in tasks]
        self._known: OrderedDict[tuple[int, bytes], tuple[float, FloatArray]] = OrderedDict()

    @property
    def largest_cost(self) -> float:
        """See `Candidates.largest_cost`: that of the dearest subnet of all."""
        costs = zip(self.subnet_costs, self.space.spaces, strict=True)
        return max(float(cost(largest(space)[None])[0]) for cost, space in costs)

    def first(self, rng: Rng, /) -> Proposal:
        """See `Candidates.first`."""
        genomes = self.space.sample_distinct(self._settings.archive_size, rng)
        return Proposal(genomes=genomes, predicted=np.full(len(genomes), np.nan))

    def following(self, genomes: IntArray, measured: DoubleArray, rng: Rng, /) -> Proposal:
        """See `Candidates.following`."""
        return next_cascades(
            self.space,
            genomes,
            self.table(measured),
            costs=self.subnet_costs,
            settings=self._settings,
            rng=rng,
        )

    def lesson(self, index: int, genomes: IntArray, /) -> list[Architecture]:
        """See `Candidates.lesson`: the supernetwork's subnets in the cascades, each once."""
        is_in = self.space.ranks(genomes)[:, index] > 0
        if not is_in.any():
            return []
        own = distinct(self.space.subnets(genomes)[index][is_in])
        return [self.space.spaces[index].decode(genome) for genome in own]

    def measured(self, genome: IntArray, settled: Sequence[Supernet], /) -> DoubleArray:
        """See `Candidates.measured`."""
        k, subnets = self.space.n_supernets, self.space.subnets(genome[None])
        members = [int(s) for s in self.space.members(genome[None])[0] if s >= 0]
        answers = [self._answers(s, subnets[s][0], settled[s]) for s in members]
        cascade, label = self.space.cascade(genome), self._tables[0].label.cpu().numpy()
        decision = decide(cascade, lambda j, rows: answers[j][1][rows], n_samples=len(label))
        row = np.full(self.n_columns, np.nan)
        row[0] = (decision.label != label).mean()
        row[[1 + s for s in members]] = [error for error, _ in answers]
        row[k + 1 :] = 0
        row[k + 1 :][: len(members)] = reach_of(decision.stage, n_stages=len(members))
        return row

    def costs(self, genomes: IntArray, measured: DoubleArray, /) -> DoubleArray:
        """See `Candidates.costs`: expected ones."""
        reach = self.table(measured).reach
        return expected_costs(self.space, genomes, reach, self.subnet_costs)

    def table(self, measured: DoubleArray) -> MeasuredCascades:
        """What was measured [n, 1 + 2K], by name."""
        k = self.space.n_supernets
        return MeasuredCascades(
            error=measured[:, 0], member_error=measured[:, 1 : k + 1], reach=measured[:, k + 1 :]
        )

    def forget(self) -> None:
        """See `Candidates.forget`."""
        self._known.clear()

    def _answers(self, s: int, genome: IntArray, settled: Supernet) -> tuple[float, FloatArray]:
        """Error and probabilities [n_search, n_classes] of a subnet; the latest are kept."""
        key = (s, genome.tobytes())
        if key not in self._known:
            table, evaluator = self._tables[s], self._evaluators[s]
            logits = evaluator.logits(evaluator.calibrated(settled, genome), table)
            self._known[key] = (error_of(logits, table), softmax(logits))
            while len(self._known) * logits.nbytes > CACHE_BYTES and len(self._known) > 1:
                self._known.popitem(last=False)
        self._known.move_to_end(key)
        return self._known[key]
