"""The grid of thresholds, as the definition says it and as the compiled code uses it."""

import numpy as np
import pytest

from encas.cascade import Cascade, exits
from encas.evaluate.threshold_grid import N_STEPS, N_THRESHOLDS, STEP, THRESHOLDS, threshold_of


def test_grid_is_a_fiftieth_for_each_gene_from_nothing_to_one():
    assert (STEP, N_STEPS, N_THRESHOLDS) == (0.02, 50, 51)
    assert THRESHOLDS.dtype == np.float32
    assert [float(t) for t in THRESHOLDS] == [float(np.float32(0.02 * g)) for g in range(51)]
    assert (THRESHOLDS[0], THRESHOLDS[-1]) == (0, 1)


def test_grid_takes_no_writes():
    with pytest.raises(ValueError, match="read-only"):
        THRESHOLDS[0] = 1


def test_threshold_of_a_gene_is_the_decimal_of_its_float32():
    assert [f"{threshold_of(g):.2f}" for g in range(51)] == [f"{g / 50:.2f}" for g in range(51)]
    assert [threshold_of(g) for g in range(51)] == [float(f"{g / 50:.2f}") for g in range(51)]
    assert all(np.float32(threshold_of(g)) == THRESHOLDS[g] for g in range(51))


@pytest.mark.parametrize("gene", range(51))
def test_threshold_of_a_gene_in_a_cascade_is_passed_by_the_next_float32_alone(gene):
    (threshold,) = Cascade(members=("a", "b"), thresholds=(threshold_of(gene),)).thresholds
    confidences = np.array([THRESHOLDS[gene], np.nextafter(THRESHOLDS[gene], np.float32(2))])
    left = exits(confidences[:, None], threshold, confidence="max_probability")
    assert left.tolist() == [False, True]
