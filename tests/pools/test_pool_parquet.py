"""Pools as parquet files."""

import json
from dataclasses import replace

import numpy as np
import pytest

pyarrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")

from encas.errors import PoolError  # noqa: E402
from encas.pools.import_pool import import_pool  # noqa: E402
from encas.pools.pool_parquet import export_parquet, read_pool_parquet  # noqa: E402
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


def test_import_gives_back_what_was_exported(tiny_pool, tmp_path):
    pool = replace(tiny_pool.with_temperatures([1.0, 2.0, 3.0]), classes=("x", "y", "z"),
                   held_out=np.ones((2, 32), np.uint8))  # fmt: skip
    export_parquet(pool, tmp_path / "pool.parquet")
    again = import_pool(tmp_path / "pool.parquet")
    assert (again.sha256, again.classes, again.samples) == (pool.sha256, pool.classes, None)
    assert np.array_equal(again.held_out, pool.held_out)
    known = replace(pool, samples=np.arange(8 * 32, dtype=np.uint8).reshape(8, 32))
    export_parquet(known, tmp_path / "known.parquet")
    assert np.array_equal(import_pool(tmp_path / "known.parquet").samples, known.samples)


def written(path, **columns):
    parquet.write_table(pyarrow.table(columns), path)
    return path


def test_file_of_another_program_needs_label_lists_and_costs(tmp_path):
    file = written(tmp_path / "in.parquet", label=[0, 1], a=[[0.9, 0.1], [0.4, 0.6]], note=["", ""])
    (tmp_path / "costs.csv").write_text("name,macs\na,5\n")
    pool = import_pool(file, costs=tmp_path / "costs.csv")
    assert (pool.names, pool.costs("macs").tolist(), pool.n_classes) == (("a",), [5], 2)


@pytest.mark.parametrize(
    ("columns", "match"),
    [
        ({"a": [[1.0]]}, "expected the column label and for each model .* got a"),
        ({"label": [0, 1], "a": [[1.0, 0.0], [1.0]]}, "lists of one length, got 1, 2"),
        ({"label": [0, 1], "a": [[1.0, 0.0], None]}, "1 empty cells"),
        ({"label": [0], "a": [[1.0]], "sample": ["xyz"]}, "64 hexadecimal digits"),
    ],
)
def test_file_that_lacks_something_is_refused(tmp_path, columns, match):
    with pytest.raises(PoolError, match=match):
        read_pool_parquet(written(tmp_path / "in.parquet", **columns))


def test_file_that_is_no_parquet_is_refused(tmp_path):
    (tmp_path / "in.parquet").write_bytes(b"PAR1")
    with pytest.raises(PoolError, match="not a parquet file"):
        import_pool(tmp_path / "in.parquet")
