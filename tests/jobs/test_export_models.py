import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from encas.errors import ExportError, PoolError
from encas.jobs.export_models import EXPORT_FILE, export_models
from encas.pools.models.declared_classes import declared_classes
from encas.pools.models.specs import source_model
from encas.pools.pool import Pool
from encas.pools.pool_check import check_pool


def exported(loop, out, *, pool=None, **options):
    return export_models(pool or loop.pool, out=out, data=loop.data, limit=20, **options)


def test_new_pool_has_the_outputs_and_files_of_its_own(loop, tmp_path):
    told = []
    report = exported(loop, tmp_path / "out", on_progress=told.append)
    before, after = Pool.load(loop.pool), check_pool(tmp_path / "out")
    assert (report.n_models, report.refusals, told[-1].is_over) == (3, (), True)
    assert after.names == before.names
    for old, new in zip(before.outputs, after.outputs, strict=True):
        assert np.array_equal(old, new)
    assert [m.costs for m in after.models] == [m.costs for m in before.models]
    assert after.models[0].source == "onnx:models/small.onnx?kind=logits"
    assert (tmp_path / "out" / "models" / "small.onnx").stat().st_size == report.files[0].file_bytes
    assert {one.n_samples for one in report.files} == {20}
    assert {one.top1_agreement for one in report.files} == {1.0}


def test_folder_can_be_moved_and_needs_nothing_else(loop, tmp_path):
    exported(loop, tmp_path / "out")
    x = np.load(tmp_path / "data.npz")["x"]
    (tmp_path / "elsewhere").mkdir()
    moved = (tmp_path / "out").rename(tmp_path / "elsewhere" / "moved")
    for file in tmp_path.glob("*.onnx"):
        file.unlink()
    again = export_models(moved, out=tmp_path / "again", data=loop.data)
    assert again.n_models == 3
    (file,) = (one for one in again.files if one.name == "large")
    assert file.max_difference < 1e-6
    assert x.shape[1:] == (1, 2, 3)


def test_models_that_cannot_be_exported_are_named_and_the_same_call_goes_on(loop, tmp_path):
    gone = tmp_path / "medium.onnx"
    kept = gone.rename(tmp_path / "kept")
    report = exported(loop, tmp_path / "out")
    assert [one.name for one in report.refusals] == ["medium"]
    assert "no such file" in report.refusals[0].reason
    assert check_pool(tmp_path / "out").names == ("small", "large")
    kept.rename(gone)
    report = exported(loop, tmp_path / "out")
    assert [one.name for one in report.files] == ["medium"]
    assert Pool.load(tmp_path / "out").names == ("small", "medium", "large")


def test_none_that_can_be_exported_is_an_error_with_the_reasons(loop, tmp_path):
    for file in tmp_path.glob("*.onnx"):
        file.unlink()
    with pytest.raises(ExportError, match="none of 3 models could be exported; small: .*no such"):
        exported(loop, tmp_path / "out")


def test_model_that_answers_otherwise_than_the_pool_says_leaves_no_file(loop, tmp_path):
    shutil.copy(tmp_path / "small.onnx", tmp_path / "large.onnx")
    report = exported(loop, tmp_path / "out")
    (refusal,) = report.refusals
    assert refusal.name == "large"
    assert "of 20 samples only: the model, its preprocessing or the data are not those" in (
        refusal.reason
    )
    assert not (tmp_path / "out" / "models" / "large.onnx").exists()


def test_folder_that_is_something_else_is_refused(loop, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "letter.txt").write_text("dear")
    with pytest.raises(PoolError, match="is no folder of an earlier export of this pool"):
        exported(loop, tmp_path / "out", overwrite=True)
    with pytest.raises(PoolError, match="is the pool itself"):
        exported(loop, loop.pool, overwrite=True)


def test_export_of_another_pool_is_replaced_where_that_is_wanted(loop, tmp_path):
    exported(loop, tmp_path / "out")
    state = json.loads((tmp_path / "out" / EXPORT_FILE).read_text())
    (tmp_path / "out" / EXPORT_FILE).write_text(json.dumps(state | {"pool": "0" * 64}))
    with pytest.raises(PoolError, match="of this pool; give another --out, or --overwrite"):
        exported(loop, tmp_path / "out")
    assert len(exported(loop, tmp_path / "out", overwrite=True).files) == 3


def test_temperature_classes_and_what_is_held_out_stay(loop, tmp_path):
    pool = Pool.load(loop.pool)
    pool = replace(pool.with_temperatures([2.0, 1.0, 0.5]), classes=("a", "b", "c", "d"),
                   path=pool.path, held_out=np.ones((2, 32), np.uint8))  # fmt: skip
    report = exported(loop, tmp_path / "out", pool=pool)
    after = Pool.load(tmp_path / "out")
    assert [m.temperature for m in after.models] == [2.0, 1.0, 0.5]
    assert max(one.max_difference for one in report.files) < 1e-5
    assert np.array_equal(after.held_out, pool.held_out)
    source = source_model(after.models[0].source, base=after.path)
    assert declared_classes(source) == ("a", "b", "c", "d")


def test_pool_that_does_not_name_its_data_is_refused(loop, tmp_path):
    with pytest.raises(PoolError, match="does not say what it was built on; give --data DATA"):
        export_models(loop.pool, out=tmp_path / "out")
