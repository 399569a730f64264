import numpy as np
import pytest

from encas.probability_rows import SUM_TOLERANCE, are_probabilities, probability_rows


def test_rows_are_probabilities_where_none_is_negative_and_they_sum_to_one():
    rows = np.array([[0.2, 0.8], [0.2, 0.9], [-0.2, 1.2], [np.nan, 1], [np.inf, 1]], np.float32)
    assert probability_rows(rows).tolist() == [True, False, False, False, False]


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_rows_of_many_classes_stay_probabilities_in_every_type(dtype, rng):
    logits = rng.normal(0, 3, (50, 1000))
    rows = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert are_probabilities(rows.astype(dtype))


def test_tolerance_is_that_of_quantised_networks():
    assert are_probabilities(np.array([[0.5, 0.488], [0.5, 0.512]], np.float32))
    assert not are_probabilities(np.array([[0.5, 0.5 + 1.1 * SUM_TOLERANCE]], np.float32))


def test_one_class_alone_is_no_probability():
    assert not are_probabilities(np.ones((3, 1), np.float32))
