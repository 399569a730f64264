"""What every evaluator gives for the same cascades."""

from dataclasses import FrozenInstanceError

import numpy as np
import pytest

from encas.evaluate.compress import compress
from encas.evaluate.contender_evaluator import ContenderEvaluator
from encas.evaluate.counts import Counts, Evaluator
from encas.evaluate.dense import DenseEvaluator


@pytest.fixture(params=["dense", "contenders"])
def evaluator(request, tiny_pool) -> Evaluator:
    if request.param == "dense":
        return DenseEvaluator(tiny_pool)
    return ContenderEvaluator(compress(tiny_pool, max_members=2))


def test_counts_are_whole_numbers_of_samples_by_stage(evaluator):
    members, genes = np.array([[0, 2], [1, -1], [-1, -1]]), np.array([[27], [3], [3]])
    counts = evaluator.count(members, genes)
    assert evaluator.n_samples == 8
    assert (counts.correct.dtype, counts.reached.dtype) == (np.int64, np.int64)
    assert counts.correct.tolist() == [7, 6, 0]
    assert counts.reached.tolist() == [[8, 4], [8, 0], [0, 0]]
    assert counts.predicted is None


def test_counts_hold_the_predicted_labels_where_they_are_asked_for(evaluator):
    counts = evaluator.count(np.array([[2, -1]]), np.array([[0]]), with_predicted=True)
    assert counts.predicted is not None
    assert counts.predicted.dtype == np.int64
    assert counts.predicted.tolist() == [[0, 1, 1, 0, 2, 2, 1, 2]]


def test_counts_are_frozen():
    counts = Counts(correct=np.zeros(1, np.int64), reached=np.zeros((1, 2), np.int64))
    with pytest.raises(FrozenInstanceError):
        counts.correct = np.ones(1, np.int64)  # type: ignore[misc]
