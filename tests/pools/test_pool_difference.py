"""Two pools side by side: leakage and drift."""

from dataclasses import replace

import numpy as np
import pytest

from encas.errors import PoolError
from encas.pools.pool import Pool
from encas.pools.pool_difference import compare_pools, kolmogorov_smirnov


def pool_of(rng, n, *, shift=0.0, name="p") -> Pool:
    label = rng.integers(0, 3, n)
    logits = rng.normal(size=(n, 3)) + 2 * np.eye(3)[label] * (1 - shift)
    samples = rng.integers(0, 256, (n, 32), dtype=np.uint8)
    made = Pool.of(
        outputs=[logits.astype(np.float32)],
        label=label,
        names=["m"],
        kind="logits",
        costs={"macs": [1]},
        name=name,
    )
    return replace(made, samples=samples)


def test_leakage_is_counted_by_hash(rng):
    first, second = pool_of(rng, 50), pool_of(rng, 40)
    samples = np.array(second.samples)
    samples[:7] = first.samples[10:17]
    samples[39] = samples[38]
    found = compare_pools(first, replace(second, samples=samples))
    assert (found.n_shared, found.n_repeated, found.known_by) == (7, (0, 1), "hash")


def test_leakage_between_pools_of_unknown_samples_is_told_by_their_outputs(tiny_pool, rng):
    order = np.array([5, 2, 7])
    found = compare_pools(tiny_pool, tiny_pool.take(order))
    assert (found.n_shared, found.known_by) == (3, "outputs")
    known = replace(tiny_pool, samples=rng.integers(0, 256, (8, 32), dtype=np.uint8))
    assert compare_pools(known, tiny_pool.take(order)).n_shared == 3
    other = [0.9 * np.asarray(output) + 0.1 / 3 for output in tiny_pool.outputs]
    moved = Pool.of(outputs=other, label=tiny_pool.label, models=tiny_pool.models)
    assert compare_pools(tiny_pool, moved).n_shared == 0


def test_leakage_between_pools_of_other_models_is_told_by_place(tiny_pool):
    models = tuple(replace(model, name=f"x-{model.name}") for model in tiny_pool.models)
    renamed = Pool.of(outputs=tiny_pool.outputs, label=tiny_pool.label, models=models)
    found = compare_pools(tiny_pool, renamed)
    assert (found.n_shared, found.known_by) == (8, "place")


def test_class_shift_is_the_total_variation(rng):
    first, second = pool_of(rng, 60), pool_of(rng, 90)
    shares = [np.bincount(p.label, minlength=3) / p.n_samples for p in (first, second)]
    expected = np.abs(shares[0] - shares[1]).sum() / 2
    assert compare_pools(first, second).class_shift == pytest.approx(expected)


def test_drift_is_seen_where_there_is_one(rng):
    calm = compare_pools(pool_of(rng, 2000), pool_of(rng, 2000)).models[0]
    assert not calm.is_drifting
    assert calm.interval[0] < 0 < calm.interval[1]
    moved = compare_pools(pool_of(rng, 2000), pool_of(rng, 2000, shift=0.7)).models[0]
    assert moved.is_drifting
    assert moved.interval[0] < moved.difference < moved.interval[1] < 0
    assert moved.difference == pytest.approx(moved.accuracies[1] - moved.accuracies[0])


def test_models_that_are_in_one_pool_alone_are_left_out(tiny_pool):
    part = Pool.of(
        outputs=tiny_pool.outputs[:2], label=tiny_pool.label, models=tiny_pool.models[:2]
    )
    assert [m.name for m in compare_pools(tiny_pool, part).models] == ["cheap", "middle"]


def test_pools_of_other_classes_are_refused(tiny_pool):
    two = Pool.of(
        outputs=[np.full((8, 2), 0.5, np.float32)], label=np.zeros(8, int), costs={"macs": [1]}
    )
    with pytest.raises(PoolError, match="expected 3 classes as in pool tiny, got 2"):
        compare_pools(tiny_pool, two)


def test_kolmogorov_smirnov_equals_scipys(rng):
    stats = pytest.importorskip("scipy.stats")
    a, b = rng.normal(size=80).round(1), rng.normal(0.3, size=60).round(1)
    assert kolmogorov_smirnov(a, b) == pytest.approx(stats.ks_2samp(a, b).statistic)
