"""Pools out of pools: merged, filtered, without near-identical models."""

from dataclasses import replace

import numpy as np
import pytest

from encas.errors import PoolError
from encas.pools.model import Model
from encas.pools.pool import Pool
from encas.pools.pool_samples import held_out_rows
from encas.pools.pool_tools import Twin, Wanted, filter_pool, find_twins, merge_pools


@pytest.fixture
def known(tiny_pool, rng) -> Pool:
    return replace(tiny_pool, samples=rng.integers(0, 256, (8, 32), dtype=np.uint8))


def renamed(pool: Pool, prefix: str) -> Pool:
    models = tuple(replace(m, name=prefix + m.name) for m in pool.models)
    return replace(pool, models=models)


def test_merge_puts_all_models_into_the_first_ones_order(known, tmp_path):
    order = np.array([3, 0, 7, 1, 2, 6, 5, 4])
    other = renamed(known.take(order), "x-")
    merged = merge_pools([known, other], tmp_path / "out", name="both")
    assert merged.names == (*known.names, "x-cheap", "x-middle", "x-dear")
    assert merged.name == "both"
    np.testing.assert_array_equal(merged.outputs[4], known.outputs[1])
    np.testing.assert_array_equal(merged.samples, known.samples)


def test_merge_without_hashes_trusts_equal_labels(tiny_pool, tmp_path):
    merged = merge_pools([tiny_pool, renamed(tiny_pool, "x-")], tmp_path / "out")
    assert merged.n_models == 6
    assert merged.samples is None


def test_merge_unites_what_is_kept_for_the_test(known, tmp_path):
    first = replace(known, held_out=known.samples[:2])
    second = replace(renamed(known, "x-"), held_out=known.samples[1:3])
    merged = merge_pools([first, second], tmp_path / "out")
    assert held_out_rows(merged).tolist() == [True] * 3 + [False] * 5


def test_merge_of_what_does_not_fit_names_every_fault(known, tmp_path):
    fewer = replace(renamed(known.take(np.arange(7)), "f-"), name="fewer")
    other = replace(renamed(known, "o-"), name="other", samples=known.samples[::-1] ^ 1)
    wider = Pool.of(
        outputs=[np.full((8, 4), 0.25, np.float32)],
        label=known.label,
        names=["w"],
        costs={"macs": [1]},
        name="wider",
    )
    with pytest.raises(PoolError) as caught:
        merge_pools([known, fewer, other, wider, known], tmp_path / "out")
    text = str(caught.value)
    assert "pool fewer is about other samples than pool tiny" in text
    assert "pool other is about other samples than pool tiny" in text
    assert "pool wider has 4 classes, pool tiny 3" in text
    assert "the model 'cheap' is in two pools; filter one" in text


def test_merge_of_classes_in_another_order_arranges_labels_and_outputs(rng, tmp_path):
    label = rng.integers(0, 3, 60)
    outputs = np.full((1, 60, 3), 0.1, np.float32)
    outputs[0, np.arange(60), label] = 0.8
    first = Pool.of(outputs=outputs, label=label, names=["a"], costs={"macs": [1]}, name="first",
                    classes=("x", "y", "z"))  # fmt: skip
    moved = np.array([1, 2, 0])[label]
    second = Pool.of(outputs=outputs[:, :, [2, 0, 1]], label=moved, names=["b"],
                     costs={"macs": [1]}, name="second", classes=("z", "x", "y"))  # fmt: skip
    notes = []
    merged = merge_pools([first, second], tmp_path / "out", on_note=notes.append)
    assert merged.classes == ("x", "y", "z")
    assert np.array_equal(merged.outputs[0], merged.outputs[1])
    assert notes == [
        "pool second: the classes are in another order than in pool first, matched by name"
    ]


def test_merge_moves_the_sources_paths(tiny_pool, tmp_path):
    (tmp_path / "net.onnx").write_bytes(b"")
    models = [Model(name="n", kind="probabilities", costs={"macs": 1.0}, source="onnx:../net.onnx")]
    one = Pool.of(outputs=[tiny_pool.outputs[0]], label=tiny_pool.label, models=models)
    stored = one.save(tmp_path / "pool")
    merged = merge_pools([stored, tiny_pool], tmp_path / "deep" / "er" / "pool")
    assert merged.models[0].source == "onnx:../../../net.onnx"


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        (Wanted(), ("cheap", "middle", "dear")),
        (Wanted(names=("*ea*",)), ("cheap", "dear")),
        (Wanted(names=("*ea*",), without=("ch*",)), ("dear",)),
        (Wanted(most={"macs": 5e6, "params": 4e3}), ("cheap",)),
        (Wanted(min_accuracy=0.7), ("middle", "dear")),
        (Wanted(only=frozenset({"middle", "nobody"})), ("middle",)),
    ],
)
def test_filter_keeps_what_is_wanted(tiny_pool, tmp_path, wanted, names):
    assert filter_pool(tiny_pool, tmp_path / "out", wanted).names == names


def test_filter_by_a_cost_that_a_model_lacks_leaves_it_out(tiny_pool, tmp_path):
    with pytest.raises(PoolError, match="none of 3 models is left"):
        filter_pool(tiny_pool, tmp_path / "out", Wanted(most={"joules": 1.0}))


def test_filter_leaves_another_pools_samples_out(known, tmp_path):
    other = known.take([1, 6])
    left = filter_pool(known, tmp_path / "out", Wanted(), without=other)
    np.testing.assert_array_equal(left.samples, known.samples[[0, 2, 3, 4, 5, 7]])
    with pytest.raises(PoolError, match="none of 8 samples is left"):
        filter_pool(known, tmp_path / "out", Wanted(), without=known)


def test_twins_are_found_and_the_cheaper_one_stays():
    rng = np.random.default_rng(2)
    base = rng.dirichlet(np.ones(4), 300).astype(np.float32)
    near = base + rng.normal(0, 1e-4, base.shape).astype(np.float32)
    other = rng.dirichlet(np.ones(4), 300).astype(np.float32)
    pool = Pool.of(
        outputs=[base, other, near / near.sum(1, keepdims=True), other],
        label=np.zeros(300, int),
        names=["dear", "other", "cheap", "again"],
        costs={"macs": [9, 5, 3, 5]},
    )
    twins = find_twins(pool, difference=0.01)
    assert [(twin.name, twin.like) for twin in twins] == [("again", "other"), ("dear", "cheap")]
    assert twins[0] == Twin(name="again", like="other", difference=0.0)
    expected = np.abs(pool.probabilities(0) - pool.probabilities(2)).sum(1).mean()
    assert twins[1].difference == pytest.approx(expected)
    assert find_twins(pool, difference=0.0) == (twins[0],)
