"""Reading all of a stored pool."""

from dataclasses import replace

import numpy as np
import pytest

from encas.errors import PoolError
from encas.pools.pool import Pool
from encas.pools.pool_check import check_outputs, check_pool
from encas.pools.pool_writing import write_pool
from encas.search.front_finding import find_front


@pytest.fixture
def stored(tiny_pool, tmp_path) -> Pool:
    return tiny_pool.save(tmp_path / "pool")


def test_check_changed_output_is_refused(stored):
    file = next((stored.path / "outputs").iterdir())
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(bytes(data))
    Pool.load(stored.path)
    with pytest.raises(PoolError, match="the content is not the one hashed"):
        check_pool(stored.path)


def flip_last_byte(path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))


def test_check_of_a_good_pool_is_the_pool(stored):
    assert check_pool(stored.path).sha256 == stored.sha256


def test_check_names_every_file_that_was_changed(stored):
    files = sorted((stored.path / "outputs").iterdir())[:2]
    label = np.load(stored.path / "label.npy")
    np.save(stored.path / "label.npy", label[::-1])
    for file in files:
        flip_last_byte(file)
    with pytest.raises(PoolError) as caught:
        check_pool(stored.path)
    text = str(caught.value)
    for name in (*(f"outputs/{file.name}" for file in files), "label.npy"):
        assert f"{name}: the content is not the one hashed in pool.json" in text


def test_check_reads_the_values_too(tiny_pool, tmp_path):
    wrong = [np.array(output) for output in tiny_pool.outputs]
    wrong[1][3, 0] = np.nan
    parts = zip(tiny_pool.models, wrong, strict=True)
    write_pool(tmp_path / "bad", parts, tiny_pool.about, overwrite=False)
    with pytest.raises(PoolError, match=r"bad: middle: NaN in 1 of 8 rows"):
        check_pool(tmp_path / "bad")


def test_check_of_hashes_of_samples_reads_them(tiny_pool, tmp_path):
    hashes = np.zeros((8, 32), np.uint8)
    replace(tiny_pool, samples=hashes, held_out=hashes[:2]).save(tmp_path / "pool")
    check_pool(tmp_path / "pool")
    for name in ("samples", "held_out"):
        flip_last_byte(tmp_path / "pool" / f"{name}.npy")
    with pytest.raises(PoolError, match=r"2 faults: samples.npy: .*; held_out.npy: "):
        check_pool(tmp_path / "pool")


def test_check_of_contenders_asks_whoever_can_read_them(stored):
    asked = []
    check_pool(stored.path, check_contenders=asked.append)
    assert asked == []
    (stored.path / "contenders").mkdir()
    check_pool(stored.path, check_contenders=asked.append)
    assert asked == [stored.path / "contenders"]
    check_pool(stored.path)


def test_check_of_a_folder_that_is_none_is_refused(tmp_path):
    with pytest.raises(PoolError, match="no such pool folder"):
        check_pool(tmp_path / "none")


def test_check_tells_how_many_files_are_hashed(stored):
    heard = []
    check_pool(stored.path, on_progress=heard.append)
    assert [(each.done, each.total, each.unit) for each in heard] == [
        (done, 4, "files") for done in range(5)
    ]
    assert heard[0].what == f"hashing {stored.path}"


def swapped(folder, file):
    """Puts other values of the same shape and type into a pool's file."""
    array = np.load(folder / file)
    np.save(folder / file, np.full_like(array, np.nan) if array.dtype.kind == "f" else array[::-1])


def test_outputs_that_are_not_those_hashed_are_refused_before_they_are_read(tiny_pool, tmp_path):
    pool = tiny_pool.save(tmp_path / "pool")
    check_outputs(pool)
    check_outputs(tiny_pool)
    (file,) = (tmp_path / "pool" / "outputs").glob("dear*")
    swapped(tmp_path / "pool", f"outputs/{file.name}")
    match = f"outputs/{file.name}: the content is not the one hashed in pool.json"
    with pytest.raises(PoolError, match=match):
        check_outputs(Pool.load(tmp_path / "pool"))
    with pytest.raises(PoolError, match=match):
        find_front(Pool.load(tmp_path / "pool"), max_members=2)


@pytest.mark.parametrize("file", ["label.npy", "samples.npy", "held_out.npy"])
def test_small_arrays_are_held_against_their_hashes_at_once(tiny_pool, tmp_path, file):
    hashes = np.arange(8 * 32, dtype=np.uint8).reshape(8, 32)
    replace(tiny_pool, samples=hashes, held_out=hashes[:2]).save(tmp_path / "pool")
    swapped(tmp_path / "pool", file)
    with pytest.raises(PoolError, match=f"{file}: the content is not the one hashed"):
        Pool.load(tmp_path / "pool")
