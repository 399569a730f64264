"""The contender evaluator against the definition: equal to the last sample."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from encas.errors import SearchError
from encas.evaluate.compress import compress
from encas.evaluate.contender_evaluator import ContenderEvaluator
from encas.evaluate.dense import DenseEvaluator
from encas.pools.pool import Pool


def pool_of(outputs: np.ndarray, label: np.ndarray) -> Pool:
    return Pool.of(outputs=outputs, label=label, costs={"macs": np.arange(1.0, len(outputs) + 1)})


def random_pool(
    rng: np.random.Generator,
    *,
    n_models: int,
    n_samples: int,
    n_classes: int,
    sharpness: np.ndarray | float,
    steps: int = 0,
    dtype: type = np.float32,
) -> Pool:
    """Softmaxes of noise around a common truth; with `steps`, rounded so that ties abound."""
    label = rng.integers(0, n_classes, n_samples)
    logits = rng.normal(size=(n_models, n_samples, n_classes))
    logits += 1.5 * (np.arange(n_classes) == label[:, None])
    logits *= np.broadcast_to(sharpness, n_models)[:, None, None]
    outputs = np.exp(logits - logits.max(axis=2, keepdims=True))
    if steps:
        outputs = np.round(outputs * steps)
    outputs /= outputs.sum(axis=2, keepdims=True)
    return pool_of(outputs.astype(dtype), label)


def random_cascades(
    rng: np.random.Generator, *, n: int, n_models: int, max_members: int
) -> tuple[np.ndarray, np.ndarray]:
    members = np.argsort(rng.random((n, max(n_models, max_members))), axis=1)[:, :max_members]
    n_stages = rng.integers(1, min(n_models, max_members) + 1, n)
    members[members >= n_models] = 0
    members = np.stack([rng.permutation(n_models)[:max_members] for _ in range(n)])
    padded = np.full((n, max_members), -1, np.int64)
    padded[:, : members.shape[1]] = members
    padded[np.arange(max_members) >= n_stages[:, None]] = -1
    return padded, rng.integers(0, 51, (n, max_members - 1))


def assert_equal_to_dense(
    pool: Pool,
    rng: np.random.Generator,
    *,
    confidence: str = "max_probability",
    max_members: int = 5,
    n: int = 40,
    cache_bytes: int = 2**20,
) -> None:
    members, thresholds = random_cascades(rng, n=n, n_models=pool.n_models, max_members=max_members)
    rank = 1 if confidence == "max_probability" else 2
    contenders = compress(pool, max_members=max_members, rank=rank)
    fast = ContenderEvaluator(contenders, confidence=confidence, cache_bytes=cache_bytes)
    dense = DenseEvaluator(pool, confidence=confidence).count(
        members, thresholds, with_predicted=True
    )
    for part in (slice(None), slice(0, n // 2)):
        counts = fast.count(members[part], thresholds[part], with_predicted=True)
        np.testing.assert_array_equal(counts.correct, dense.correct[part])
        np.testing.assert_array_equal(counts.reached, dense.reached[part])
        np.testing.assert_array_equal(counts.predicted, dense.predicted[part])


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    n_models=st.integers(1, 7),
    n_samples=st.integers(1, 200),
    n_classes=st.integers(1, 12),
    sharpness=st.sampled_from([0.0, 0.05, 0.5, 2.0, 10.0]),
    steps=st.sampled_from([0, 4, 10, 50]),
    dtype=st.sampled_from([np.float16, np.float32]),
    confidence=st.sampled_from(["max_probability", "max_probability", "margin", "logit_gap"]),
    max_members=st.integers(1, 6),
)
def test_count_of_any_pool_equals_dense(
    seed, n_models, n_samples, n_classes, sharpness, steps, dtype, confidence, max_members
):
    rng = np.random.default_rng(seed)
    pool = random_pool(
        rng,
        n_models=n_models,
        n_samples=n_samples,
        n_classes=n_classes,
        sharpness=sharpness,
        steps=steps,
        dtype=dtype,
    )
    assert_equal_to_dense(pool, rng, confidence=confidence, max_members=max_members, n=12)


@pytest.mark.parametrize("confidence", ["max_probability", "margin", "logit_gap"])
@pytest.mark.parametrize("n_classes", [100, 1000])
def test_count_with_flat_models_equals_dense(rng, n_classes, confidence):
    sharpness = np.array([3.0, 4.0, 5.0, 0.01, 0.02, 0.0])
    pool = random_pool(
        rng, n_models=6, n_samples=90, n_classes=n_classes, sharpness=sharpness, steps=0
    )
    assert_equal_to_dense(pool, rng, confidence=confidence)


@pytest.mark.parametrize("confidence", ["margin", "logit_gap"])
def test_count_of_one_hot_outputs_with_two_largest_equals_dense(rng, confidence):
    pool = pool_of(np.eye(5, dtype=np.float32)[rng.integers(0, 2, (4, 100))], np.zeros(100, int))
    assert_equal_to_dense(pool, rng, confidence=confidence)


def test_count_with_a_tiny_cache_equals_dense(rng):
    pool = random_pool(rng, n_models=7, n_samples=100, n_classes=5, sharpness=1.0)
    assert_equal_to_dense(pool, rng, n=300, cache_bytes=0)
    assert_equal_to_dense(pool, rng, n=300, cache_bytes=40 * 128)


def test_count_of_no_cascade_and_of_no_members_is_zero(tiny_pool):
    evaluator = ContenderEvaluator(compress(tiny_pool, max_members=2))
    none = evaluator.count(np.empty((0, 2), np.int64), np.empty((0, 1), np.int64))
    assert none.correct.shape == (0,)
    empty = evaluator.count(np.array([[-1, -1]]), np.array([[3]]), with_predicted=True)
    assert empty.correct.tolist() == [0]
    assert empty.reached.tolist() == [[0, 0]]


def test_count_of_shorter_cascades_than_compressed_for_is_exact(rng):
    pool = random_pool(rng, n_models=5, n_samples=100, n_classes=6, sharpness=1.0)
    evaluator = ContenderEvaluator(compress(pool, max_members=5))
    members, thresholds = random_cascades(rng, n=20, n_models=5, max_members=2)
    expected = DenseEvaluator(pool).count(members, thresholds)
    np.testing.assert_array_equal(evaluator.count(members, thresholds).reached, expected.reached)


def test_count_of_longer_cascades_than_compressed_for_is_refused(tiny_pool):
    evaluator = ContenderEvaluator(compress(tiny_pool, max_members=2))
    with pytest.raises(SearchError, match="compressed for 2 members, got 3"):
        evaluator.count(np.array([[0, 1, 2]]), np.array([[3, 3]]))


def test_evaluator_with_margin_needs_contenders_of_rank_two(tiny_pool):
    with pytest.raises(SearchError, match="rank 1 do not give the margin"):
        ContenderEvaluator(compress(tiny_pool, max_members=2), confidence="margin")


def test_evaluator_with_entropy_is_refused(tiny_pool):
    with pytest.raises(SearchError, match="depends on all classes"):
        ContenderEvaluator(compress(tiny_pool, max_members=2), confidence="entropy")


def test_count_on_real_outputs_equals_dense(cifar_pool, rng):
    assert_equal_to_dense(cifar_pool, rng, n=60)
