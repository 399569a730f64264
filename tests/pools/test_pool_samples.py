"""How samples are known, and that nobody sees those kept for the test."""

from dataclasses import replace

import numpy as np
import pytest

from encas.errors import PoolError
from encas.pools.pool import Pool
from encas.pools.pool_check import check_pool
from encas.pools.pool_npz import export_npz, import_npz
from encas.pools.pool_samples import hashes_of, held_out_rows, refuse_held_out, write_part
from encas.pools.pool_split import mark_held_out
from encas.sample_identity import is_among, positions, union
from encas.search.front_finding import find_front


@pytest.fixture
def hashes(rng):
    return rng.integers(0, 256, (8, 32), dtype=np.uint8)


@pytest.fixture
def known(tiny_pool, hashes) -> Pool:
    return replace(tiny_pool, samples=hashes)


def test_hashes_of_a_pool_without_any_tell_the_same_labels_again(tiny_pool):
    first = hashes_of(tiny_pool)
    assert first.shape == (8, 32)
    assert len(np.unique(first, axis=0)) == 8
    other_models = Pool.of(
        outputs=[tiny_pool.outputs[0]], label=tiny_pool.label, names=["x"], costs={"macs": [1]}
    )
    np.testing.assert_array_equal(hashes_of(other_models), first)
    other_labels = replace(tiny_pool, label=tiny_pool.label[::-1])
    assert not is_among(hashes_of(other_labels), first).any()


def test_hashes_of_samples_come_first(known, hashes):
    np.testing.assert_array_equal(hashes_of(known), hashes)


def test_positions_find_the_first_row_of_each(hashes):
    doubled = np.concatenate([hashes[[3, 1]], hashes])
    np.testing.assert_array_equal(positions(hashes[[1, 3, 7]], doubled), [1, 0, 9])
    assert positions(np.full((1, 32), 7, np.uint8), hashes).tolist() == [-1]


def test_union_has_each_hash_once(hashes):
    assert union(None, None) is None
    assert len(union(hashes[:3], hashes[1:5])) == 5
    assert len(union(None, hashes[[0, 0]])) == 1


def test_saved_pool_keeps_hashes_and_identity(known, tiny_pool, hashes, tmp_path):
    stored = replace(known, held_out=hashes[:2]).save(tmp_path / "pool")
    assert stored.sha256 == tiny_pool.sha256
    np.testing.assert_array_equal(stored.samples, hashes)
    np.testing.assert_array_equal(stored.held_out, hashes[:2])
    assert check_pool(tmp_path / "pool").sha256 == stored.sha256


def test_saved_pool_with_changed_hashes_is_refused(known, tmp_path):
    known.save(tmp_path / "pool")
    content = bytearray((tmp_path / "pool" / "samples.npy").read_bytes())
    content[-1] ^= 1
    (tmp_path / "pool" / "samples.npy").write_bytes(bytes(content))
    with pytest.raises(PoolError, match="samples.npy: the content is not the one hashed"):
        check_pool(tmp_path / "pool")


@pytest.mark.parametrize("wrong", [np.zeros((7, 32), np.uint8), np.zeros((8, 31), np.uint8)])
def test_saved_pool_with_hashes_of_another_shape_is_refused(known, tmp_path, wrong):
    known.save(tmp_path / "pool")
    np.save(tmp_path / "pool" / "samples.npy", wrong)
    with pytest.raises(PoolError, match=r"samples: expected uint8 \[8, 32\], got uint8"):
        Pool.load(tmp_path / "pool")


def test_npz_keeps_hashes_on_the_way_out_and_in(known, hashes, tmp_path):
    export_npz(replace(known, held_out=hashes[:2]), tmp_path / "pool.npz")
    again = import_npz(tmp_path / "pool.npz")
    assert again.sha256 == known.sha256
    np.testing.assert_array_equal(again.samples, hashes)
    assert held_out_rows(again).sum() == 2


def test_npz_with_hashes_of_another_shape_is_refused(known, tmp_path):
    export_npz(replace(known, samples=known.samples[:5]), tmp_path / "pool.npz")
    with pytest.raises(PoolError, match=r"samples: expected uint8 \[8, 32\], got uint8 \(5, 32\)"):
        import_npz(tmp_path / "pool.npz")


def test_take_takes_the_samples_along(known, hashes):
    part = replace(known, held_out=hashes[:2]).take([5, 1])
    np.testing.assert_array_equal(part.samples, hashes[[5, 1]])
    assert held_out_rows(part).tolist() == [False, True]


def test_search_on_samples_kept_for_the_test_is_refused(known, hashes):
    marked = replace(known, held_out=hashes[[2, 6]])
    line = "2 of 8 samples are kept for the test and cannot be used to search; use the search part"
    with pytest.raises(PoolError, match=line):
        find_front(marked, evaluations=10)
    free = marked.take(np.flatnonzero(~held_out_rows(marked)))
    assert find_front(free, evaluations=10).cascades


def test_refusal_without_any_record_is_none(tiny_pool, known):
    refuse_held_out(tiny_pool, purpose="search")
    refuse_held_out(replace(known, held_out=np.zeros((0, 32), np.uint8)), purpose="search")


def test_mark_in_a_folder_is_seen_by_whoever_loads_it(tiny_pool, tmp_path):
    stored = tiny_pool.save(tmp_path / "pool")
    known = hashes_of(stored)
    mark_held_out(tmp_path / "pool", samples=known, held_out=known[:3])
    loaded = check_pool(tmp_path / "pool")
    assert loaded.sha256 == stored.sha256
    assert held_out_rows(loaded).sum() == 3


def test_part_keeps_models_samples_and_record_together(known, hashes, tmp_path):
    marked = replace(known, held_out=hashes[[0, 4]])
    part = write_part(marked, tmp_path / "p", models=[2, 0], rows=np.array([4, 0]))
    assert part.names == ("dear", "cheap")
    np.testing.assert_array_equal(part.outputs[0], known.outputs[2][[4, 0]])
    np.testing.assert_array_equal(part.samples, hashes[[4, 0]])
    assert held_out_rows(part).all()
