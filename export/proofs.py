"""Proofs: members against the models that they were made of, decisions against expectations."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..arrays import FloatArray, IntArray
from ..cascade import Cascade, StageOutputs
from ..data.dataset import Dataset
from ..entries import INPUT, Flip, Proof
from ..errors import DataError, ExportError
from ..manifest import Manifest
from ..reference import Reference
from ..runtime.executor import Prediction
from ..runtime.session import Session, SessionInfo, random_batch
from ..sample_identity import input_digests

if TYPE_CHECKING:
    pass

# Samples at once: with hundreds, activations of real networks take gigabytes, and longer.
BATCH = 32
PROOF_SAMPLES = 256
RANDOM_SAMPLES = 64
# Largest difference of a probability, relative to the largest logit (at least 1).
TOLERANCE = 5e-5
# A decision may flip where float32 rounds: this close to the threshold, and no further.
MARGIN = 1e-6
# Both for a model that computes in float16: other batch sizes move its last bits.
HALF_TOLERANCE = 2**-9
SHOWN_FLIPS = 5
ONE_BY_ONE = "its members run one by one"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Evidence:
    """Data and the outputs that the members gave on it when the cascade was chosen.

    Args:
        dataset: the samples.
        label: int64 [n_samples], the labels that the outputs were stored with.
        outputs: `outputs(j, rows)`: expected probabilities of member j, float32 [n, n_classes].
        against: where the outputs come from, for people.
        margin: a flip this close to its threshold is explained by the outputs' precision.

    Raises:
        DataError: the data is not what the outputs belong to.
    """

    dataset: Dataset
    label: IntArray
    outputs: StageOutputs
    against: str
    margin: float = MARGIN

    def __post_init__(self) -> None:
        if not np.array_equal(self.dataset.label, self.label):
            raise DataError(
                f"not the data that {self.against} belongs to: expected {len(self.label)} samples "
                f"with its labels, got {self.dataset.n_samples} with others",
                where=self.dataset.name,
            )


def storage_margin(dtype: str, kind: str) -> float:
    """How far rounding to the type that outputs were stored in can move a confidence.

    float16 keeps a probability to 2**-12 and a logit below 32 to 2**-7; a confidence moves by at
    most half as much as the logits do.
    """
    if dtype != "float16":
        return MARGIN
    return MARGIN + (2**-12 if kind == "probabilities" else 2**-7)


def proof_rows(n_samples: int) -> IntArray:
    """The samples that numbers are proven on, ascending: a random part, always the same one."""
    rows = np.random.default_rng(0).permutation(n_samples)[:PROOF_SAMPLES]
    return np.sort(rows).astype(np.int64)


def tolerance_of(precisions: Iterable[str], otherwise: float) -> float:
    """How far members that compute in these precisions may move, `otherwise` where in float32."""
    return HALF_TOLERANCE if "float16" in precisions else otherwise


def margin_of(manifest: Manifest, otherwise: float, device: str) -> float:
    """How close to its threshold a decision of a cascade may flip: as far as its members move.

    Stored outputs come from a CPU; elsewhere float32 sums are rounded in another order, and a
    confidence may move as far as a member's probabilities may.
    """
    precisions = [member.precision for member in manifest.members]
    where = MARGIN if device == "cpu" else TOLERANCE
    return max(otherwise, tolerance_of(precisions, where))


def prove_decisions(
    prediction: Prediction,
    cascade: Cascade,
    rows: IntArray,
    reference: Reference,
    *,
    subject: str,
    against: str,
    margin: float = MARGIN,
) -> Proof:
    """Compares labels and stages with the expected ones, sample by sample.

    Args:
        prediction: what was decided on a data set.
        cascade: what decided.
        rows: int64 [n], the samples of the data set to compare.
        reference: the expected decisions on those [n].
        subject: "executor" or "graph".
        against: what was expected, for people.
        margin: a flip this close to its threshold is explained by rounding.
    """
    flips = reference.flips(cascade, prediction.label[rows], prediction.stage[rows])
    return Proof(
        subject=subject,
        against=against,
        n_samples=len(rows),
        margin=margin,
        flips=tuple(replace(flip, sample=int(rows[flip.sample])) for flip in flips),
    )


def require(proof: Proof) -> Proof:
    """The proof, if every flip in it is explained.

    Raises:
        ExportError: names the first flips that are not.
    """
    if proof.unexplained:
        shown = ", ".join(_flip_text(flip) for flip in proof.unexplained[:SHOWN_FLIPS])
        raise ExportError(
            f"the {proof.subject} decides otherwise than {proof.against} on "
            f"{len(proof.unexplained)} of {proof.n_samples} samples, further from the threshold "
            f"than {proof.margin:g}: {shown}"
        )
    return proof


def dataset_digests(dataset: Dataset) -> NDArray[np.uint64]:
    """The digest of every sample of a data set, uint64 [n_samples]."""
    return np.concatenate(
        [input_digests(dataset.samples(rows)) for rows in _batches(dataset.n_samples)]
    )


def dense_outputs(sessions: Sequence[Session], dataset: Dataset) -> StageOutputs:
    """What each member answers to any rows of a data set, run for itself."""

    def outputs(j: int, rows: IntArray) -> FloatArray:
        if not len(rows):
            return np.empty((0, sessions[j].info.n_classes), np.float32)
        view = dataset.view(sessions[j].info.reads)
        pieces = [rows[i : i + BATCH] for i in range(0, len(rows), BATCH)]
        return np.concatenate([sessions[j].run(view.samples(piece)) for piece in pieces])

    return outputs


def random_evidence(sessions: Sequence[Session]) -> Evidence:
    """Random input, and what the members answer to it one by one."""
    infos = {session.info.reads: session.info for session in reversed(sessions)}
    views = {name: _random_view(info) for name, info in infos.items()}
    dataset = replace(views.pop(INPUT), further=views)
    return Evidence(
        dataset=dataset,
        label=dataset.label,
        outputs=dense_outputs(sessions, dataset),
        against=f"{ONE_BY_ONE} on random input",
    )


def _random_view(info: SessionInfo) -> Dataset:
    x = random_batch(info, RANDOM_SAMPLES, rng=np.random.default_rng(0))
    return Dataset(
        name="random",
        label=np.zeros(len(x), np.int64),
        sample_shape=info.input_shape,
        dtype=info.input_dtype,
        read=lambda rows: x[rows],
    )


def _batches(n_samples: int) -> Iterator[IntArray]:
    for start in range(0, n_samples, BATCH):
        yield np.arange(start, min(start + BATCH, n_samples), dtype=np.int64)


def _flip_text(flip: Flip) -> str:
    return (
        f"sample {flip.sample}: stage {flip.stage} for {flip.expected_stage}, "
        f"label {flip.label} for {flip.expected_label}, {flip.margin:.3g} away"
    )
