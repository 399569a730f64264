"""Proofs of members: against the models that they were made of, and what the search believed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..arrays import DoubleArray, FloatArray
from ..entries import MemberProof
from ..errors import ExportError
from ..runtime.session import Session, random_batch
from .proofs import BATCH, RANDOM_SAMPLES, TOLERANCE, Evidence, proof_rows, tolerance_of

if TYPE_CHECKING:
    from .onnx_export import ExportedModel

# Sizes that exporters get wrong: one, odd, and a power of two.
BATCH_SIZES = (1, 3, 8)
# Mean of the largest difference of a sample's probabilities from the stored ones.
STORED_TOLERANCE = 0.05
SAME_ANSWERS = 0.95


def proof_of(
    exported: ExportedModel, session: Session, evidence: Evidence | None, j: int
) -> MemberProof:
    """Holds member j against its original, and against what the search believed of it.

    Args:
        exported: the member and the original.
        session: runs the member.
        evidence: what the search believed; None: numbers are compared on random input.
        j: the member's place in the evidence, from 0.

    Raises:
        ExportError: see `prove_member`.
    """
    if evidence is None:
        x = random_batch(session.info, RANDOM_SAMPLES, rng=np.random.default_rng(0))
        return prove_member(exported, session, x)
    rows = proof_rows(evidence.dataset.n_samples)
    samples = evidence.dataset.view(session.info.reads).samples(rows)
    return prove_member(exported, session, samples, stored=evidence.outputs(j, rows))


def prove_member(
    exported: ExportedModel,
    session: Session,
    samples: NDArray[Any],
    *,
    stored: FloatArray | None = None,
) -> MemberProof:
    """Holds a member against the model that it was made of, at batch 1, 3 and 8.

    Args:
        exported: the member and the original.
        session: runs the member.
        samples: [n, *input_shape].
        stored: the probabilities [n, n_classes] that the search believed in, where the samples
            are data; None: they are random.

    Raises:
        ExportError: the probabilities differ by more than rounding explains, or are not those
            that were stored.
    """
    raw = np.concatenate(
        [exported.raw(samples[i : i + BATCH]) for i in range(0, len(samples), BATCH)]
    )
    expected = _probabilities(raw, exported)
    actual = in_mixed_batches(session, samples)
    scale = max(1.0, float(abs(raw).max())) if exported.kind == "logits" else 1.0
    difference = float(abs(actual - expected).max())
    n_flips = int((actual.argmax(axis=1) != expected.argmax(axis=1)).sum())
    proof = MemberProof(
        name=session.info.name,
        max_difference=difference if np.isfinite(difference) else 1.0,
        tolerance=tolerance_of([exported.precision], TOLERANCE) * scale,
        n_samples=len(samples),
        n_top1_flips=n_flips,
        batch_sizes=BATCH_SIZES,
        on_data=stored is not None,
    )
    if not difference <= proof.tolerance:
        raise ExportError(_difference_text(proof, exported), where=proof.name)
    if stored is not None:
        _require_stored(actual, stored, exported.kind, proof.name)
    return proof


def _require_stored(actual: FloatArray, stored: FloatArray, kind: str, name: str) -> None:
    """Another kind leaves the answers as they are and moves how sure they are, far.

    Another precision moves a probability by a hundredth; other answers fail with the decisions.
    """
    moved = float(np.abs(actual - stored).max(axis=1).mean())
    is_same = float((actual.argmax(axis=1) == stored.argmax(axis=1)).mean()) > SAME_ANSWERS
    if is_same and moved > STORED_TOLERANCE:
        raise ExportError(
            f"it answers as the pool says, but is not as sure: its largest probability is "
            f"{actual.max(axis=1).mean():.3f} on average, in the pool "
            f"{stored.max(axis=1).mean():.3f}; the export takes its outputs for {kind}: build the "
            "pool anew, or say ?kind=probabilities or ?kind=logits in the SPEC",
            where=name,
        )


def _probabilities(raw: FloatArray, exported: ExportedModel) -> DoubleArray:
    values = raw.astype(np.float64)
    if exported.kind == "probabilities" and exported.temperature == 1:
        return values
    tiny = np.finfo(np.float32).tiny
    logits = values if exported.kind == "logits" else np.log(np.maximum(values, tiny))
    scaled = logits / exported.temperature
    exponentials = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


def in_mixed_batches(session: Session, samples: NDArray[Any]) -> FloatArray:
    """What a session answers to samples [n, ...] in batches of 1, 3, 8, 1, ..."""
    return np.concatenate([session.run(samples[rows]) for rows in _mixed_batches(len(samples))])


def _mixed_batches(n_samples: int) -> Iterator[slice]:
    start = index = 0
    while start < n_samples:
        stop = min(start + BATCH_SIZES[index % len(BATCH_SIZES)], n_samples)
        yield slice(start, stop)
        start, index = stop, index + 1


def _difference_text(proof: MemberProof, exported: ExportedModel) -> str:
    frozen = exported.frozen_batch
    reason = f"; the file's batch is frozen at {frozen}, re-export it without" if frozen else ""
    return (
        f"the exported member's probabilities differ by {proof.max_difference:.3g} from the "
        f"original's, more than {proof.tolerance:.3g}, at batch sizes {BATCH_SIZES} on "
        f"{proof.n_samples} samples; {proof.n_top1_flips} have another answer{reason}"
    )
