"""What lies in a folder that was written, and that it is all or nothing."""

import hashlib
import json

import numpy as np
import pytest

from encas.errors import PoolError
from encas.pools.model import Model
from encas.pools.pool import Pool
from encas.pools.pool_check import check_pool
from encas.pools.pool_writing import About, store_outputs, write_index, write_pool


@pytest.fixture
def stored(tiny_pool, tmp_path) -> Pool:
    return tiny_pool.save(tmp_path / "pool")


def test_save_float16_stays_float16(tiny_pool, tmp_path):
    half = Pool.of(
        outputs=[np.asarray(output, np.float16) for output in tiny_pool.outputs],
        label=tiny_pool.label,
        models=tiny_pool.models,
    ).save(tmp_path / "half")
    assert half.outputs[0].dtype == np.float16
    assert half.probabilities(0).dtype == np.float32


def test_save_existing_folder_is_kept(tiny_pool, stored):
    with pytest.raises(PoolError, match="already exists; .*--overwrite"):
        tiny_pool.save(stored.path)
    assert check_pool(stored.path).sha256 == stored.sha256


def test_save_overwrite_replaces_and_leaves_nothing_else(tiny_pool, stored):
    other = tiny_pool.take([0, 1, 2]).save(stored.path, overwrite=True)
    assert other.n_samples == 3
    assert [p.name for p in stored.path.parent.iterdir()] == ["pool"]


def test_save_interrupted_leaves_nothing(tiny_pool, tmp_path, monkeypatch):
    monkeypatch.setattr("encas.pools.pool_writing.write_index", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        tiny_pool.save(tmp_path / "pool")
    assert list(tmp_path.iterdir()) == []


def test_save_odd_model_names_give_plain_files(tiny_pool, tmp_path):
    names = ["../../etc/passwd", "hf:timm/x y", "hf_timm_x y"]
    pool = Pool.of(
        outputs=tiny_pool.outputs, label=tiny_pool.label, names=names, costs={"macs": [1, 2, 3]}
    ).save(tmp_path / "pool")
    assert pool.names == tuple(names)
    files = sorted(p.name for p in (tmp_path / "pool" / "outputs").iterdir())
    assert len(files) == 3
    assert all(".." not in file and "/" not in file and " " not in file for file in files)


def test_save_whole_number_costs_load_again(tiny_pool, tmp_path):
    models = [Model(name=m.name, kind=m.kind, costs={"macs": 5}) for m in tiny_pool.models]
    pool = Pool.of(outputs=tiny_pool.outputs, label=tiny_pool.label, models=models)
    assert pool.save(tmp_path / "pool").sha256 == pool.sha256


def test_written_index_states_what_lies_in_the_folder(stored):
    content = json.loads((stored.path / "pool.json").read_text())
    assert (content["format"], content["version"]) == ("encas.pool", 1)
    assert (content["name"], content["n_samples"], content["n_classes"]) == ("tiny", 8, 3)
    assert (content["sha256"], content["classes"], content["data"]) == (stored.sha256, None, "")
    for item in [*content["models"], content["label"]]:
        data = (stored.path / item["file"]).read_bytes()
        assert item["sha256"] == hashlib.sha256(data).hexdigest()
    assert content["models"][1] | {"file": "", "sha256": ""} == {
        "name": "middle",
        "file": "",
        "sha256": "",
        "kind": "probabilities",
        "dtype": "float32",
        "costs": {"macs": 4e6, "params": 5e3},
        "source": "",
        "temperature": 1.0,
    }
    assert "samples" not in content


def test_written_outputs_lie_under_the_name_and_its_hash(tmp_path):
    model = Model(name="hf:timm/x y", kind="logits", costs={})
    record = store_outputs(tmp_path, model, np.zeros((2, 3), np.float16))
    digest = hashlib.sha256(b"hf:timm/x y").hexdigest()[:8]
    assert record.file == f"outputs/hf_timm_x_y-{digest}.npy"
    assert record.dtype == "float16"
    assert np.load(tmp_path / record.file).shape == (2, 3)


@pytest.mark.parametrize(("name", "stem"), [("...", "model"), ("n" * 200, "n" * 80)])
def test_written_outputs_of_odd_and_long_names_have_short_plain_ones(tmp_path, name, stem):
    model = Model(name=name, kind="logits", costs={})
    record = store_outputs(tmp_path, model, np.zeros((1, 1), np.float32))
    assert record.file == f"outputs/{stem}-{hashlib.sha256(name.encode()).hexdigest()[:8]}.npy"


def test_written_index_of_fewer_models_is_a_pool_of_those(tiny_pool, tmp_path):
    records = [
        store_outputs(tmp_path, model, output)
        for model, output in zip(tiny_pool.models, tiny_pool.outputs, strict=True)
    ]
    write_index(tmp_path, records[1:], tiny_pool.about)
    assert check_pool(tmp_path).names == ("middle", "dear")


def test_written_classes_data_and_hashes_are_read_back(tiny_pool, tmp_path):
    hashes = np.arange(8 * 32).astype(np.uint8).reshape(8, 32)
    about = About(
        name="n", label=tiny_pool.label, classes=("x", "y", "z"), data="digits", samples=hashes
    )
    parts = zip(tiny_pool.models, tiny_pool.outputs, strict=True)
    write_pool(tmp_path / "pool", parts, about, overwrite=False)
    pool = Pool.load(tmp_path / "pool")
    assert (pool.name, pool.classes, pool.data) == ("n", ("x", "y", "z"), "digits")
    np.testing.assert_array_equal(pool.samples, hashes)
    assert pool.held_out is None
