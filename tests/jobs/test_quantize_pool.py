from dataclasses import replace

import numpy as np
import onnx
import pytest

from encas.data.open_data import open_data
from encas.errors import DataError, ExportError, PoolError
from encas.export.onnx_model import precision_of
from encas.jobs.quantize_pool import (
    CALIBRATION_BATCH,
    QuantizeRequest,
    _calibration,
    _file_name,
    _prove,
    quantize_pool,
)
from encas.pools.pool import Pool
from encas.runtime.session import FakeSession


def halved(loop, out, *, pool=None, told=None, **options):
    request = QuantizeRequest(**{"precision": "float16", "data": loop.data} | options)
    hear = (lambda _: None) if told is None else told.append
    return quantize_pool(pool or loop.pool, out, request, on_progress=hear)


def test_chosen_model_comes_beside_those_that_were_there(loop, tmp_path):
    told = []
    stored, (found,) = halved(loop, tmp_path / "out", names=("large",), told=told)
    before = Pool.load(loop.pool)
    assert stored.names == (*before.names, "large-float16")
    assert (stored.name, stored.data) == (before.name, loop.data)
    for old, new in zip(before.outputs, stored.outputs[:3], strict=True):
        assert np.array_equal(old, new)
    model = stored.models[3]
    assert (model.kind, model.costs) == ("probabilities", before.models[2].costs)
    assert model.source == "onnx:models/large-float16.onnx"
    file = stored.path / "models" / "large-float16.onnx"
    assert precision_of(onnx.load(file)) == "float16"
    assert (found.name, found.original) == ("large-float16", "large")
    assert found.file_bytes == file.stat().st_size
    assert told[-1].is_over
    assert told[-1].total == 1


def test_new_model_is_compared_with_the_old_one(loop, tmp_path):
    stored, (found,) = halved(loop, tmp_path / "out", names=("medium",))
    old, new = stored.probabilities(1), stored.probabilities(3)
    assert found.original_accuracy == (old.argmax(1) == stored.label).mean()
    assert found.accuracy == (new.argmax(1) == stored.label).mean()
    assert found.top1_agreement == (old.argmax(1) == new.argmax(1)).mean()
    assert found.max_difference == pytest.approx(float(abs(old - new).max()))
    assert 0 < found.max_difference < 0.01


def test_all_models_are_converted_but_those_that_were_already(loop, tmp_path):
    halved(loop, tmp_path / "a", names=("small",))
    stored, found = halved(loop, tmp_path / "b", pool=tmp_path / "a", precision="int8",
                           calibrate=loop.data)  # fmt: skip
    assert [one.original for one in found] == ["small", "medium", "large"]
    assert stored.names[4:] == ("small-int8", "medium-int8", "large-int8")
    with pytest.raises(PoolError, match="pool linear: has small-float16 already"):
        halved(loop, tmp_path / "c", pool=tmp_path / "b", names=("medium", "small"))
    assert not (tmp_path / "c").exists()


def test_costs_that_depend_on_the_precision_are_not_kept(loop, tmp_path):
    pool = Pool.load(loop.pool)
    priced = [replace(m, costs={**m.costs, "joules": 2.0}) for m in pool.models]
    Pool.of(outputs=pool.outputs, label=pool.label, models=priced, name="priced").save(
        tmp_path / "priced"
    )
    stored, _ = halved(loop, tmp_path / "out", pool=tmp_path / "priced", names=("small",))
    assert set(stored.models[0].costs) == {"macs", "params", "joules"}
    assert set(stored.models[3].costs) == {"macs", "params"}


def test_samples_and_what_is_held_out_stay(loop, tmp_path):
    pool = replace(Pool.load(loop.pool), samples=np.zeros((60, 32), np.uint8),
                   held_out=np.ones((2, 32), np.uint8))  # fmt: skip
    pool.save(tmp_path / "hashed")
    stored, _ = halved(loop, tmp_path / "out", pool=tmp_path / "hashed", names=("small",))
    assert np.array_equal(stored.samples, pool.samples)
    assert np.array_equal(stored.held_out, pool.held_out)


def test_pool_that_does_not_name_its_data_is_refused(loop, tmp_path):
    with pytest.raises(PoolError, match="does not say what it was built on; give --data DATA"):
        halved(loop, tmp_path / "out", data="")


@pytest.mark.parametrize("n_other", [1, 30])
def test_other_data_than_the_pools_are_refused(loop, tmp_path, n_other):
    with np.load(loop.pool.parent / "data.npz") as data:
        x, label = data["x"], data["label"].copy()
    if n_other == 1:
        label[0] = (label[0] + 1) % 4
    else:
        x, label = x[:n_other], label[:n_other]
    np.savez(tmp_path / "other.npz", x=x, label=label)
    fault = f"not the data that pool linear belongs to: none .* 60 samples is among these {len(x)}"
    with pytest.raises(DataError, match=fault):
        halved(loop, tmp_path / "out", data=f"npz:{tmp_path / 'other.npz'}", names=("small",))
    assert not (tmp_path / "out").exists()


class Moody(FakeSession):
    """Answers a batch by its size."""

    def run(self, batch):
        return super().run(batch) + np.float32(1e-3) * len(batch)


def test_answers_that_depend_on_the_batch_are_refused(loop):
    data = open_data(loop.data)
    rows = replace(data, sample_shape=(), dtype="int64", read=lambda rows: rows)
    outputs = np.full((60, 4), 0.25, np.float32)
    _prove(FakeSession(outputs), rows)
    with pytest.raises(ExportError, match="moody: its probabilities depend on the size of the"):
        _prove(Moody(outputs, name="moody"), rows)


@pytest.mark.parametrize(("n", "sizes"), [(5, [5]), (33, [32, 1]), (100, [32, 28])])
def test_samples_that_calibrate_are_different_ones_in_batches(loop, n, sizes):
    data = open_data(loop.data)
    batches = _calibration(data, n)
    assert [len(batch) for batch in batches] == sizes
    assert CALIBRATION_BATCH == 32
    assert len(np.unique(np.concatenate(batches).reshape(-1, 6), axis=0)) == sum(sizes)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("resnet18.a1", "resnet18.a1"), ("a/b c", "a_b_c"), ("../x", "x"), ("..", "model"),
     ("m" * 90, "m" * 80)],
)  # fmt: skip
def test_file_of_a_model_has_a_plain_name(name, expected):
    assert _file_name(name) == expected
