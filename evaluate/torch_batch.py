"""The torch evaluator: batches of cascades over compressed outputs, on a GPU or the CPU.

Same contenders, same float32 operations in the same order as the definition (add, divide by the
number of members, compare), so the counts are those of the dense evaluator.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..arrays import IntArray
from ..cascade import Confidence
from ..errors import MissingExtraError, SearchError
from .contenders import CHUNK, Contenders, rank_of
from .counts import Counts
from .threshold_grid import THRESHOLDS

try:
    import torch
    from torch import Tensor
except ImportError as error:
    raise MissingExtraError("evaluation with torch", extra="export") from error

# Numbers held at once for the sums of a batch: 1 GiB of float32.
BATCH_NUMBERS = 2**28


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Bucket:
    """Samples with nearly equally many contenders, padded to the most of them.

    Args:
        values: float32 [n_models, n_slots, n], the probabilities; -1 in empty slots.
        classes: int64 [n_slots, n], the class of each slot; n_classes in empty ones.
        place: int64 [n], where in the contenders each sample stands.
        flat_row: int64 [n_models, n], a model's row in the complete rows, -1 where it is not
            flat; None where no model is flat on any of these samples.
    """

    values: Tensor
    classes: Tensor
    place: Tensor
    flat_row: Tensor | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Answers:
    """Answers of a batch after some stage: confidence and predicted class, [n_cascades, n]."""

    confidence: Tensor
    predicted: Tensor


class TorchEvaluator:
    """Counts cascades that average probabilities, a batch at a time on one device.

    Args:
        contenders: the compressed pool; None, which the entropy means, is refused.
        device: a torch device, "cuda:0" or "cpu".
        confidence: "max_probability", or with contenders of rank 2 "margin" or "logit_gap".
        batch_numbers: bounds the device memory of a batch's sums; it changes no result.

    Raises:
        SearchError: the device is not there, or the contenders do not serve the confidence.
    """

    def __init__(
        self,
        contenders: Contenders | None,
        *,
        device: str,
        confidence: Confidence = "max_probability",
        batch_numbers: int = BATCH_NUMBERS,
    ) -> None:
        if contenders is None or contenders.rank < rank_of(confidence):
            raise SearchError(f"the compressed pool does not keep the confidence {confidence}")
        self._device = checked_device(device)
        self._contenders = contenders
        self._confidence: Confidence = confidence
        self._buckets = list(_buckets(contenders, self._device))
        self._label = self._tensor(contenders.label)
        self._thresholds = self._tensor(THRESHOLDS)
        self._flat_values = self._tensor(contenders.flat_values)
        widest = max(bucket.classes.numel() for bucket in self._buckets)
        self._batch = max(1, batch_numbers // widest)

    @property
    def n_samples(self) -> int:
        """The number of samples of the pool."""
        return self._contenders.n_samples

    def count(
        self, members: IntArray, thresholds: IntArray, *, with_predicted: bool = False
    ) -> Counts:
        """See `Evaluator.count`."""
        n, max_members = members.shape
        if max_members > self._contenders.max_members:
            limit = self._contenders.max_members
            raise SearchError(f"the pool is compressed for {limit} members, got {max_members}")
        correct, reached = np.zeros(n, np.int64), np.zeros((n, max_members), np.int64)
        predicted = np.zeros((n, self.n_samples), np.int64) if with_predicted else None
        for first in range(0, n, self._batch):
            part = slice(first, first + self._batch)
            genes = self._tensor(members[part]), self._tensor(thresholds[part])
            labels = torch.zeros((len(genes[0]), self.n_samples), dtype=torch.int64)
            labels = labels.to(self._device)
            n_reached = torch.zeros_like(genes[0])
            for bucket in self._buckets:
                self._run(bucket, *genes, labels, n_reached)
            there = genes[0][:, :1] >= 0
            correct[part] = ((labels == self._label) & there).sum(dim=1).cpu().numpy()
            reached[part] = n_reached.cpu().numpy()
            if predicted is not None:
                predicted[part][:, self._contenders.sample] = labels.cpu().numpy()
        return Counts(correct=correct, reached=reached, predicted=predicted)

    def _run(
        self, bucket: Bucket, members: Tensor, thresholds: Tensor, labels: Tensor, reached: Tensor
    ) -> None:
        """Runs a batch of cascades over a bucket; fills `labels`, adds to `reached`."""
        n_stages = (members >= 0).sum(dim=1)
        alive = (n_stages > 0)[:, None].expand(-1, len(bucket.place)).clone()
        chosen = torch.zeros_like(alive, dtype=torch.int64)
        sums = torch.zeros((len(members), *bucket.classes.shape), device=self._device)
        for j in range(members.shape[1]):
            is_there = n_stages > j
            if not bool(is_there.any()):
                break
            reached[:, j] += alive.sum(dim=1)
            newest = bucket.values[members[:, j].clamp(min=0)]
            sums = newest if j == 0 else sums + newest
            answers = self._answers(bucket, sums, members[:, : j + 1])
            leaves = alive & (n_stages == j + 1)[:, None]
            if j < thresholds.shape[1]:
                limits = self._thresholds[thresholds[:, j]][:, None]
                leaves |= alive & (answers.confidence > limits)
            chosen = torch.where(leaves, answers.predicted, chosen)
            alive &= ~leaves
        labels[:, bucket.place] = chosen

    def _answers(self, bucket: Bucket, sums: Tensor, members: Tensor) -> Answers:
        n_members = members.shape[1]
        # A tensor on the device: by a number, CUDA multiplies with the rounded reciprocal.
        divisor = torch.full((1, 1, 1), float(n_members), device=self._device)
        answers = _answers_of(sums / divisor, bucket.classes, self._confidence)
        if bucket.flat_row is None:
            return answers
        rows = torch.stack([bucket.flat_row[members[:, j].clamp(min=0)] for j in range(n_members)])
        cascade, place = torch.nonzero((rows >= 0).all(dim=0), as_tuple=True)
        if len(cascade):
            total = self._flat_values[rows[0, cascade, place]]
            for j in range(1, n_members):
                total = total + self._flat_values[rows[j, cascade, place]]
            classes = torch.arange(total.shape[1], device=self._device)[:, None]
            complete = _answers_of((total / divisor[0]).T[None], classes, self._confidence)
            answers.confidence[cascade, place] = complete.confidence[0]
            answers.predicted[cascade, place] = complete.predicted[0]
        return answers

    def _tensor(self, array: np.ndarray) -> Tensor:
        return torch.as_tensor(np.array(array), device=self._device)


def checked_device(device: str) -> torch.device:
    """The torch device of that name.

    Raises:
        SearchError: there is none of that name here.
    """
    try:
        chosen = torch.device(device)
        torch.zeros(1, device=chosen)
    except (RuntimeError, AssertionError) as cause:
        reason = str(cause).splitlines()[0]
        raise SearchError(
            f"no such device here: {reason}; use --device cpu, or install a torch built for it",
            where=device,
        ) from cause
    return chosen


def _answers_of(means: Tensor, classes: Tensor, confidence: Confidence) -> Answers:
    """Answers from means [n_cascades, n_slots, n] of the classes [n_slots, n or 1]."""
    largest = means.amax(dim=1)
    nowhere = torch.iinfo(torch.int64).max
    predicted = torch.where(means == largest[:, None], classes, nowhere).amin(dim=1)
    if confidence == "max_probability":
        return Answers(confidence=largest, predicted=predicted)
    second = torch.zeros_like(largest)
    if means.shape[1] > 1:
        # Classes that are not stored have a mean of zero where the second-largest counts.
        second = means.topk(2, dim=1).values[:, 1].clamp(min=0)
    sure = largest - second if confidence == "margin" else 1 - second / largest
    return Answers(confidence=sure, predicted=predicted)


def _buckets(contenders: Contenders, device: torch.device) -> Iterator[Bucket]:
    """Chunks whose numbers of slots have the same power of two above them, joined."""
    width = np.diff(contenders.start) // CHUNK
    power = np.ceil(np.log2(np.maximum(width, 1))).astype(np.int64)
    for exponent in np.unique(power):
        yield _bucket(contenders, np.flatnonzero(power == exponent), device)


def _bucket(contenders: Contenders, chunks: IntArray, device: torch.device) -> Bucket:
    n_models, n_samples = contenders.n_models, contenders.n_samples
    width = np.diff(contenders.start) // CHUNK
    n_slots = int(width[chunks].max())
    values = np.full((n_models, n_slots, len(chunks), CHUNK), -1, np.float32)
    classes = np.full((n_slots, len(chunks), CHUNK), -1, np.int64)
    flat_row = np.full((n_models, len(chunks), CHUNK), -1, np.int64)
    for i, chunk in enumerate(chunks):
        first, last = contenders.start[chunk], contenders.start[chunk + 1]
        numbers = contenders.values[first * n_models : last * n_models]
        values[:, : width[chunk], i] = numbers.reshape(n_models, -1, CHUNK)
        classes[: width[chunk], i] = contenders.classes[first:last].reshape(-1, CHUNK)
        if contenders.flat_chunk[chunk] >= 0:
            flat_row[:, i] = contenders.flat_row[contenders.flat_chunk[chunk]]
    place = (chunks[:, None] * CHUNK + np.arange(CHUNK)).ravel()
    valid = place < n_samples
    values = values.reshape(n_models, n_slots, -1)[:, :, valid]
    classes = classes.reshape(n_slots, -1)[:, valid]
    flat_row = flat_row.reshape(n_models, -1)[:, valid]
    return Bucket(
        values=torch.as_tensor(values, device=device),
        classes=torch.as_tensor(
            np.where(classes < 0, contenders.n_classes, classes), device=device
        ),
        place=torch.as_tensor(place[valid], device=device),
        flat_row=torch.as_tensor(flat_row, device=device) if (flat_row >= 0).any() else None,
    )
