import json

import numpy as np
import pytest

from encas.errors import PoolError
from encas.pools.pool import Pool


@pytest.fixture
def stored(tiny_pool, tmp_path) -> Pool:
    return tiny_pool.save(tmp_path / "pool")


def rewrite(path, change) -> None:
    content = json.loads((path / "pool.json").read_text())
    change(content)
    (path / "pool.json").write_text(json.dumps(content))


def test_save_load_round_trip_is_identical(tiny_pool, stored):
    assert stored.sha256 == tiny_pool.sha256
    assert stored.models == tiny_pool.models
    np.testing.assert_array_equal(stored.label, tiny_pool.label)
    for index in range(3):
        np.testing.assert_array_equal(stored.outputs[index], tiny_pool.outputs[index])


def test_load_outputs_are_memory_mapped(stored):
    assert all(isinstance(output, np.memmap) for output in stored.outputs)


def test_load_missing_folder_is_refused(tmp_path):
    with pytest.raises(PoolError, match="no such pool folder"):
        Pool.load(tmp_path / "none")


def test_load_foreign_json_is_refused(stored):
    (stored.path / "pool.json").write_text("[1, 2")
    with pytest.raises(PoolError, match="not a JSON file"):
        Pool.load(stored.path)


def test_load_wrong_version_is_refused(stored):
    rewrite(stored.path, lambda content: content.update(version=2))
    with pytest.raises(PoolError, match="version must be 1, got 2"):
        Pool.load(stored.path)


def test_load_truncated_outputs_are_refused(stored):
    file = next((stored.path / "outputs").iterdir())
    file.write_bytes(file.read_bytes()[:-8])
    with pytest.raises(PoolError, match="truncated or not an .npy file"):
        Pool.load(stored.path)


def test_load_missing_outputs_are_refused(stored):
    next((stored.path / "outputs").iterdir()).unlink()
    with pytest.raises(PoolError, match="no such file"):
        Pool.load(stored.path)


def test_load_pickled_outputs_are_refused(stored):
    file = next((stored.path / "outputs").iterdir())
    np.save(file, np.array([{"a": 1}], object))
    with pytest.raises(PoolError, match="truncated or not an .npy file"):
        Pool.load(stored.path)


def test_load_other_shape_is_refused(stored):
    file = next((stored.path / "outputs").iterdir())
    np.save(file, np.zeros((2, 2), np.float32))
    with pytest.raises(PoolError, match=r"expected float32 \[8, 3\], got float32 \[2, 2\]"):
        Pool.load(stored.path)


@pytest.mark.parametrize("path", ["../pool.json", "/etc/passwd", "outputs/../../x", "a\\b", "c:x"])
def test_load_path_out_of_the_folder_is_refused(stored, path):
    rewrite(stored.path, lambda content: content["models"][0].update(file=path))
    with pytest.raises(PoolError, match="expected a relative path inside the folder"):
        Pool.load(stored.path)


def test_load_link_out_of_the_folder_is_refused(stored, tmp_path):
    outside = tmp_path / "outside.npy"
    np.save(outside, np.zeros((8, 3), np.float32))
    file = next((stored.path / "outputs").iterdir())
    file.unlink()
    file.symlink_to(outside)
    with pytest.raises(PoolError, match="a link out of it"):
        Pool.load(stored.path)


def test_load_changed_cost_is_refused(stored):
    rewrite(stored.path, lambda content: content["models"][0]["costs"].update(macs=1.0))
    with pytest.raises(PoolError, match="its sha256 is not that of its models"):
        Pool.load(stored.path)
