"""Holds a bundle against itself and against data: `verify` gives a `Verdict`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..arrays import FloatArray, IntArray
from ..bundle_files import verified_path
from ..cascade import reach_of
from ..data.dataset import Dataset
from ..entries import MemberProof, Proof
from ..errors import ExportError
from ..manifest import Manifest
from ..probability_rows import SUM_TOLERANCE
from ..progress import OnProgress, counted, unheard
from ..reference import Reference
from ..runtime.executor import Predictor, Runner
from ..runtime.loading import open_graph, open_members
from ..runtime.placement import DEFAULT_PLACEMENT, Placement
from ..runtime.predicting import predict
from ..runtime.session import Session
from .member_proofs import BATCH_SIZES, in_mixed_batches
from .proofs import (
    MARGIN,
    ONE_BY_ONE,
    TOLERANCE,
    Evidence,
    dataset_digests,
    dense_outputs,
    margin_of,
    proof_rows,
    prove_decisions,
    require,
    tolerance_of,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What was found of a bundle on data.

    Args:
        n_samples: samples of the data.
        n_known: samples whose decisions the bundle was proven on, or that a pool knows.
        n_correct: right answers of the executor.
        reach: share of samples that ran each member.
        numerics: each member at batch 1, 3 and 8 against itself in large batches.
        proofs: executor and graph against the known decisions, and against the members run one
            by one where the sample is not known.
        n_available: samples that these were drawn from.
        device: where the bundle ran.
    """

    n_samples: int
    n_known: int
    n_correct: int
    reach: tuple[float, ...]
    numerics: tuple[MemberProof, ...]
    proofs: tuple[Proof, ...]
    n_available: int
    device: str

    @property
    def accuracy(self) -> float:
        """The share of right answers."""
        return self.n_correct / self.n_samples

    def require(self) -> None:
        """Does nothing if everything holds.

        Raises:
            ExportError: a member depends on the size of the batch, or a flip is not explained.
        """
        faults = [
            f"{item.name}: probabilities depend on the size of the batch by "
            f"{item.max_difference:.3g}"
            for item in self.numerics
            if not item.max_difference <= item.tolerance
        ]
        for proof in self.proofs:
            try:
                require(proof)
            except ExportError as cause:
                faults += cause.faults
        if faults:
            raise ExportError(*faults, where="verification")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Expectation:
    rows: IntArray
    reference: Reference
    against: str
    margin: float


def verify(
    bundle: Path,
    dataset: Dataset,
    *,
    evidence: Evidence | None = None,
    placement: Placement = DEFAULT_PLACEMENT,
    on_progress: OnProgress = unheard,
) -> Verdict:
    """Checks hashes, numerics and decisions of a bundle on data.

    Decisions are compared, sample by sample, with those that the bundle was proven on where it
    knows the sample, and with its members run one by one where it does not.

    Args:
        bundle: the folder.
        dataset: samples as the bundle takes them, with labels.
        evidence: stored outputs of the members on that data, to compare with instead.
        placement: where the bundle runs.
        on_progress: hears of the members, and how many samples are predicted.

    Raises:
        ManifestError: the bundle has faults, or a file is not the one hashed.
        SessionError: a model cannot be loaded, or cannot take the data.
        ExportError: a member gives no probabilities.
    """
    manifest = Manifest.load(bundle)
    for entry in manifest.files:
        verified_path(bundle, entry)
    sessions = open_members(bundle, manifest, placement)
    pairs = list(zip(sessions, manifest.members, strict=True))
    held = counted(pairs, what="proving members", unit="members", on_progress=on_progress)
    numerics = tuple(_self_consistency(one, dataset, member.precision) for one, member in held)
    expectations = list(_expectations(bundle, manifest, sessions, dataset, evidence))
    runner = Runner(manifest.cascade, sessions)
    predictors: dict[str, Predictor] = {"executor": runner}
    if manifest.graph:
        predictors["graph"] = open_graph(bundle, manifest, placement, is_warmed=False)
    predictions = {
        subject: predict(one, dataset, what=f"proving the {subject}", on_progress=on_progress)
        for subject, one in predictors.items()
    }
    proofs = tuple(
        prove_decisions(
            prediction,
            manifest.cascade,
            expected.rows,
            expected.reference,
            subject=subject,
            against=expected.against,
            margin=margin_of(manifest, expected.margin, placement.device),
        )
        for subject, prediction in predictions.items()
        for expected in expectations
    )
    decided = predictions["executor"]
    return Verdict(
        n_samples=dataset.n_samples,
        n_known=sum(len(e.rows) for e in expectations if e.against != ONE_BY_ONE),
        n_correct=int((decided.label == dataset.label).sum()),
        reach=tuple(reach_of(decided.stage, n_stages=manifest.cascade.n_stages).tolist()),
        numerics=numerics,
        proofs=proofs,
        n_available=dataset.n_samples,
        device=placement.device,
    )


def _expectations(
    bundle: Path,
    manifest: Manifest,
    sessions: Sequence[Session],
    dataset: Dataset,
    evidence: Evidence | None,
) -> Iterator[_Expectation]:
    digest = dataset_digests(dataset)
    every = np.arange(dataset.n_samples, dtype=np.int64)
    if evidence is not None:
        reference = Reference.of(manifest.cascade, evidence.outputs, digest)
        yield _Expectation(
            rows=every, reference=reference, against=evidence.against, margin=evidence.margin
        )
        return
    found = np.full(dataset.n_samples, -1, np.int64)
    if manifest.reference is not None:
        path = verified_path(bundle, manifest.reference)
        stored = Reference.load(
            path, n_stages=manifest.cascade.n_stages, n_classes=manifest.n_classes
        )
        found = stored.find(digest)
        known = np.flatnonzero(found >= 0)
        margin = max((proof.margin for proof in manifest.proof), default=MARGIN)
        if len(known):
            yield _Expectation(
                rows=known,
                reference=stored.take(found[known]),
                against="the decisions that it was proven on",
                margin=margin,
            )
    unknown = np.flatnonzero(found < 0)
    if len(unknown):
        part = dataset.take(unknown)
        outputs = dense_outputs(sessions, part)
        reference = Reference.of(manifest.cascade, outputs, digest[unknown])
        yield _Expectation(rows=unknown, reference=reference, against=ONE_BY_ONE, margin=MARGIN)


def _self_consistency(session: Session, dataset: Dataset, precision: str) -> MemberProof:
    rows = proof_rows(dataset.n_samples)
    samples = dataset.view(session.info.reads).samples(rows)
    expected = _checked(session.run(samples), session)
    actual = in_mixed_batches(session, samples)
    difference = float(abs(actual - expected).max())
    return MemberProof(
        name=session.info.name,
        max_difference=difference if np.isfinite(difference) else 1.0,
        tolerance=tolerance_of([precision], TOLERANCE),
        n_samples=len(rows),
        n_top1_flips=int((actual.argmax(axis=1) != expected.argmax(axis=1)).sum()),
        batch_sizes=BATCH_SIZES,
        on_data=True,
    )


def _checked(probabilities: FloatArray, session: Session) -> FloatArray:
    sums = probabilities.sum(axis=1, dtype=np.float64)
    if not (abs(sums - 1) < SUM_TOLERANCE).all():
        worst = float(sums[np.argmax(np.nan_to_num(abs(sums - 1), nan=np.inf))])
        raise ExportError(
            f"expected rows of probabilities that sum to 1, got a sum of {worst:g}",
            where=session.info.name,
        )
    return probabilities
