import numpy as np
import pytest

from encas.errors import PoolError
from encas.pools.import_pool import import_pool
from encas.pools.pool_npz import export_npz


def test_npz_file_is_named_after_the_file(tiny_pool, tmp_path):
    export_npz(tiny_pool, tmp_path / "in.npz")
    assert import_pool(tmp_path / "in.npz").sha256 == tiny_pool.sha256
    assert import_pool(tmp_path / "in.npz").name == "in"


def test_array_alone_says_what_is_missing(tmp_path):
    np.save(tmp_path / "single.npy", np.zeros(3))
    match = "outputs alone; put it as outputs.npy into a folder with label.npy and models.csv"
    with pytest.raises(PoolError, match=match):
        import_pool(tmp_path / "single.npy")


def test_other_files_are_refused(tmp_path):
    with pytest.raises(PoolError, match="no such file"):
        import_pool(tmp_path / "none.npz")
    (tmp_path / "x.pkl").write_bytes(b"")
    with pytest.raises(PoolError, match=r"expected FILE.npz, FILE.parquet, FILE.csv, or a folder"):
        import_pool(tmp_path / "x.pkl")
