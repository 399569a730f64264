"""The decisions that a bundle must make on known samples: `Reference`.

A bundle carries the decisions that the search believed in, with a digest of each sample, so that
whoever has the data can hold the bundle against them without the pool or the models.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from .arrays import FloatArray, IntArray, frozen
from .cascade import Cascade, StageOutputs, combined, confidence_of, decide
from .entries import Flip
from .errors import ManifestError
from .sample_identity import DigestArray

CHUNK = 1024


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reference:
    """Expected decisions of a cascade with k members on n samples.

    Args:
        digest: uint64 [n], of the samples as the runtime takes them (`input_digests`).
        label: int64 [n], the expected answers.
        stage: int64 [n], the expected exit stages, from 1.
        confidence: float32 [n, k], after each stage, as if every sample ran every member.
        gap: float32 [n], distance of the two largest probabilities of the expected answer.
    """

    digest: DigestArray
    label: IntArray
    stage: IntArray
    confidence: FloatArray
    gap: FloatArray

    def __len__(self) -> int:
        return len(self.label)

    @classmethod
    def of(cls, cascade: Cascade, outputs: StageOutputs, digest: DigestArray) -> Reference:
        """The decisions of `cascade` on stored or densely computed outputs.

        Args:
            cascade: the cascade.
            outputs: `outputs(j, rows)`: probabilities of member j, float32 [len(rows), n_classes].
            digest: uint64 [n], of the samples.
        """
        pieces = [_decided(cascade, outputs, rows) for rows in _chunks(len(digest))]
        label, stage, confidence, gap = (
            np.concatenate(piece) for piece in zip(*pieces, strict=True)
        )
        return cls(digest=digest, label=label, stage=stage, confidence=confidence, gap=gap)

    def take(self, rows: IntArray) -> Reference:
        """The decisions on `rows` alone."""
        return replace(
            self,
            digest=self.digest[rows],
            label=self.label[rows],
            stage=self.stage[rows],
            confidence=self.confidence[rows],
            gap=self.gap[rows],
        )

    def find(self, digest: DigestArray) -> IntArray:
        """The row of each digest [n], -1 where the sample is not known; int64 [n]."""
        order = np.argsort(self.digest, kind="stable")
        places = np.searchsorted(self.digest, digest, sorter=order).clip(max=len(self) - 1)
        rows = order[places]
        return np.where(self.digest[rows] == digest, rows, -1)

    def flips(self, cascade: Cascade, label: IntArray, stage: IntArray) -> tuple[Flip, ...]:
        """Every sample whose decided `label` [n] or `stage` [n] is another than expected."""
        is_flip = (label != self.label) | (stage != self.stage)
        return tuple(
            self._flip(cascade, int(i), int(label[i]), int(stage[i]))
            for i in np.flatnonzero(is_flip)
        )

    def save(self, path: Path) -> None:
        """Writes a .npy file of records."""
        records = np.empty(len(self), _dtype(self.confidence.shape[1]))
        for name in ("digest", "label", "stage", "confidence", "gap"):
            records[name] = getattr(self, name)
        np.save(path, records, allow_pickle=False)

    @classmethod
    def load(cls, path: Path, *, n_stages: int, n_classes: int) -> Reference:
        """Reads the records of a cascade with `n_stages` members and `n_classes` classes.

        Raises:
            ManifestError: the file is foreign, truncated or holds impossible decisions.
        """
        try:
            records: Any = np.load(path, mmap_mode="r", allow_pickle=False)
        except (ValueError, OSError, EOFError) as cause:
            raise ManifestError(
                f"not a .npy file of plain records: {cause}", where=str(path)
            ) from cause
        wanted = _dtype(n_stages)
        if not isinstance(records, np.ndarray) or records.ndim != 1 or records.dtype != wanted:
            raise ManifestError(f"expected records {wanted}", where=str(path))
        stage, label = records["stage"], records["label"]
        if ((stage < 1) | (stage > n_stages) | (label < 0) | (label >= n_classes)).any():
            raise ManifestError(
                "it expects stages or labels that there are none of", where=str(path)
            )
        return cls(**{name: frozen(np.array(records[name])) for name in wanted.names or ()})

    def _flip(self, cascade: Cascade, i: int, label: int, stage: int) -> Flip:
        expected_stage = int(self.stage[i])
        parting = min(stage, expected_stage) - 1
        margin = self.gap[i]
        if stage != expected_stage:
            margin = abs(self.confidence[i, parting] - np.float32(cascade.thresholds[parting]))
        return Flip(
            sample=i,
            stage=stage,
            expected_stage=expected_stage,
            label=label,
            expected_label=int(self.label[i]),
            margin=float(np.nan_to_num(margin, nan=1.0)),
        )


def _decided(
    cascade: Cascade, outputs: StageOutputs, rows: IntArray
) -> tuple[IntArray, IntArray, FloatArray, FloatArray]:
    every = [np.asarray(outputs(j, rows), np.float32) for j in range(cascade.n_stages)]
    decision = decide(cascade, lambda j, local: every[j][local], n_samples=len(rows))
    confidence = np.empty((len(rows), cascade.n_stages), np.float32)
    total = np.zeros_like(every[0])
    for j, newest in enumerate(every):
        total = total + newest
        answers = combined(total, newest, n_members=j + 1, combine=cascade.combine)
        confidence[:, j] = confidence_of(answers, cascade.confidence)
    gap = confidence_of(decision.probabilities, "margin")
    return decision.label, decision.stage, confidence, gap


def _chunks(n_samples: int) -> Iterator[IntArray]:
    for start in range(0, max(n_samples, 1), CHUNK):
        yield np.arange(start, min(start + CHUNK, n_samples), dtype=np.int64)


def _dtype(n_stages: int) -> np.dtype[Any]:
    return np.dtype(
        [
            ("digest", "<u8"),
            ("label", "<i8"),
            ("stage", "<i8"),
            ("confidence", "<f4", (n_stages,)),
            ("gap", "<f4"),
        ]
    )
