import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from encas.cascade import softmax
from encas.errors import SearchError
from encas.evaluate.compress import compress
from encas.evaluate.dense import DenseEvaluator
from encas.evaluate.genome import decode, gene_sizes
from encas.evaluate.torch_batch import TorchEvaluator
from encas.pools.pool import Pool

pytestmark = pytest.mark.torch


def random_pool(seed: int, n_models: int, n_samples: int, n_classes: int, scale: float) -> Pool:
    rng = np.random.default_rng(seed)
    # Rounded logits make ties between classes; a small scale makes flat outputs.
    logits = np.round(rng.normal(size=(n_models, n_samples, n_classes)) * scale, 1)
    return Pool.of(
        outputs=softmax(logits.astype(np.float32)),
        label=rng.integers(0, n_classes, n_samples),
        names=[f"m{i}" for i in range(n_models)],
        costs={"macs": np.arange(1, n_models + 1)},
    )


def assert_same_counts(pool, confidence="max_probability", *, device="cpu", n=60, **options):
    rank = 1 if confidence == "max_probability" else 2
    rng = np.random.default_rng(1)
    members, thresholds = decode(rng.integers(0, gene_sizes(pool.n_models, 4), size=(n, 7)))
    contenders = compress(pool, max_members=4, rank=rank)
    fast = TorchEvaluator(contenders, device=device, confidence=confidence, **options)
    expected = DenseEvaluator(pool, confidence=confidence).count(
        members, thresholds, with_predicted=True
    )
    counts = fast.count(members, thresholds, with_predicted=True)
    np.testing.assert_array_equal(counts.correct, expected.correct)
    np.testing.assert_array_equal(counts.reached, expected.reached)
    np.testing.assert_array_equal(counts.predicted, expected.predicted)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 1000),
    st.integers(1, 5),
    st.integers(1, 150),
    st.sampled_from([1, 2, 3, 10, 60]),
    st.sampled_from([0.0, 0.1, 1.0, 4.0]),
)
def test_count_any_pool_equals_dense(seed, n_models, n_samples, n_classes, scale):
    assert_same_counts(random_pool(seed, n_models, n_samples, n_classes, scale), n=20)


@pytest.mark.parametrize("confidence", ["margin", "logit_gap"])
def test_count_other_confidence_equals_dense(confidence):
    assert_same_counts(random_pool(3, 5, 200, 12, 2.0), confidence)


def test_count_small_batches_change_nothing():
    assert_same_counts(random_pool(5, 5, 200, 12, 2.0), batch_numbers=1)


@pytest.mark.gpu
def test_count_on_a_gpu_equals_dense():
    assert_same_counts(random_pool(7, 6, 2000, 100, 3.0), device="cuda:0")


def test_missing_device_is_refused(tiny_pool):
    with pytest.raises(SearchError, match="cuda:7: no such device here: .*--device cpu"):
        TorchEvaluator(compress(tiny_pool, max_members=2), device="cuda:7")


def test_entropy_is_refused(tiny_pool):
    with pytest.raises(SearchError, match="the entropy depends on all classes"):
        TorchEvaluator(compress(tiny_pool, max_members=2), device="cpu", confidence="entropy")


def test_more_members_than_compressed_for_are_refused(tiny_pool):
    fast = TorchEvaluator(compress(tiny_pool, max_members=2), device="cpu")
    with pytest.raises(SearchError, match="compressed for 2 members, got 3"):
        fast.count(np.zeros((1, 3), np.int64), np.zeros((1, 2), np.int64))
