"""Data before preprocessing: what opens, how samples are known, stratified parts."""

import numpy as np
import pytest

from encas.data.open_source import open_source
from encas.data.preprocessing import Preprocessing
from encas.errors import DataError

PLAIN = Preprocessing(size=(8, 8))


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


def test_dataset_of_images_without_preprocessing_is_refused(pictures):
    with pytest.raises(DataError, match="images need a preprocessing"):
        open_source(str(pictures)).dataset(None)
