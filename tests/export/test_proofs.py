from dataclasses import replace

import numpy as np
import pytest

from encas.data.dataset import Dataset
from encas.entries import Flip, Proof
from encas.errors import DataError, ExportError
from encas.export.onnx_export import ExportedModel, export_member
from encas.export.proofs import (
    BATCH_SIZES,
    MARGIN,
    Evidence,
    dataset_digests,
    dense_outputs,
    in_mixed_batches,
    prove_decisions,
    prove_member,
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


def exported_like(raw, *, kind="logits", temperature=1.0, frozen_batch=None) -> ExportedModel:
    return ExportedModel(
        model=None, exporter="onnx", input_dtype="int64", n_classes=raw.shape[1],
        raw=lambda rows: raw[rows], kind=kind, temperature=temperature, frozen_batch=frozen_batch,
    )  # fmt: skip


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


@pytest.mark.torch
def test_proven_member_is_as_good_as_its_model(members, digits):
    exported = export_member(members[2].source, input_shape=(1, 8, 8), exporter="legacy")
    session = OrtSession(
        exported.model.SerializeToString(), name="conv", input_shape=(1, 8, 8), n_classes=10
    )
    samples = digits.samples(np.arange(50))
    proof = prove_member(exported, session, samples, stored=session.run(samples))
    assert (proof.name, proof.n_samples, proof.n_top1_flips) == ("conv", 50, 0)
    assert 0 <= proof.max_difference < 1e-5
    assert proof.batch_sizes == (1, 3, 8)
    assert proof.on_data


def test_prove_member_runs_batches_of_1_3_and_8(logits):
    session = FakeSession(probabilities_of(logits))
    proof = prove_member(exported_like(logits), session, np.arange(40))
    assert proof.max_difference < 1e-6
    assert set(BATCH_SIZES) <= set(session.calls)
    assert sum(session.calls) == 40
    assert not proof.on_data


@pytest.mark.parametrize("change", ["shuffled", "broken", "shifted"])
def test_prove_member_that_differs_is_refused(logits, change):
    wrong = probabilities_of(logits)
    if change == "shuffled":
        wrong = wrong[:, ::-1]
    elif change == "broken":
        wrong[17] = np.nan
    else:
        wrong = probabilities_of(logits * np.float32(1.01))
    with pytest.raises(ExportError, match=r"member: the exported member's probabilities differ by"):
        prove_member(exported_like(logits), FakeSession(wrong), np.arange(40))


def test_prove_member_of_a_frozen_file_says_so(logits):
    exported = exported_like(logits, frozen_batch=4)
    with pytest.raises(ExportError, match="batch is frozen at 4, re-export it without"):
        prove_member(exported, FakeSession(np.full((40, 5), 0.2, np.float32)), np.arange(40))


def test_prove_member_knows_the_temperature(logits):
    warm = FakeSession(probabilities_of(logits / 2))
    prove_member(exported_like(logits, temperature=2.0), warm, np.arange(40))
    probabilities = probabilities_of(logits)
    of_probabilities = exported_like(probabilities, kind="probabilities", temperature=2.0)
    prove_member(of_probabilities, warm, np.arange(40))
    plain = exported_like(probabilities, kind="probabilities")
    prove_member(plain, FakeSession(probabilities), np.arange(40))


def test_prove_member_that_is_not_what_was_stored_is_refused(logits):
    right = probabilities_of(logits)
    session, exported = FakeSession(right), exported_like(logits)
    prove_member(exported, session, np.arange(40), stored=right + np.float32(0.01))
    twice = probabilities_of(right)
    with pytest.raises(ExportError, match=r"is not as sure: .* outputs for logits: build"):
        prove_member(exported, session, np.arange(40), stored=twice)


def test_prove_member_in_float16_may_move_as_far_as_that_rounds(logits):
    moved = probabilities_of(logits) + np.float32(0.001)
    half = replace(exported_like(logits), precision="float16")
    assert prove_member(half, FakeSession(moved), np.arange(40)).tolerance > 0.001
    with pytest.raises(ExportError, match="differ by 0.001"):
        prove_member(exported_like(logits), FakeSession(moved), np.arange(40))


def test_in_mixed_batches_is_every_sample_once(logits):
    session = FakeSession(logits)
    assert np.array_equal(in_mixed_batches(session, np.arange(40)), logits)
    assert session.calls == [1, 3, 8, 1, 3, 8, 1, 3, 8, 1, 3]


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
