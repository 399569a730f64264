from dataclasses import FrozenInstanceError

import pytest

from encas.entries import INPUT, Flip, MemberEntry, Proof


def flip(margin: float, *, stage: int = 1, label: int = 0) -> Flip:
    return Flip(
        sample=0, stage=stage, expected_stage=1, label=label, expected_label=0, margin=margin
    )


def proof(*flips: Flip) -> Proof:
    return Proof(subject="graph", against="outputs", n_samples=9, margin=0.25, flips=flips)


def test_proof_explains_margins_up_to_its_own():
    small, limit, large = flip(0.0), flip(0.25), flip(0.2500001)
    assert proof(small, limit, large).unexplained == [large]


def test_proof_explains_no_margin_that_is_not_a_number():
    assert len(proof(flip(float("nan"))).unexplained) == 1


def test_proof_counts_labels_and_stages_apart():
    flips = (
        flip(0.1, stage=2),
        flip(0.1, label=2),
        flip(0.1, stage=2, label=1),
        flip(0.1, stage=3),
    )
    assert (proof(*flips).n_label_flips, proof(*flips).n_stage_flips) == (2, 3)


def test_proof_without_flips_has_nothing_unexplained():
    assert (proof().unexplained, proof().n_label_flips, proof().n_stage_flips) == ([], 0, 0)


def test_member_of_one_input_reads_the_first():
    entry = MemberEntry(name="a", file="a.onnx", sha256="0" * 64, bytes=1)
    assert (entry.input, entry.reads) == (INPUT, INPUT)
    assert (entry.temperature, entry.macs, entry.external) == (1.0, None, ())


def test_entries_are_frozen():
    with pytest.raises(FrozenInstanceError):
        flip(0.1).margin = 0.2  # type: ignore[misc]
