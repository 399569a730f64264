from dataclasses import replace

import numpy as np
import pytest

from encas.errors import PoolError, SearchError
from encas.evaluate.contender_store import check_contenders
from encas.evaluate.pool_compression import compress_pool
from encas.evaluate.pool_summary import summarise
from encas.fronts.scoring import evaluate_front
from encas.pools.pool import Pool
from encas.pools.pool_check import check_pool
from encas.pools.pool_npz import export_npz
from encas.pools.pool_parquet import export_parquet
from encas.pools.pool_split import split_pool
from encas.search.front_finding import find_front


@pytest.fixture
def pool(rng, tmp_path) -> Pool:
    label = rng.integers(30, size=200)
    logits = rng.normal(size=(6, 200, 30)) * 2
    logits[:, np.arange(200), label] += np.arange(6)[:, None] * 0.6
    outputs = np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True)
    costs = {"macs": 2.0 ** np.arange(6)}
    made = Pool.of(outputs=outputs.astype(np.float16), label=label, costs=costs, name="whole")
    return made.save(tmp_path / "pool")


def test_compressed_pool_is_searched_and_scored_as_the_whole_one(pool, tmp_path):
    made = compress_pool(pool, out=tmp_path / "small")
    small = Pool.load(tmp_path / "small")
    assert not (tmp_path / "small" / "outputs").exists()
    assert (small.sha256, small.n_classes, small.is_compressed) == (pool.sha256, 30, True)
    assert made.dense_bytes == 6 * 200 * 30 * 2
    for algorithm in ("exact", "mo-gomea"):
        options = {"algorithm": algorithm, "max_members": 3, "evaluations": 500}
        front = find_front(small, **options)
        assert front.cascades == find_front(pool, **options).cascades
        assert evaluate_front(front, small).cascades == evaluate_front(front, pool).cascades


def test_compressed_pool_knows_its_models_accuracies(pool, tmp_path):
    compress_pool(pool, out=tmp_path / "small")
    assert summarise(Pool.load(tmp_path / "small")) == summarise(pool)


def test_compressed_pool_keeps_what_the_whole_one_says_of_samples(pool, tmp_path):
    hashes = np.arange(200 * 32, dtype=np.int64).astype(np.uint8).reshape(200, 32)
    known = replace(pool, samples=hashes, path=None).save(tmp_path / "known")
    compress_pool(known, out=tmp_path / "small")
    np.testing.assert_array_equal(Pool.load(tmp_path / "small").samples, hashes)
    check_pool(tmp_path / "small", check_contenders=check_contenders)


@pytest.mark.parametrize(
    "use",
    [
        lambda pool: pool.probabilities(0),
        lambda pool: pool.take([0, 1]),
        lambda pool: find_front(pool, algorithm="greedy", max_members=2),
        lambda pool: find_front(pool, confidence="entropy", max_members=2),
        lambda pool: pool.with_temperatures([1.0] * 6),
        lambda pool: pool.save(pool.path.parent / "copy"),
        lambda pool: export_npz(pool, pool.path.parent / "small.npz"),
        lambda pool: export_parquet(pool, pool.path.parent / "small.parquet"),
        lambda pool: split_pool(
            pool, out=pool.path.parent / "parts", search=1, selection=0, test=0
        ),
    ],
)
def test_compressed_pool_says_that_it_has_no_outputs(pool, tmp_path, use):
    compress_pool(pool, out=tmp_path / "small")
    with pytest.raises(PoolError, match="holds no outputs.*use the pool that it was made of"):
        use(Pool.load(tmp_path / "small"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pool", "small"]


@pytest.mark.parametrize("options", [{"max_members": 5}, {"confidence": "margin"}])
def test_compressed_pool_for_other_cascades_says_so(pool, tmp_path, options):
    compress_pool(pool, out=tmp_path / "small", max_members=3)
    small = Pool.load(tmp_path / "small")
    with pytest.raises(PoolError, match="not compressed for . members and the confidence"):
        find_front(small, **({"max_members": 3} | options))


def test_compressed_pool_scores_no_cascade_off_the_grid(pool, tmp_path):
    compress_pool(pool, out=tmp_path / "small")
    small = Pool.load(tmp_path / "small")
    front = find_front(small, algorithm="exact", max_members=2)
    cascade = front.cascades[-1].cascade
    odd = replace(cascade, thresholds=(0.123,))
    changed = front.with_cascades([replace(front.cascades[-1], cascade=odd)])
    with pytest.raises(PoolError, match="thresholds that are multiples of 0.02"):
        evaluate_front(changed, small)


def test_compress_twice_needs_overwrite(pool):
    compress_pool(pool)
    with pytest.raises(PoolError, match="already exists"):
        compress_pool(pool)
    assert compress_pool(pool, confidence="margin", overwrite=True).max_members == 5


def test_compress_for_entropy_is_refused(pool):
    with pytest.raises(SearchError, match="the entropy depends on all classes"):
        compress_pool(pool, confidence="entropy")


def test_compressed_pool_cannot_be_compressed(pool, tmp_path):
    compress_pool(pool, out=tmp_path / "small")
    with pytest.raises(PoolError, match="only a folder of outputs can be compressed"):
        compress_pool(Pool.load(tmp_path / "small"))


def test_check_reads_the_contenders_too(pool):
    compress_pool(pool)
    check_pool(pool.path, check_contenders=check_contenders)
    values = pool.path / "contenders" / "values.npy"
    values.write_bytes(values.read_bytes()[:-4] + b"\0\0\0\1")
    with pytest.raises(PoolError, match=r"values.npy: the content is not the one hashed"):
        check_pool(pool.path, check_contenders=check_contenders)
