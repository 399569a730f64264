"""Digits on 32 x 32 pixels: the same pictures each time, of the samples of digits."""

import numpy as np
import pytest

from encas.data.digits import SPLITS, digits
from encas.data.drawn_digits import drawn_digits
from encas.data.open_data import open_data
from encas.errors import DataError


def test_drawn_digits_are_pictures_from_0_to_1_in_256_levels():
    x, label = drawn_digits("selection")
    assert (x.shape, x.dtype) == ((257, 1, 32, 32), np.float32)
    assert (x.min(), x.max()) == (0, 1)
    assert np.array_equal(np.round(x * 255) / np.float32(255), x)
    assert np.array_equal(label, digits("selection")[1])


def test_drawn_digits_are_the_same_pictures_in_a_split_and_in_all():
    everything, labels = drawn_digits()
    assert len(everything) == len(labels) == 1797
    found = {x.tobytes() for x in everything}
    for split in SPLITS:
        assert all(x.tobytes() in found for x in drawn_digits(split)[0])


def test_drawn_digits_anew_are_the_same_samples_elsewhere():
    once, label = drawn_digits("search")
    thrice, labels = drawn_digits("search", n_drawings=3)
    assert np.array_equal(thrice[:400], once)
    assert np.array_equal(labels, np.tile(label, 3))
    assert not np.array_equal(thrice[400:800], thrice[800:])


def test_drawn_digit_has_the_brightness_of_its_image_where_it_stands():
    # An image of ones is drawn as a bright square of at least 14 x 14 pixels; around it is noise.
    x, _ = drawn_digits("selection")
    bright = (x > 0.5).sum(axis=(1, 2, 3))
    assert 10 < bright.min() < bright.max() < 24 * 24
    assert (x[:, :, 0, 0] < 0.5).mean() > 0.95


def test_drawn_digits_as_data_have_classes_and_splits():
    opened = open_data("digits32:test")
    x, label = drawn_digits("test")
    assert (opened.n_samples, opened.sample_shape) == (540, (1, 32, 32))
    assert opened.classes == tuple("0123456789")
    assert np.array_equal(opened.label, label)
    assert np.array_equal(opened.samples(np.array([5])), x[[5]])
    assert open_data("digits32").n_samples == 1797


def test_drawn_digits_of_another_split_are_refused():
    with pytest.raises(DataError, match="digits has the splits train, search, selection, test"):
        open_data("digits32:validation")
