"""Data before preprocessing: what opens, how samples are known, stratified parts."""

import hashlib
import zipfile

import numpy as np
import pytest

from encas.data.open_data import open_data
from encas.data.open_source import open_source
from encas.data.preprocessing import Preprocessing
from encas.data.splits import stratified_order, stratified_rows
from encas.errors import DataError

PLAIN = Preprocessing(size=(8, 8))


def test_open_source_folder_reads_what_the_runtime_reads(pictures):
    source = open_source(str(pictures))
    expected = open_data(str(pictures), preprocessing=PLAIN)
    rows = np.array([0, 5, 11])
    assert source.is_image
    assert source.classes == ("ant", "bee", "cat")
    assert source.n_classes == 3
    np.testing.assert_array_equal(source.label, expected.label)
    np.testing.assert_array_equal(source.read(rows, PLAIN), expected.samples(rows))
    np.testing.assert_array_equal(source.dataset(PLAIN).samples(rows), expected.samples(rows))


def test_open_source_zip_knows_samples_by_their_files_bytes(pictures, tmp_path):
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for path in sorted(pictures.rglob("*.png")):
            archive.write(path, path.relative_to(pictures))
    zipped = open_source(str(tmp_path / "all.zip")).sample_hashes()
    np.testing.assert_array_equal(zipped, open_source(str(pictures)).sample_hashes())
    first = (pictures / "ant" / "0.png").read_bytes()
    assert zipped[0].tobytes() == hashlib.sha256(first).digest()


def test_open_source_npz_of_pixels_is_images(tmp_path, rng):
    x = rng.integers(0, 256, (5, 10, 12, 3), dtype=np.uint8)
    np.savez(tmp_path / "a.npz", x=x, label=np.array([0, 1, 2, 1, 0]))
    source = open_source(f"npz:{tmp_path / 'a.npz'}")
    assert source.is_image
    assert source.classes is None
    assert source.n_classes == 3
    expected = open_data(f"npz:{tmp_path / 'a.npz'}", preprocessing=PLAIN)
    np.testing.assert_array_equal(source.read(np.arange(5), PLAIN), expected.samples(np.arange(5)))


def test_open_source_npz_of_floats_is_fed_as_it_is(tmp_path, rng):
    x = rng.random((4, 3, 2, 2)).astype(np.float32)
    np.savez(tmp_path / "a.npz", x=x, label=np.array([0, 1, 0, 1]))
    source = open_source(f"npz:{tmp_path / 'a.npz'}")
    assert not source.is_image
    np.testing.assert_array_equal(source.read(np.array([2, 0]), None), x[[2, 0]])


def test_sample_hashes_tell_samples_and_shapes_apart(tmp_path):
    x = np.zeros((3, 2, 2, 3), np.uint8)
    x[2] = 1
    np.savez(tmp_path / "a.npz", x=x, label=np.array([0, 0, 0]))
    np.savez(tmp_path / "b.npz", x=x.reshape(3, 4, 1, 3), label=np.array([0, 0, 0]))
    first = open_source(f"npz:{tmp_path / 'a.npz'}").sample_hashes()
    other = open_source(f"npz:{tmp_path / 'b.npz'}").sample_hashes()
    assert (first[0] == first[1]).all()
    assert (first[0] != first[2]).any()
    assert (first[0] != other[0]).any()


def test_take_keeps_labels_samples_and_hashes_together(pictures):
    source = open_source(str(pictures))
    rows = np.array([7, 2, 9])
    part = source.take(rows)
    np.testing.assert_array_equal(part.label, source.label[rows])
    np.testing.assert_array_equal(part.sample_hashes(), source.sample_hashes()[rows])
    expected = source.read(rows[[2, 0]], PLAIN)
    np.testing.assert_array_equal(part.read(np.array([2, 0]), PLAIN), expected)


def test_open_source_missing_data_is_refused(tmp_path):
    with pytest.raises(DataError, match="no such data: expected a folder or a .zip of images"):
        open_source(str(tmp_path / "nothing"))


def test_dataset_of_images_without_preprocessing_is_refused(pictures):
    with pytest.raises(DataError, match="images need a preprocessing"):
        open_source(str(pictures)).dataset(None)


def test_data_kinds_serve_the_runtime(tmp_path):
    with pytest.raises(DataError, match="no ImageNet here"):
        open_data(f"imagenet:{tmp_path}", preprocessing=PLAIN)


@pytest.mark.parametrize("n", [10, 33, 100])
def test_stratified_rows_have_the_shares_of_the_classes(n):
    label = np.repeat([0, 1, 2], [50, 30, 20])
    rows = stratified_rows(label, n, seed=3)
    assert len(set(rows)) == n
    assert (np.diff(rows) > 0).all()
    counts = np.bincount(label[rows], minlength=3)
    assert np.abs(counts - n * np.array([0.5, 0.3, 0.2])).max() <= 1


def test_stratified_rows_repeat_with_the_seed():
    label = np.arange(40) % 4
    first, again, other = (stratified_rows(label, 12, seed=s) for s in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert set(first) != set(other)


def test_stratified_rows_beyond_the_data_are_refused():
    with pytest.raises(DataError, match=r"expected a subset of 1\.\.3 samples, got 4"):
        stratified_rows(np.zeros(3, np.int64), 4, seed=0)


def test_stratified_order_is_a_permutation_with_the_shares_everywhere():
    label = np.repeat([0, 1], [300, 100])
    order = stratified_order(label, rng=np.random.default_rng(0))
    assert sorted(order) == list(range(400))
    for start in range(0, 400, 100):
        assert abs((label[order[start : start + 100]] == 1).sum() - 25) <= 1
