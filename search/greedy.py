"""GreedyCascade: cascades built one stage after the other, for many targets of accuracy.

Source: M. Streeter, "Approximation Algorithms for Cascading Prediction Models", ICML 2018,
arXiv 1802.07697. A target is a reference model and a share. Every stage takes the model that
answers the most of the remaining samples per cost, its threshold as low as may be for its answers
to have at least that share of the reference's accuracy on the same samples. The reference itself
may always answer all that remains, so that the whole cascade keeps the constraint.

Confidence is the distance of the two largest logits of the current model, whose answer replaces the
earlier ones (`STREETER`); another rule gives the same greed with the cascades of the other
algorithms.

Departures from the source: a model that stands in the cascade is not taken again; in the last slot
only models that may answer all that remains are taken; references are the single models that no
other dominates, each with the shares `SHARES`, and what all these targets give is filtered as a
front. One evaluation is one cascade built.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..arrays import BoolArray, FloatArray, IntArray
from ..cascade import Cascade, Combine, Confidence, combined, confidence_of
from ..evaluate.counts import Counts
from ..evaluate.objectives import Error, StageCost
from ..fronts.indicators import non_dominated
from ..pools.pool import Pool
from ..state import State, joined, part_of
from .archive import ElitistArchive

SHARES = tuple(1 - i / 200 for i in range(21))
# Less than one answer of any split: a sum of shares is not exact.
ROUNDING = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """How sure a stage is, and what it answers; see `Cascade`."""

    confidence: Confidence
    combine: Combine


STREETER = Rule(confidence="logit_gap", combine="replace")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Stage:
    """A stage of a cascade under construction.

    Args:
        member: model index.
        n_reached: samples that run it.
        n_answered: of those that it answers.
        n_correct: of those that it answers rightly.
        threshold: the confidence above which it answers; None where it answers all.
        rest: int64, the samples that it leaves to the next one.
    """

    member: int
    n_reached: int
    n_answered: int
    n_correct: int
    threshold: float | None
    rest: IntArray


class GreedyBuilder:
    """Builds the cascade of a target on the samples of a pool.

    Args:
        pool: the stored outputs.
        cost: what greed weighs.
        max_members: K.
        rule: of the cascades.
    """

    def __init__(self, pool: Pool, *, cost: StageCost, max_members: int, rule: Rule) -> None:
        self._pool = pool
        self._cost = cost
        self._max_members = max_members
        self._rule = rule

    @cached_property
    def correct(self) -> BoolArray:
        """Which samples each model alone answers rightly, bool [n_models, n_samples]."""
        labels = [self._pool.probabilities(m).argmax(axis=1) for m in range(self._pool.n_models)]
        return np.stack([label == self._pool.label for label in labels])

    def build(self, reference: int, share: float) -> list[Stage] | None:
        """The stages for one target; None where no model fits in the last slot."""
        stages: list[Stage] = []
        rest = np.arange(self._pool.n_samples)
        while len(rest):
            required = share * self.correct[reference, rest]
            candidates = self._candidates(stages, rest, required)
            if not candidates:
                return None
            stages.append(min(candidates, key=self._cost_per_answer))
            rest = stages[-1].rest
        return stages

    def _candidates(self, stages: list[Stage], rows: IntArray, required: FloatArray) -> list[Stage]:
        taken = {stage.member for stage in stages}
        total = self._total(stages, rows)
        must_answer_all = len(stages) == self._max_members - 1
        found = [
            self._stage(member, total, len(stages), rows, required)
            for member in range(self._pool.n_models)
            if member not in taken
        ]
        return [
            stage
            for stage in found
            if stage is not None and (stage.threshold is None or not must_answer_all)
        ]

    def _stage(
        self, member: int, total: FloatArray, n_before: int, rows: IntArray, required: FloatArray
    ) -> Stage | None:
        """The stage with the lowest threshold that keeps the constraint, None if none does."""
        confidence, correct = self._answers(member, total, n_before, rows)
        order = np.argsort(-confidence, kind="stable")
        sorted_confidence = confidence[order]
        surplus = np.cumsum(correct[order] - required[order])
        # Samples of equal confidence are answered together.
        is_end = np.append(sorted_confidence[1:] < sorted_confidence[:-1], True)
        allowed = np.flatnonzero(is_end & (surplus >= -ROUNDING))
        if not len(allowed):
            return None
        n_answered = int(allowed[-1]) + 1
        threshold = None
        if n_answered < len(rows):
            threshold = float(sorted_confidence[n_answered])
        return Stage(
            member=member,
            n_reached=len(rows),
            n_answered=n_answered,
            n_correct=int(correct[order[:n_answered]].sum()),
            threshold=threshold,
            rest=np.sort(rows[order[n_answered:]]),
        )

    def _answers(
        self, member: int, total: FloatArray, n_before: int, rows: IntArray
    ) -> tuple[FloatArray, BoolArray]:
        if self._rule.combine == "replace":
            return self._confidence[member, rows], self.correct[member, rows]
        newest = self._pool.probabilities(member, rows)
        answers = combined(total + newest, newest, n_members=n_before + 1, combine="mean")
        is_correct = answers.argmax(axis=1) == self._pool.label[rows]
        return confidence_of(answers, self._rule.confidence), is_correct

    @cached_property
    def _confidence(self) -> FloatArray:
        """How sure each model alone is, float32 [n_models, n_samples]."""
        return np.stack(
            [
                confidence_of(self._pool.probabilities(m), self._rule.confidence)
                for m in range(self._pool.n_models)
            ]
        )

    def _total(self, stages: list[Stage], rows: IntArray) -> FloatArray:
        total = np.zeros((len(rows), self._pool.n_classes), np.float32)
        if self._rule.combine == "mean":
            for stage in stages:
                total += self._pool.probabilities(stage.member, rows)
        return total

    def _cost_per_answer(self, stage: Stage) -> float:
        cost = self._cost.stage_values(
            np.array(stage.member),
            np.array(stage.n_reached),
            n_samples=self._pool.n_samples,
            is_last=stage.threshold is None,
        )
        return float(cost) / stage.n_answered


class GreedySearch:
    """Builds the cascade of one target after the other; finished when all are built.

    A genome has K member genes, as everywhere, and K - 1 genes that are the bits of the thresholds
    as float32: they lie on no grid. `cascades_of_bits` reads them.

    Args:
        pool: the stored outputs.
        error: the first objective, computed from the right answers.
        costs: the cost objectives; greed weighs the first.
        max_members: K.
        rule: of the cascades.
    """

    def __init__(
        self,
        pool: Pool,
        *,
        error: Error,
        costs: Sequence[StageCost],
        max_members: int,
        rule: Rule = STREETER,
    ) -> None:
        self._pool = pool
        self._error = error
        self._costs = costs
        self._max_members = max_members
        self._builder = GreedyBuilder(pool, cost=costs[0], max_members=max_members, rule=rule)
        self._archive = ElitistArchive(2 * max_members - 1, 1 + len(costs))
        self._n_built = 0

    @property
    def archive(self) -> ElitistArchive:
        """What was found so far."""
        return self._archive

    @property
    def n_evaluations(self) -> int:
        """Cascades built so far."""
        return self._n_built

    @property
    def finished(self) -> bool:
        """Whether the cascades of all targets are built."""
        return self._n_built >= len(self._targets)

    @property
    def resumable(self) -> bool:
        """True: a state may be taken between any two steps."""
        return True

    def step(self, _limit: int, /) -> None:
        """Builds the cascade of the next target."""
        stages = self._builder.build(*self._targets[self._n_built])
        self._n_built += 1
        if stages is None:
            return
        members = np.full((1, self._max_members), -1)
        reached = np.zeros((1, self._max_members), np.int64)
        bits = np.zeros((1, self._max_members - 1), np.int64)
        for j, stage in enumerate(stages):
            members[0, j], reached[0, j] = stage.member, stage.n_reached
            if stage.threshold is not None:
                bits[0, j] = np.float32(stage.threshold).view(np.int32)
        correct = np.array([sum(stage.n_correct for stage in stages)])
        counts = Counts(correct=correct, reached=reached)
        objectives = [
            objective.values(members, counts, n_samples=self._pool.n_samples)
            for objective in (self._error, *self._costs)
        ]
        self._archive.add(np.concatenate((members + 1, bits), axis=1), np.stack(objectives, axis=1))

    def state(self) -> State:
        """The number of targets done and the archive."""
        return {"n_built": np.array(self._n_built)} | joined({"archive": self._archive.state()})

    def restore(self, state: State) -> None:
        """Continues from a state."""
        self._n_built = int(state["n_built"])
        self._archive.restore(part_of(state, "archive"))

    @cached_property
    def _targets(self) -> list[tuple[int, float]]:
        n_models, n_samples = self._pool.n_models, self._pool.n_samples
        everyone = np.arange(n_models)
        cost = self._costs[0].stage_values(
            everyone, np.full(n_models, n_samples), n_samples=n_samples, is_last=True
        )
        points = np.stack(((~self._builder.correct).sum(axis=1), cost), axis=1)
        references = np.flatnonzero(non_dominated(points))
        return [(int(reference), share) for share in SHARES for reference in references]


def cascades_of_bits(genomes: IntArray, names: Sequence[str], rule: Rule) -> list[Cascade]:
    """The cascades that genomes [n, 2K - 1] of a `GreedySearch` stand for."""
    max_members = (genomes.shape[1] + 1) // 2
    cascades: list[Cascade] = []
    for genome in genomes:
        members = genome[:max_members][genome[:max_members] > 0] - 1
        bits = genome[max_members : max_members + len(members) - 1].astype(np.int32)
        cascades.append(
            Cascade(
                members=tuple(names[int(m)] for m in members),
                thresholds=tuple(bits.view(np.float32).tolist()),
                confidence=rule.confidence,
                combine=rule.combine,
            )
        )
    return cascades
