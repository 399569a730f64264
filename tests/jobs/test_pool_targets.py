import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from encas.errors import ExportError
from encas.jobs.pool_targets import ExportedModels, PoolModels, pool_targets, spec_targets
from encas.pools.models.specs import SIDECAR
from encas.pools.pool import Pool
from encas.runtime.placement import Placement

PLACEMENT = Placement(n_threads=1)


@pytest.fixture
def pool(loop) -> Pool:
    return Pool.load(loop.pool)


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "exported").mkdir()
    return tmp_path / "exported"


@pytest.fixture
def models(loop, pool, folder) -> PoolModels:
    return PoolModels(pool, folder, PLACEMENT, exporter="dynamo", data=loop.data)


def test_targets_are_the_models_by_name_with_their_specs(models, pool, folder):
    targets = models.targets()
    assert [target.name for target in targets] == list(pool.names)
    assert [target.source for target in targets] == [model.source for model in pool.models]
    assert list(models.members) == list(pool.names)
    assert not list(folder.iterdir()), "nothing is exported yet"


def test_opened_model_answers_as_the_pool_says(models, pool):
    x = np.load(pool.path.parent / "data.npz")["x"]
    for target in models.targets():
        session = target.open()
        assert (session.info.name, session.info.n_classes) == (target.name, pool.n_classes)
        assert session.info.input_shape == x.shape[1:]
        index = pool.index(target.name)
        np.testing.assert_allclose(session.run(x), pool.probabilities(index), atol=1e-5)


def test_data_that_tell_nothing_new_need_not_be_there(loop, pool, folder):
    (loop.pool.parent / "data.npz").unlink()
    models = PoolModels(pool, folder, PLACEMENT, exporter="dynamo", data=loop.data)
    assert models.open("small").info.input_shape == (1, 2, 3)


def test_model_is_exported_once_and_stays_on_the_disk(models, folder):
    first = models.open("medium")
    (file,) = folder.glob("*.onnx")
    assert file.name == "1.onnx"
    written = file.stat().st_mtime_ns
    assert models.open("medium").info.sha256 == first.info.sha256
    assert file.stat().st_mtime_ns == written


def test_model_that_is_not_kept_leaves_no_file_and_is_exported_again(models, folder):
    target = models.targets(keep_files=False)[0]
    x = np.zeros((1, 1, 2, 3), np.float32)
    for _ in range(2):
        session = target.open()
        assert not list(folder.iterdir())
        assert session.run(x).shape == (1, 4)


def test_model_runs_with_its_temperature_inside(loop, pool, folder):
    warm = replace(pool, models=tuple(replace(m, temperature=4.0) for m in pool.models))
    hot, plain = (
        PoolModels(each, folder / name, PLACEMENT, exporter="dynamo", data=loop.data)
        for name, each in (("hot", warm), ("plain", pool))
    )
    for name in ("hot", "plain"):
        (folder / name).mkdir()
    x = np.load(loop.pool.parent / "data.npz")["x"][:5]
    assert (hot.open("small").run(x).max(1) < plain.open("small").run(x).max(1)).all()


def test_models_that_want_other_samples_read_other_inputs(loop, pool, folder):
    wanted = {"size": [2, 3], "mean": [0.5], "std": [0.5]}
    (loop.pool.parent / f"large.onnx{SIDECAR}").write_text(json.dumps(wanted))
    models = PoolModels(pool, folder, PLACEMENT, exporter="dynamo", data=loop.data)
    assert models.views.reads == ("input", "input", "input_2")
    assert models.open("large").info.reads == "input_2"
    assert models.open("small").info.reads == "input"


def test_models_without_a_spec_are_refused(tiny_pool, folder):
    with pytest.raises(ExportError, match="3 faults: cheap has no source.*middle has.*dear has"):
        PoolModels(tiny_pool, folder, PLACEMENT, exporter="dynamo")


def test_targets_of_a_pool_lie_nowhere_when_they_are_done(loop, pool):
    with pool_targets(pool, PLACEMENT, exporter="dynamo", data=loop.data) as targets:
        assert [target.name for target in targets] == list(pool.names)
        assert targets[2].open().run(np.zeros((1, 1, 2, 3), np.float32)).shape == (1, 4)


@pytest.mark.parametrize(("keep_files", "n_files"), [(True, 1), (False, 0)])
def test_targets_of_specs_lie_in_a_folder_that_goes(loop, monkeypatch, keep_files, n_files):
    specs = {"mine": f"onnx:{loop.pool.parent / 'small.onnx'}?input_shape=1x2x3"}
    where = []
    opened = ExportedModels.open

    def noticed(self, name, **options):
        session = opened(self, name, **options)
        where.append(self._folder)
        return session

    monkeypatch.setattr(ExportedModels, "open", noticed)
    with spec_targets(specs, PLACEMENT, exporter="dynamo", keep_files=keep_files) as targets:
        (target,) = targets
        assert (target.name, target.source) == ("mine", specs["mine"])
        target.open()
        assert len(list(where[0].iterdir())) == n_files
    assert not where[0].exists()
