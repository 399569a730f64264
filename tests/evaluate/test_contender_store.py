import json

import numpy as np
import pytest

from encas.errors import PoolError
from encas.evaluate.compress import compress
from encas.evaluate.contender_evaluator import ContenderEvaluator
from encas.evaluate.contender_store import (
    ARRAYS,
    check_contenders,
    load_contenders,
    store_contenders,
    stored_contenders,
)
from encas.evaluate.dense import DenseEvaluator
from encas.evaluate.evaluator_choice import contenders_of
from encas.evaluate.objectives import cost_objective
from encas.evaluate.sweep_prices import prices_of
from encas.evaluate.sweeper import Sweeper
from encas.pools.pool import Pool


@pytest.fixture
def pool(rng, tmp_path) -> Pool:
    """Five models, one of them flat, of 150 samples and 200 classes, in a folder."""
    label = rng.integers(200, size=150)
    logits = rng.normal(size=(5, 150, 200)) * np.array([0.01, 2, 3, 3, 3])[:, None, None]
    logits[1:, np.arange(150), label] += 8
    outputs = np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True)
    costs = {"macs": np.arange(1.0, 6)}
    made = Pool.of(outputs=outputs.astype(np.float32), label=label, costs=costs)
    return made.save(tmp_path / "pool")


@pytest.fixture
def folder(pool, tmp_path):
    store_contenders(pool, tmp_path / "c", max_members=4, rank=1)
    return tmp_path / "c"


def change_array(folder, name, change) -> None:
    array = np.load(folder / f"{name}.npy")
    np.save(folder / f"{name}.npy", change(array))


def test_stored_contenders_are_those_made_in_memory(pool, folder):
    stored, made = load_contenders(folder), compress(pool, max_members=4)
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(stored, name), getattr(made, name))
    assert (stored.max_members, stored.rank, stored.block) == (4, 1, made.block)
    assert isinstance(stored.values, np.memmap)
    assert len(stored.flat_values)
    check_contenders(folder)


def test_stored_contenders_evaluate_as_the_definition(pool, folder, rng):
    members = np.stack([rng.permutation(5)[:4] for _ in range(30)])
    thresholds = rng.integers(0, 51, (30, 3))
    stored = ContenderEvaluator(load_contenders(folder)).count(members, thresholds)
    dense = DenseEvaluator(pool).count(members, thresholds)
    np.testing.assert_array_equal(stored.correct, dense.correct)
    np.testing.assert_array_equal(stored.reached, dense.reached)


def test_contenders_beside_the_outputs_are_used_where_they_serve(pool):
    assert pool.path is not None
    store_contenders(pool, pool.path / "contenders", max_members=3, rank=1)
    assert isinstance(
        contenders_of(pool, max_members=2, confidence="max_probability").values, np.memmap
    )
    assert stored_contenders(pool, max_members=3, rank=1) is not None
    assert stored_contenders(pool, max_members=4, rank=1) is None
    assert stored_contenders(pool, max_members=3, rank=2) is None
    made = contenders_of(pool, max_members=4, confidence="margin")
    assert (made.max_members, made.rank) == (4, 2)


def test_contenders_of_another_pool_are_not_used(pool, rng):
    other = pool.take(rng.permutation(150)[:100]).save(pool.path.parent / "other")
    store_contenders(pool, other.path / "contenders", max_members=3, rank=1)
    assert stored_contenders(other, max_members=3, rank=1) is None


def test_interrupted_store_leaves_nothing(pool, tmp_path, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("encas.evaluate.contender_store.sha256_of", interrupt)
    with pytest.raises(KeyboardInterrupt):
        store_contenders(pool, tmp_path / "new", max_members=3, rank=1)
    assert [path.name for path in tmp_path.iterdir()] == ["pool"]


def above(n):
    return lambda array: np.where(array == array.max(), n, array)


@pytest.mark.parametrize(
    ("name", "change", "match"),
    [
        ("start", lambda a: a[:-1], "start: expected"),
        ("start", lambda a: a[::-1].copy(), "start must ascend|expected"),
        ("start", lambda a: np.where(a == a[1], a + 1, a), "by multiples of 64"),
        ("values", lambda a: a[:-64], "values: expected"),
        ("values", lambda a: a.astype(np.float64), "expected float32, got float64"),
        ("sample", np.zeros_like, "sample must hold every row once"),
        ("label", above(200), "label must be a class"),
        ("classes", above(200), "classes must be classes"),
        ("flat_chunk", above(10**6), "flat_chunk must be places"),
        ("flat_row", above(10**6), "flat_row must be rows"),
        ("flat_values", lambda a: a[:, :-1], "flat_values: expected"),
    ],
)
def test_damaged_array_is_refused(folder, name, change, match):
    change_array(folder, name, change)
    with pytest.raises(PoolError, match=match):
        load_contenders(folder)


def test_truncated_file_is_refused(folder):
    content = (folder / "values.npy").read_bytes()
    (folder / "values.npy").write_bytes(content[: len(content) // 2])
    with pytest.raises(PoolError, match=r"values.npy: truncated or not an .npy file"):
        load_contenders(folder)


def test_missing_file_is_refused(folder):
    (folder / "label.npy").unlink()
    with pytest.raises(PoolError, match=r"label.npy: no such file"):
        load_contenders(folder)


def test_pickled_array_is_refused(folder):
    np.save(folder / "label.npy", np.array([{}] * 150), allow_pickle=True)
    with pytest.raises(PoolError, match=r"truncated or not an .npy file"):
        load_contenders(folder)


def test_index_with_an_unknown_key_is_refused(folder):
    content = json.loads((folder / "contenders.json").read_text())
    (folder / "contenders.json").write_text(json.dumps(content | {"more": 1}))
    with pytest.raises(PoolError, match="more"):
        load_contenders(folder)


def test_changed_numbers_are_found_by_the_check(folder):
    change_array(folder, "values", lambda a: a * np.float32(0.5))
    load_contenders(folder)
    with pytest.raises(PoolError, match="values.npy: the content is not the one hashed"):
        check_contenders(folder)


def test_numbers_that_are_no_probabilities_break_nothing(folder, pool, rng):
    change_array(folder, "values", lambda a: np.where(rng.random(a.shape) < 0.3, np.nan, a * 1e30))
    prices = prices_of([cost_objective("macs", pool)], n_models=5, n_samples=150)
    sweeper = Sweeper(load_contenders(folder), prices)
    sequences = np.stack([rng.permutation(5)[:4] for _ in range(40)])
    assert len(sweeper.sweep(sequences, sweeper.empty_stair()).cost)
