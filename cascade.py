"""What a cascade is, and what it computes: the one exit rule of this package.

A cascade runs its members in order. After each member it averages the probabilities of the
members run so far and leaves as soon as the confidence of that answer is above the threshold.
The search, the ONNX graph, the executor and Triton all compute what `decide` computes.

Source: A. Chebykin, T. Alderliesten, P. A. N. Bosman, "Evolutionary Neural Cascade Search across
Supernetworks", GECCO 2022, doi 10.1145/3512290.3528749, section 3.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np

from .arrays import BoolArray, DoubleArray, FloatArray, IntArray, frozen
from .errors import CascadeError

Confidence: TypeAlias = Literal["max_probability", "margin", "entropy", "logit_gap"]
Combine: TypeAlias = Literal["mean", "replace"]
StageOutputs: TypeAlias = Callable[[int, IntArray], FloatArray]
Steps: TypeAlias = "Generator[tuple[int, IntArray], FloatArray, Decision]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cascade:
    """An early-exit cascade of `k` members with `k - 1` thresholds.

    Args:
        members: names of the members in the order they run, each at most once.
        thresholds: one number in [0, 1] for each member but the last; a sample leaves after
            member j when the confidence of its answer is strictly greater than threshold j.
        confidence: how sure an answer is: its largest probability ("max_probability"), the
            distance of the two largest ("margin"), 1 - normalised entropy ("entropy"), or
            1 - exp(-g) with g the distance of the two largest logits ("logit_gap").
        combine: the answer after stage j: the mean of the members so far, or the newest alone.

    Raises:
        CascadeError: names every fault of the values above.
    """

    members: tuple[str, ...]
    thresholds: tuple[float, ...]
    confidence: Confidence = "max_probability"
    combine: Combine = "mean"

    def __post_init__(self) -> None:
        object.__setattr__(self, "members", tuple(self.members))
        object.__setattr__(self, "thresholds", tuple(float(t) for t in self.thresholds))
        faults = _cascade_faults(self)
        if faults:
            raise CascadeError(*faults, where="cascade")

    def __str__(self) -> str:
        """The members in order, each with the threshold above which a sample leaves."""
        gates = [f" ({threshold:g})" for threshold in self.thresholds] + [""]
        return " > ".join(m + gate for m, gate in zip(self.members, gates, strict=True))

    @property
    def n_stages(self) -> int:
        """The number of members."""
        return len(self.members)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Decision:
    """What a cascade answered, sample by sample.

    Args:
        probabilities: float32 [n_samples, n_classes], the answer.
        label: int64 [n_samples], its argmax; ties go to the lowest class.
        stage: int64 [n_samples], the stage where the sample left, counted from 1.
    """

    probabilities: FloatArray
    label: IntArray
    stage: IntArray


def decide(cascade: Cascade, outputs: StageOutputs, *, n_samples: int) -> Decision:
    """Runs a cascade over samples, asking each member only for the samples that reach it.

    Args:
        cascade: the cascade.
        outputs: `outputs(j, rows)` gives the probabilities of member j (from 0), float32
            [len(rows), n_classes], of the samples `rows` (ascending int64 indices). It is called
            once for every stage that a sample reaches, and once for stage 0 where there is none.
        n_samples: how many samples there are; 0 is legal.

    Raises:
        CascadeError: a member returned another shape than the rows and classes asked for.
    """
    steps = decision_steps(cascade, n_samples=n_samples)
    j, rows = next(steps)
    while True:
        probabilities = outputs(j, rows)
        try:
            j, rows = steps.send(probabilities)
        except StopIteration as end:
            return end.value


def decision_steps(cascade: Cascade, *, n_samples: int) -> Steps:
    """`decide` for whoever has to wait for a member: yields (j, rows), is sent their outputs.

    Args:
        cascade: the cascade.
        n_samples: how many samples there are; 0 is legal.

    Raises:
        CascadeError: a member returned another shape than the rows and classes asked for.
    """
    rows = np.arange(n_samples, dtype=np.int64)
    first = yield 0, rows
    total = answers = _checked(first, (n_samples, -1), cascade.members[0])
    n_classes = total.shape[1]
    probabilities = np.empty((n_samples, n_classes), np.float32)
    stage = np.empty(n_samples, np.int64)
    for j, threshold in enumerate((*cascade.thresholds, None)):
        if j > 0:
            outputs = yield j, rows
            newest = _checked(outputs, (len(rows), n_classes), cascade.members[j])
            total = total + newest
            answers = combined(total, newest, n_members=j + 1, combine=cascade.combine)
        leaves = exits(answers, threshold, confidence=cascade.confidence)
        # All or nobody, as ever with one sample: nothing is picked.
        if leaves.all():
            probabilities[rows] = answers
            stage[rows] = j + 1
            break
        if leaves.any():
            probabilities[rows[leaves]] = answers[leaves]
            stage[rows[leaves]] = j + 1
            rows, total = rows[~leaves], total[~leaves]
    return Decision(
        probabilities=frozen(probabilities),
        label=frozen(probabilities.argmax(axis=1).astype(np.int64, copy=False)),
        stage=frozen(stage),
    )


def combined(
    total: FloatArray, newest: FloatArray, *, n_members: int, combine: Combine
) -> FloatArray:
    """The answer after `n_members` members, from their sum and the newest, each [n, n_classes]."""
    return total / np.float32(n_members) if combine == "mean" else newest


def exits(answers: FloatArray, threshold: float | None, *, confidence: Confidence) -> BoolArray:
    """The exit rule: which rows of `answers` [n, n_classes] leave here.

    Strictly above the threshold (compared as float32) leaves; a NaN is above nothing, so it goes
    on. With threshold None, the last stage, every row leaves.
    """
    if threshold is None:
        return np.ones(len(answers), np.bool_)
    return confidence_of(answers, confidence) > np.float32(threshold)


def confidence_of(answers: FloatArray, confidence: Confidence) -> FloatArray:
    """The confidence of each row of `answers` [n, n_classes] as float32 [n]."""
    if confidence == "max_probability" or answers.shape[1] == 1:
        return answers.max(axis=1)
    if confidence == "entropy":
        return _one_minus_entropy(answers)
    top = np.partition(answers, answers.shape[1] - 2, axis=1)[:, -2:]
    if confidence == "margin":
        return top[:, 1] - top[:, 0]
    return np.float32(1) - top[:, 0] / top[:, 1]


def softmax(logits: FloatArray) -> FloatArray:
    """Softmax over the last axis, in float32, of logits [..., n_classes]."""
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def reach_of(stage: IntArray, *, n_stages: int) -> DoubleArray:
    """The share of samples that run each member, float64 [n_stages], from the exit stages."""
    left = np.bincount(stage - 1, minlength=n_stages)
    return (len(stage) - np.concatenate(([0], np.cumsum(left)[:-1]))) / len(stage)


def _one_minus_entropy(answers: FloatArray) -> FloatArray:
    logs = np.log(np.where(answers > 0, answers, np.float32(1)))
    scale = np.float32(1 / np.log(answers.shape[1]))
    entropy = -(answers * logs).sum(axis=1, dtype=np.float32)
    return np.float32(1) - entropy * scale


def _checked(outputs: FloatArray, shape: tuple[int, int], member: str) -> FloatArray:
    rows, n_classes = shape
    if outputs.ndim != 2 or len(outputs) != rows or n_classes not in (-1, outputs.shape[1]):
        wanted = f"[{rows}, {'n_classes' if n_classes < 0 else n_classes}]"
        raise CascadeError(f"expected probabilities {wanted}, got {outputs.shape}", where=member)
    return outputs.astype(np.float32, copy=False)


def _cascade_faults(cascade: Cascade) -> Sequence[str]:
    members, thresholds = cascade.members, cascade.thresholds
    faults = []
    if not members:
        faults.append("a cascade needs at least one member, got none")
    faults += [f"member names must be non-empty strings, got {m!r}" for m in members if not m]
    if len(set(members)) < len(members):
        faults.append(f"each member runs at most once, got {', '.join(members)}")
    if members and len(thresholds) != len(members) - 1:
        faults.append(
            f"{len(members)} members need {len(members) - 1} thresholds, got {len(thresholds)}"
        )
    faults += [
        f"stage {j}: threshold must be in [0, 1], got {t:g}"
        for j, t in enumerate(thresholds, start=1)
        if not 0 <= t <= 1
    ]
    if cascade.confidence not in get_args(Confidence):
        allowed = ", ".join(get_args(Confidence))
        faults.append(f"confidence must be one of {allowed}, got {cascade.confidence!r}")
    if cascade.combine not in get_args(Combine):
        allowed = ", ".join(get_args(Combine))
        faults.append(f"combine must be one of {allowed}, got {cascade.combine!r}")
    return faults
