from dataclasses import replace

import numpy as np
import pytest

from encas.errors import ExportError
from encas.export.member_proofs import BATCH_SIZES, in_mixed_batches, prove_member
from encas.export.onnx_export import ExportedModel, export_member
from encas.runtime.ort_session import OrtSession
from encas.runtime.session import FakeSession


def exported_like(raw, *, kind="logits", temperature=1.0, frozen_batch=None) -> ExportedModel:
    return ExportedModel(
        model=None, exporter="onnx", input_dtype="int64", n_classes=raw.shape[1],
        raw=lambda rows: raw[rows], kind=kind, temperature=temperature, frozen_batch=frozen_batch,
    )  # fmt: skip


def probabilities_of(logits: np.ndarray) -> np.ndarray:
    exponentials = np.exp(logits.astype(np.float64))
    return (exponentials / exponentials.sum(axis=1, keepdims=True)).astype(np.float32)


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
