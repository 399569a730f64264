import numpy as np
import pytest

from encas.cascade import Cascade, decide
from encas.errors import ManifestError
from encas.reference import CHUNK, Reference
from encas.sample_identity import input_digests

CASCADE = Cascade(members=("cheap", "middle", "dear"), thresholds=(0.6, 0.65))


@pytest.fixture
def reference(tiny_pool):
    digest = np.arange(8, dtype=np.uint64) * 7 + 3
    return Reference.of(CASCADE, tiny_pool.probabilities, digest)


def test_reference_of_outputs_is_what_decide_says(tiny_pool, reference):
    decision = decide(CASCADE, tiny_pool.probabilities, n_samples=8)
    assert np.array_equal(reference.label, decision.label)
    assert np.array_equal(reference.stage, decision.stage)
    assert reference.flips(CASCADE, decision.label, decision.stage) == ()


def test_reference_of_more_samples_than_a_chunk_is_the_same_as_at_once(rng):
    n = CHUNK + 5
    outputs = rng.dirichlet([1, 1, 1], (3, n)).astype(np.float32)
    reference = Reference.of(CASCADE, lambda j, rows: outputs[j][rows], np.arange(n, dtype="u8"))
    decision = decide(CASCADE, lambda j, rows: outputs[j][rows], n_samples=n)
    assert np.array_equal(reference.label, decision.label)
    assert np.array_equal(reference.stage, decision.stage)
    means = np.cumsum(outputs, axis=0) / np.array([1, 2, 3], np.float32)[:, None, None]
    assert np.array_equal(reference.confidence, means.max(axis=2).T)


def test_flips_have_the_distance_from_the_threshold_where_they_part(reference):
    stage = reference.stage.copy()
    label = reference.label.copy()
    early, late = np.flatnonzero(stage == 1)[0], np.flatnonzero(stage == 3)[0]
    stage[early], stage[late] = 2, 1
    first, second = reference.flips(CASCADE, label, stage)
    assert (first.sample, first.stage, first.expected_stage) == (early, 2, 1)
    assert first.margin == pytest.approx(abs(reference.confidence[early, 0] - 0.6))
    assert (second.sample, second.stage, second.expected_stage) == (late, 1, 3)
    assert second.margin == pytest.approx(abs(reference.confidence[late, 0] - 0.6))


def test_flips_of_the_label_alone_have_the_distance_of_the_two_largest(reference):
    label = (reference.label + 1) % 3
    flips = reference.flips(CASCADE, label, reference.stage)
    assert len(flips) == 8
    assert [flip.margin for flip in flips] == pytest.approx(reference.gap.tolist())


def test_flips_of_a_confidence_that_is_no_number_are_never_explained(tiny_pool):
    broken = tiny_pool.probabilities(0).copy()
    broken[2] = np.nan
    outputs = [broken, tiny_pool.probabilities(1), tiny_pool.probabilities(2)]
    reference = Reference.of(CASCADE, lambda j, rows: outputs[j][rows], np.arange(8, dtype="u8"))
    stage = reference.stage.copy()
    stage[2] = 1
    (flip,) = reference.flips(CASCADE, reference.label, stage)
    assert flip.margin == 1.0


def test_reference_saved_and_loaded_is_the_same(tmp_path, reference):
    path = tmp_path / "reference.npy"
    reference.save(path)
    loaded = Reference.load(path, n_stages=3, n_classes=3)
    for name in ("digest", "label", "stage", "confidence", "gap"):
        assert np.array_equal(getattr(loaded, name), getattr(reference, name))


def test_find_gives_the_row_of_each_known_sample(reference):
    digest = np.array([reference.digest[5], 1, reference.digest[0], reference.digest[5]], "u8")
    assert reference.find(digest).tolist() == [5, -1, 0, 5]


def test_digests_are_of_the_samples_bytes():
    x = np.arange(24, dtype=np.float32).reshape(4, 2, 3)
    digests = input_digests(x)
    assert digests.dtype == np.uint64
    assert len(set(digests.tolist())) == 4
    assert np.array_equal(input_digests(x[[2, 0]]), digests[[2, 0]])
    assert np.array_equal(input_digests(np.asfortranarray(x)), digests)
    assert len(input_digests(x[:0])) == 0


def test_reference_file_that_is_foreign_is_refused(tmp_path, reference):
    path = tmp_path / "reference.npy"
    reference.save(path)
    with pytest.raises(ManifestError, match="expected records"):
        Reference.load(path, n_stages=2, n_classes=3)
    with pytest.raises(ManifestError, match="stages or labels that there are none of"):
        Reference.load(path, n_stages=3, n_classes=2)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(ManifestError, match=r"not a \.npy file of plain records"):
        Reference.load(path, n_stages=3, n_classes=3)
    np.save(path, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(ManifestError, match=r"not a \.npy file of plain records"):
        Reference.load(path, n_stages=3, n_classes=3)
