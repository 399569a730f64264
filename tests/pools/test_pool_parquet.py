"""Pools as parquet files."""

import json

import numpy as np
import pytest

parquet = pytest.importorskip("pyarrow.parquet")

from encas.pools.pool_parquet import export_parquet  # noqa: E402
from encas.pools.pool_samples import hashes_of  # noqa: E402


@pytest.mark.parametrize("group_bytes", [2**28, 3 * 3 * 3 * 4])
def test_export_has_a_row_for_each_sample(tiny_pool, tmp_path, monkeypatch, group_bytes):
    monkeypatch.setattr("encas.pools.pool_parquet.GROUP_BYTES", group_bytes)
    export_parquet(tiny_pool, tmp_path / "out" / "pool.parquet")
    table = parquet.read_table(tmp_path / "out" / "pool.parquet")
    assert table.column_names == ["label", "sample", "cheap", "middle", "dear"]
    np.testing.assert_array_equal(table["label"].to_numpy(), tiny_pool.label)
    for name, output in zip(tiny_pool.names, tiny_pool.outputs, strict=True):
        np.testing.assert_array_equal(np.stack(table[name].to_pylist()), output)
    assert table["sample"][3].as_py() == hashes_of(tiny_pool)[3].tobytes().hex()
    about = json.loads(table.schema.metadata[b"encas"])
    assert about["sha256"] == tiny_pool.sha256
    assert about["models"]["dear"]["costs"] == {"macs": 2e7, "params": 3e4}
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["pool.parquet"]
