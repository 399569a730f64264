"""The compiled exit rule at the thresholds themselves; the bytes of whole pools against dense."""

import numpy as np
import pytest

from encas.evaluate.compress import compress
from encas.evaluate.contender_evaluator import ContenderEvaluator
from encas.evaluate.dense import DenseEvaluator
from encas.evaluate.stages import _n_passed
from encas.evaluate.threshold_grid import THRESHOLDS
from encas.pools.pool import Pool

N_CLASSES = 64
TWO = np.float32(2)


@pytest.mark.parametrize("gene", range(51))
def test_n_passed_counts_the_thresholds_strictly_below(gene):
    threshold = THRESHOLDS[gene]
    assert _n_passed(threshold) == gene
    assert _n_passed(np.nextafter(threshold, TWO)) == gene + 1
    if gene > 0:
        assert _n_passed(np.nextafter(threshold, -TWO)) == gene


def test_n_passed_of_any_confidence_is_a_count_of_the_grid(rng):
    for confidence in rng.random(500, np.float32):
        assert _n_passed(confidence) == np.count_nonzero(confidence > THRESHOLDS)


def around_thresholds() -> np.ndarray:
    """Each threshold but 0, the float32 next below it, and the one next above."""
    grid = THRESHOLDS[1:]
    return np.concatenate((grid, np.nextafter(grid, -TWO), np.nextafter(grid, TWO)))


def test_count_of_confidences_at_the_thresholds_is_exact_for_every_gene():
    confidence = around_thresholds()
    rest = np.maximum(1 - confidence, 0) / (N_CLASSES - 1)
    rows = np.repeat(rest[:, None], N_CLASSES, axis=1)
    rows[:, 5] = confidence
    pool = Pool.of(
        outputs=np.stack((rows, rows[:, ::-1])).astype(np.float32),
        label=np.full(len(rows), 5),
        costs={"macs": [1, 2]},
    )
    members, genes = np.tile([0, 1], (51, 1)), np.arange(51)[:, None]
    counts = ContenderEvaluator(compress(pool, max_members=2)).count(members, genes)
    stays = confidence <= THRESHOLDS[:, None]
    assert counts.reached[:, 1].tolist() == stays.sum(axis=1).tolist()
    np.testing.assert_array_equal(
        counts.correct, DenseEvaluator(pool).count(members, genes).correct
    )


def test_count_of_margins_of_nothing_leaves_at_no_threshold():
    tied, apart = [0.5, 0.5], [np.nextafter(np.float32(0.5), TWO), 0.5]
    pool = Pool.of(
        outputs=np.array([[tied, apart], [[0.2, 0.8]] * 2], np.float32),
        label=[0, 0],
        costs={"macs": [1, 2]},
    )
    evaluator = ContenderEvaluator(compress(pool, max_members=2, rank=2), confidence="margin")
    counts = evaluator.count(np.array([[0, 1]]), np.array([[0]]))
    assert (counts.reached.tolist(), counts.correct.tolist()) == ([[2, 1]], [1])


def test_count_of_margins_is_between_the_two_largest_whichever_is_true():
    pool = Pool.of(
        outputs=np.array([[[0.125, 0.625, 0.25]] * 3, [[0.2, 0.7, 0.1]] * 3], np.float32),
        label=[0, 1, 2],
        costs={"macs": [1, 2]},
    )
    evaluator = ContenderEvaluator(compress(pool, max_members=2, rank=2), confidence="margin")
    # The margin is 0.375.
    counts = evaluator.count(np.array([[0, 1]] * 2), np.array([[18], [19]]))
    assert counts.reached.tolist() == [[3, 0], [3, 3]]


def test_count_of_tied_classes_is_right_for_the_lowest_alone():
    pool = Pool.of(
        outputs=np.array([[[0.4, 0.2, 0.4]] * 3], np.float32), label=[0, 1, 2], costs={"macs": [1]}
    )
    evaluator = ContenderEvaluator(compress(pool, max_members=1))
    assert evaluator.count(np.array([[0]]), np.empty((1, 0), np.int64)).correct.tolist() == [1]


@pytest.mark.parametrize("n_samples", [1, 63, 64, 65, 129])
def test_count_of_incomplete_chunks_counts_no_sample_that_is_not_there(n_samples):
    outputs = np.zeros((2, n_samples, 2), np.float32)
    outputs[:, :, 0] = 1
    pool = Pool.of(outputs=outputs, label=np.zeros(n_samples, int), costs={"macs": [1, 2]})
    evaluator = ContenderEvaluator(compress(pool, max_members=2))
    counts = evaluator.count(np.array([[0, 1], [0, 1]]), np.array([[49], [50]]))
    assert counts.correct.tolist() == [n_samples] * 2
    assert counts.reached.tolist() == [[n_samples, 0], [n_samples, n_samples]]
