"""Splits: stratified, seeded, and a test sample is one for ever."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from encas.errors import PoolError
from encas.pools.pool import Pool
from encas.pools.pool_check import check_pool
from encas.pools.pool_samples import hashes_of, held_out_rows, refuse_held_out
from encas.pools.pool_split import PARTS, split_pool, split_rows
from encas.sample_identity import is_among

SHARES = {"search": 0.5, "selection": 0.25, "test": 0.25}


def pool_of(label) -> Pool:
    label = np.asarray(label)
    rng = np.random.default_rng(1)
    outputs = rng.random((2, len(label), label.max() + 1)).astype(np.float32)
    outputs /= outputs.sum(-1, keepdims=True)
    return Pool.of(outputs=list(outputs), label=label, costs={"macs": [1, 2]}, name="whole")


@pytest.fixture
def whole() -> Pool:
    return pool_of(np.repeat([0, 1, 2], [60, 40, 20]))


def test_split_has_the_shares_and_the_classes_shares(whole):
    rows = split_rows(whole, SHARES, seed=0)
    assert [len(rows[name]) for name in PARTS] == [60, 30, 30]
    for name in PARTS:
        counts = np.bincount(whole.label[rows[name]], minlength=3) / len(rows[name])
        assert np.abs(counts - [0.5, 1 / 3, 1 / 6]).max() <= 2 / len(rows[name])
    together = np.concatenate(list(rows.values()))
    assert sorted(together) == list(range(120))


def test_split_repeats_with_the_seed(whole):
    first, again, other = (split_rows(whole, SHARES, seed=s)["test"] for s in (4, 4, 5))
    np.testing.assert_array_equal(first, again)
    assert set(first) != set(other)


@given(
    st.lists(st.integers(0, 3), min_size=20, max_size=80),
    st.tuples(st.floats(0.1, 0.6), st.floats(0.1, 0.3)),
    st.integers(0, 99),
)
def test_split_of_any_labels_is_a_partition(label, shares, seed):
    search, selection = shares
    wanted = {"search": search, "selection": selection, "test": 1 - search - selection}
    rows = split_rows(pool_of(label), wanted, seed=seed)
    assert sorted(np.concatenate(list(rows.values()))) == list(range(len(label)))
    for name in ("search", "selection"):
        assert abs(len(rows[name]) - wanted[name] * len(label)) <= 1


def test_split_without_a_test_part_makes_none(whole):
    rows = split_rows(whole, {"search": 0.7, "selection": 0.3, "test": 0}, seed=0)
    assert [len(rows[name]) for name in rows] == [84, 36]


def test_stored_parts_and_the_whole_know_the_test_samples(whole, tmp_path):
    stored = whole.save(tmp_path / "whole")
    parts = split_pool(stored, out=tmp_path / "parts", **SHARES, seed=0)
    assert [check_pool(tmp_path / "parts" / name).sha256 for name in PARTS] == [
        parts[name].sha256 for name in PARTS
    ]
    refuse_held_out(parts["search"], purpose="search")
    refuse_held_out(parts["selection"], purpose="search")
    for pool in (parts["test"], Pool.load(tmp_path / "whole")):
        with pytest.raises(PoolError, match="are kept for the test and cannot be used to search"):
            refuse_held_out(pool, purpose="search")


def test_split_again_with_another_seed_keeps_the_test_samples(whole, tmp_path):
    stored = whole.save(tmp_path / "whole")
    first = split_pool(stored, out=tmp_path / "first", **SHARES, seed=0)
    again = split_pool(Pool.load(tmp_path / "whole"), out=tmp_path / "second", **SHARES, seed=9)
    old, new = hashes_of(first["test"]), hashes_of(again["test"])
    assert is_among(old, new).all()
    assert len(new) == len(old)
    assert not is_among(hashes_of(again["search"]), old).any()


def test_split_that_wants_fewer_test_samples_than_there_are_keeps_them_all(whole):
    hashes = hashes_of(whole)
    marked = replace(whole, samples=hashes, held_out=hashes[:80])
    rows = split_rows(marked, {"search": 0.5, "selection": 0.5, "test": 0}, seed=0)
    assert set(rows["test"]) == set(range(80))
    assert (len(rows["search"]), len(rows["selection"])) == (20, 20)


def test_equal_samples_stay_together(whole):
    hashes = np.array(hashes_of(whole))
    hashes[1::2] = hashes[::2]
    doubled = replace(whole, samples=hashes)
    rows = split_rows(doubled, SHARES, seed=3)
    for chosen in rows.values():
        assert set(chosen // 2 * 2) | set(chosen // 2 * 2 + 1) == set(chosen)


def test_split_of_a_pool_in_memory_writes_the_parts_alone(whole, tmp_path):
    parts = split_pool(whole, out=tmp_path / "parts", **SHARES, seed=0)
    assert held_out_rows(parts["test"]).all()
    assert [path.name for path in tmp_path.iterdir()] == ["parts"]


def test_split_without_a_folder_leaves_the_parts_in_memory(whole):
    parts, rows = split_pool(whole, seed=3), split_rows(whole, SHARES, seed=3)
    assert {name: part.path for name, part in parts.items()} == dict.fromkeys(PARTS)
    for name, part in parts.items():
        np.testing.assert_array_equal(part.label, whole.label[rows[name]])
    refuse_held_out(parts["search"], purpose="search")
    with pytest.raises(PoolError, match="kept for the test"):
        refuse_held_out(parts["test"], purpose="search")


def test_split_of_a_stored_pool_needs_a_folder(whole, tmp_path):
    whole.save(tmp_path / "whole")
    with pytest.raises(PoolError, match="whole: the pool lies in a folder, .* give out="):
        split_pool(tmp_path / "whole")


@pytest.mark.parametrize(
    ("shares", "fault"),
    [
        ({"search": 0.5, "selection": 0.2, "test": 0.2}, r"must add up to 1, got 0.9"),
        ({"search": 1.5, "test": -0.5}, r"share of search must be in \[0, 1\], got 1.5; the share"),
        ({"train": 1.0}, "unknown part 'train'"),
        ({"search": 0.999, "test": 0.001}, "no samples are left for test"),
    ],
)
def test_shares_that_make_no_split_are_refused(whole, shares, fault):
    with pytest.raises(PoolError, match=fault):
        split_rows(whole, shares, seed=0)


def test_split_into_a_folder_that_exists_is_refused(whole, tmp_path):
    (tmp_path / "parts").mkdir()
    with pytest.raises(PoolError, match="already exists; give another path"):
        split_pool(whole, out=tmp_path / "parts", **SHARES, seed=0)
