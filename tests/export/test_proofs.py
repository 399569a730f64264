from dataclasses import replace

import numpy as np
import pytest

from encas.data.dataset import Dataset
from encas.entries import Flip, Proof
from encas.errors import DataError, ExportError
from encas.export.onnx_export import export_member
from encas.export.proofs import (
    MARGIN,
    Evidence,
    dataset_digests,
    dense_outputs,
    prove_decisions,
    random_evidence,
    require,
    storage_margin,
)
from encas.reference import Reference
from encas.runtime.executor import Runner
from encas.runtime.ort_session import OrtSession
from encas.runtime.predicting import predict
from encas.runtime.session import FakeSession
from encas.sample_identity import input_digests


def probabilities_of(logits: np.ndarray) -> np.ndarray:
    exponentials = np.exp(logits.astype(np.float64))
    return (exponentials / exponentials.sum(axis=1, keepdims=True)).astype(np.float32)


def numbered(n: int) -> Dataset:
    return Dataset(
        name="numbers", label=np.zeros(n, np.int64), sample_shape=(), dtype="int64",
        read=lambda rows: rows,
    )  # fmt: skip


@pytest.fixture
def logits(rng) -> np.ndarray:
    return rng.normal(0, 3, (40, 5)).astype(np.float32)


def test_proven_decisions_have_no_flips(cascade, stored, evidence, digits):
    sessions = [FakeSession(output) for output in stored]
    prediction = predict(Runner(cascade, sessions), numbered(digits.n_samples))
    rows = np.arange(digits.n_samples)
    reference = Reference.of(cascade, evidence.outputs, np.zeros(len(rows), np.uint64))
    proof = prove_decisions(
        prediction, cascade, rows, reference, subject="executor", against="stored"
    )
    assert (proof.flips, proof.n_samples, proof.margin) == ((), digits.n_samples, MARGIN)
    assert require(proof) is proof


def test_decisions_that_differ_are_flips_of_the_data_sets_own_rows(cascade, stored, evidence):
    other = [stored[0].copy(), *stored[1:]]
    other[0][5] = 0.1
    other[0][200] = 0.1
    prediction = predict(
        Runner(cascade, [FakeSession(output) for output in other]), numbered(len(stored[0]))
    )
    rows = np.array([200, 3, 5])
    reference = Reference.of(cascade, evidence.outputs, np.zeros(len(stored[0]), np.uint64))
    proof = prove_decisions(
        prediction, cascade, rows, reference.take(rows), subject="graph", against="stored"
    )
    flipped = {flip.sample for flip in proof.flips}
    assert flipped <= {200, 5}
    expected = {i for i in (5, 200) if stored[0][i].max() > np.float32(cascade.thresholds[0])}
    assert expected <= flipped


def test_require_of_a_flip_that_is_not_explained_is_refused():
    flips = tuple(
        Flip(sample=i, stage=1, expected_stage=2, label=0, expected_label=0, margin=m)
        for i, m in enumerate((1e-7, 0.25))
    )
    proof = Proof(subject="graph", against="what it should", n_samples=9, margin=1e-6, flips=flips)
    with pytest.raises(
        ExportError,
        match=r"the graph decides otherwise than what it should on 1 of 9 samples.*: sample 1: "
        r"stage 1 for 2, label 0 for 0, 0\.25 away",
    ):
        require(proof)
    assert require(replace(proof, flips=flips[:1])).n_stage_flips == 1


def test_evidence_on_other_data_is_refused(evidence, digits):
    with pytest.raises(DataError, match="not the data that the stored outputs belongs to"):
        replace(evidence, label=(digits.label + 1) % 10)
    with pytest.raises(DataError, match="expected 3 samples"):
        replace(evidence, label=digits.label[:3])


@pytest.mark.parametrize(
    ("dtype", "kind", "margin"),
    [
        ("float32", "logits", MARGIN),
        ("float32", "probabilities", MARGIN),
        ("float16", "probabilities", MARGIN + 2**-12),
        ("float16", "logits", MARGIN + 2**-7),
    ],
)
def test_storage_margin_is_what_the_type_keeps(dtype, kind, margin):
    assert storage_margin(dtype, kind) == margin


def test_storage_margin_covers_what_rounding_does(rng):
    logits = rng.normal(0, 6, (5000, 10)).clip(-30, 30).astype(np.float32)
    exact = probabilities_of(logits).max(axis=1)
    rounded_logits = probabilities_of(logits.astype(np.float16).astype(np.float32)).max(axis=1)
    rounded = probabilities_of(logits).astype(np.float16).astype(np.float32).max(axis=1)
    assert abs(rounded_logits - exact).max() <= storage_margin("float16", "logits")
    assert abs(rounded - exact).max() <= storage_margin("float16", "probabilities")


def test_dense_outputs_run_members_on_any_rows(rng):
    outputs = [rng.random((700, 3), np.float32) for _ in range(2)]
    ask = dense_outputs([FakeSession(output) for output in outputs], numbered(700))
    rows = rng.permutation(700)[:600]
    assert np.array_equal(ask(1, rows), outputs[1][rows])
    assert ask(0, rows[:0]).shape == (0, 3)


def test_dataset_digests_are_those_of_its_samples(digits):
    every = digits.samples(np.arange(digits.n_samples))
    assert np.array_equal(dataset_digests(digits), input_digests(every))


@pytest.mark.torch
def test_random_evidence_is_what_the_members_answer(members):
    exported = export_member(members[0].source, input_shape=(1, 8, 8), exporter="legacy")
    session = OrtSession(
        exported.model.SerializeToString(), name="m", input_shape=(1, 8, 8), n_classes=10
    )
    evidence = random_evidence([session])
    assert isinstance(evidence, Evidence)
    rows = np.array([0, 5])
    assert np.array_equal(evidence.outputs(0, rows), session.run(evidence.dataset.samples(rows)))
    assert "random input" in evidence.against
