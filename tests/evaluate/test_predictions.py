"""Predicted classes out of contenders, by hand and against the definition."""

import numpy as np
import pytest

from encas.evaluate.compress import compress
from encas.evaluate.contender_evaluator import ContenderEvaluator
from encas.evaluate.dense import DenseEvaluator
from encas.pools.pool import Pool


def pool_of(outputs: np.ndarray, label: np.ndarray) -> Pool:
    return Pool.of(outputs=outputs, label=label, costs={"macs": np.arange(1.0, len(outputs) + 1)})


def predicted(pool: Pool, members: list[list[int]], genes: list[list[int]]) -> np.ndarray:
    thresholds = np.array(genes, np.int64).reshape(len(members), -1)
    evaluator = ContenderEvaluator(compress(pool, max_members=len(members[0])))
    counts = evaluator.count(np.array(members), thresholds, with_predicted=True)
    assert counts.predicted is not None
    return counts.predicted


@pytest.mark.parametrize("label", [0, 1, 2])
def test_predicted_class_of_a_tie_is_the_lowest_whatever_is_true(label):
    pool = pool_of(np.array([[[0.2, 0.4, 0.4]]], np.float32), np.array([label]))
    assert predicted(pool, [[0]], [[]]).tolist() == [[1]]


def test_predicted_classes_stand_in_the_order_of_the_pool(rng):
    # Compression sorts the samples, the most confident first.
    order = rng.permutation(200)
    sure = np.linspace(0.5, 1.0, 200)[order]
    label = np.arange(200) % 3
    rows = np.full((200, 3), ((1 - sure) / 2)[:, None])
    rows[np.arange(200), label] = sure
    pool = pool_of(rows[None].astype(np.float32), np.roll(label, 1))
    assert predicted(pool, [[0]], [[]]).tolist() == [label.tolist()]


def test_predicted_class_is_that_of_the_stage_where_the_sample_left(tiny_pool):
    found = predicted(tiny_pool, [[0, 2], [0, 2], [2, 0]], [[27], [0], [50]])
    dense = DenseEvaluator(tiny_pool).count(
        np.array([[0, 2], [0, 2], [2, 0]]), np.array([[27], [0], [50]]), with_predicted=True
    )
    assert found[0].tolist() == [0, 1, 1, 0, 2, 2, 1, 0]
    assert found[1].tolist() == [0, 0, 1, 0, 2, 0, 1, 0]
    np.testing.assert_array_equal(found, dense.predicted)


def test_predicted_class_of_a_wrong_answer_just_above_a_threshold_is_that_answer(tiny_pool):
    # The cheap model is sure of the last sample with 0.6, and wrong: gene 29 is below, gene 30 not.
    found = predicted(tiny_pool, [[0, 2], [0, 2]], [[29], [30]])
    assert found[:, 7].tolist() == [0, 2]


def test_predicted_classes_of_a_cascade_without_members_are_zero(tiny_pool):
    found = predicted(tiny_pool, [[-1, -1], [2, -1]], [[3], [3]])
    assert found.tolist() == [[0] * 8, [0, 1, 1, 0, 2, 2, 1, 2]]


def test_predicted_classes_of_flat_models_are_those_of_their_complete_rows(rng):
    # Model 3 gives nearly the same to all classes, model 4 exactly.
    logits = rng.normal(size=(5, 130, 80)) * np.array([4, 4, 4, 1e-3, 0])[:, None, None]
    outputs = np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True)
    pool = pool_of(outputs.astype(np.float32), rng.integers(80, size=130))
    assert len(compress(pool, max_members=2).flat_values)
    members = [[3, -1], [4, -1], [3, 4], [4, 0], [0, 3]]
    genes = [[0], [0], [50], [50], [30]]
    dense = DenseEvaluator(pool).count(np.array(members), np.array(genes), with_predicted=True)
    np.testing.assert_array_equal(predicted(pool, members, genes), dense.predicted)
