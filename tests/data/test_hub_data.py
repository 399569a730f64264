"""Data sets of the hub, on parquet files like those of its repositories."""

import json
import shutil

import numpy as np
import pytest

pyarrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")

from encas.data.open_source import open_source  # noqa: E402
from encas.errors import DataError  # noqa: E402

COMMIT = "1" * 40


@pytest.fixture
def images(pictures):
    return [path.read_bytes() for path in sorted(pictures.rglob("*.png"))]


@pytest.fixture
def repository(tmp_path, images):
    (tmp_path / "data").mkdir()
    features = {"label": {"names": ["ant", "bee", "cat"], "_type": "ClassLabel"}}
    about = {"huggingface": json.dumps({"info": {"features": features}})}
    for shard, rows in enumerate(([0, 5, 9], [1, 11])):
        table = pyarrow.table(
            {
                "image": [{"bytes": images[row], "path": f"{row}.png"} for row in rows],
                "label": pyarrow.array([row // 4 for row in rows], pyarrow.int64()),
            }
        ).replace_schema_metadata(about)
        name = f"validation-0000{shard}-of-00002.parquet"
        parquet.write_table(table, tmp_path / "data" / name, row_group_size=2)
    return tmp_path


def test_folder_is_read_across_files_and_row_groups(repository, images):
    source = open_source(f"hf-data:{repository}")
    assert source.classes == ("ant", "bee", "cat")
    assert source.label.tolist() == [0, 1, 2, 0, 2]
    assert [source.raw(row) for row in range(5)] == [images[i] for i in (0, 5, 9, 1, 11)]


def test_repository_in_the_cache_needs_no_network(repository, tmp_path, monkeypatch):
    cache = tmp_path / "cache"
    snapshot = cache / "datasets--some--data" / "snapshots" / COMMIT
    shutil.copytree(repository / "data", snapshot / "data")
    (cache / "datasets--some--data" / "refs").mkdir()
    (cache / "datasets--some--data" / "refs" / "main").write_text(COMMIT)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache))
    assert open_source("hf-data:some/data:validation").n_samples == 5


def test_missing_repository_says_what_to_put_where(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(
        DataError, match=r"give --download, or copy its folder datasets--some--data"
    ):
        open_source("hf-data:some/data")


def test_missing_split_is_refused(repository):
    with pytest.raises(DataError, match=r"no train-\*.parquet here"):
        open_source(f"hf-data:{repository}:train")


def test_table_of_something_else_is_refused(tmp_path):
    parquet.write_table(pyarrow.table({"text": ["a"]}), tmp_path / "test.parquet")
    with pytest.raises(DataError, match="expected a column of images .* the columns are text"):
        open_source(f"hf-data:{tmp_path}")


def test_negative_labels_are_refused(tmp_path, images):
    table = pyarrow.table({"image": [{"bytes": images[0], "path": ""}], "label": np.array([-1])})
    parquet.write_table(table, tmp_path / "test.parquet")
    with pytest.raises(DataError, match="expected labels >= 0"):
        open_source(f"hf-data:{tmp_path}")
