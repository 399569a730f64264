import numpy as np
import pytest

from encas.data.digits import SPLITS, digits, split_rows
from encas.data.open_data import open_data
from encas.errors import DataError

FIRST_TRAIN_ROWS = [1180, 850, 1168, 360, 1151, 813]
FIRST_TEST_ROWS = [311, 731, 938, 86, 879, 128]


def test_digits_are_all_images_from_0_to_1():
    x, label = digits()
    assert (x.shape, x.dtype) == ((1797, 1, 8, 8), np.float32)
    assert (x.min(), x.max()) == (0, 1)
    assert (label.shape, label.dtype) == ((1797,), np.int64)


def test_digits_splits_share_no_sample_and_leave_none_out():
    _, label = digits()
    rows = split_rows(label)
    assert {name: len(part) for name, part in rows.items()} == SPLITS
    together = np.concatenate(list(rows.values()))
    assert np.array_equal(np.sort(together), np.arange(1797))


@pytest.mark.parametrize("split", SPLITS)
def test_digits_split_has_the_shares_of_the_whole(split):
    _, label = digits()
    _, part = digits(split)
    expected = np.bincount(label) * (len(part) / len(label))
    assert (abs(np.bincount(part) - expected) <= 2).all()


def test_digits_split_is_the_same_for_ever():
    _, label = digits()
    assert split_rows(label)["train"][:6].tolist() == FIRST_TRAIN_ROWS
    assert split_rows(label)["test"][:6].tolist() == FIRST_TEST_ROWS


def test_digits_as_data_has_classes_and_splits():
    opened = open_data("digits:test")
    x, label = digits("test")
    assert (opened.n_samples, opened.sample_shape) == (540, (1, 8, 8))
    assert opened.classes == tuple("0123456789")
    assert np.array_equal(opened.label, label)
    assert np.array_equal(opened.samples(np.array([5])), x[[5]])
    assert open_data("digits").n_samples == 1797


def test_digits_of_another_split_are_refused():
    with pytest.raises(DataError, match="digits has the splits train, search, selection, test"):
        open_data("digits:validation")
