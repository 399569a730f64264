"""The folder of a pool that is being built: valid after each model, whatever comes when."""

from pathlib import Path

import numpy as np
import pytest

from encas.data.open_source import open_source
from encas.errors import PoolError
from encas.files import unfinished_files
from encas.pools.building.build_job import BuildAnswer
from encas.pools.building.build_options import BuildOptions
from encas.pools.building.build_state import BuildState, Planned
from encas.pools.building.build_store import PoolStore
from encas.pools.models.model_requests import ModelRequest
from encas.pools.pool_check import check_pool

NAMES = ("a", "b", "c")
STEPS = '{"size": [8, 8]}'


@pytest.fixture
def data(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in NAMES:
        (tmp_path / f"{name}.onnx").write_bytes(name.encode())
    (tmp_path / "steps.json").write_text(STEPS)
    np.savez(tmp_path / "x.npz", x=np.eye(4, dtype=np.float32), label=[0, 1, 1, 0])
    return open_source(f"npz:{tmp_path / 'x.npz'}")


def store_of(data, **changes) -> PoolStore:
    planned = [Planned(name=n, spec=f"onnx:{n}.onnx", preprocessing={}, files=()) for n in NAMES]
    state = BuildState(
        data=data.name, data_sha256="0" * 64, n_classes=2, settings={}, models=tuple(planned)
    )
    folder = Path("deep") / "pool"
    folder.mkdir(parents=True, exist_ok=True)
    values = {
        "folder": folder,
        "state": state,
        "data": data,
        "hashes": data.sample_hashes(),
        "options": BuildOptions(),
        "requests": {n: ModelRequest(name=n, spec=f"onnx:{n}.onnx") for n in NAMES},
        "unaware": frozenset(),
    }
    return PoolStore(**values | changes)


def answer(name, n_right=4, **values) -> BuildAnswer:
    """Outputs that are right for the first `n_right` samples."""
    outputs = np.array([[2, 1], [1, 2], [1, 2], [2, 1]], np.float32)
    outputs[n_right:] = outputs[n_right:, ::-1]
    return BuildAnswer(**{"name": name, "outputs": outputs} | values)


def test_pool_has_the_order_of_the_plan_whenever_its_models_come(data):
    store = store_of(data)
    for name in ("c", "a"):
        store.add(answer(name))
    assert check_pool(store.folder).names == ("a", "c")
    store.add(answer("b"))
    pool = check_pool(store.folder)
    assert pool.names == NAMES
    assert (pool.name, pool.data, pool.label.tolist()) == ("pool", data.name, [0, 1, 1, 0])
    assert np.array_equal(pool.samples, data.sample_hashes())
    assert store.names == set(NAMES)


@pytest.mark.parametrize("n_right", [0, 3, 4])
def test_added_model_is_told_with_its_accuracy(data, n_right):
    model, accuracy = store_of(data).add(answer("a", n_right))
    assert accuracy == n_right / 4
    assert (model.name, model.kind, model.source) == (
        "a",
        "logits",
        "onnx:../../a.onnx?kind=logits",
    )


def test_given_costs_count_more_than_those_that_were_counted(data):
    options = BuildOptions(costs={"a": {"macs": 7, "joules": 0.5}, "b": {"macs": 1}})
    store = store_of(data, options=options)
    model, _ = store.add(answer("a", costs={"macs": 5.0, "params": 3.0}))
    assert model.costs == {"macs": 7.0, "params": 3.0, "joules": 0.5}


def test_probabilities_are_stored_as_such_and_in_the_wanted_type(data):
    store = store_of(data, options=BuildOptions(stored="float16", name="mine"))
    shares = np.array([[1, 0], [0.25, 0.75], [0.5, 0.5], [0, 1]], np.float32)
    store.add(answer("a", outputs=shares, kind="probabilities"))
    pool = check_pool(store.folder)
    assert (pool.name, pool.models[0].kind) == ("mine", "probabilities")
    assert pool.outputs[0].dtype == np.float16
    assert np.array_equal(pool.outputs[0], shares)


def test_outputs_that_make_no_pool_are_refused_and_leave_it_as_it_is(data):
    store = store_of(data, options=BuildOptions(stored="float16"))
    store.add(answer("a"))
    too_large = np.array([[1e5, 0]] * 4, np.float32)
    with pytest.raises(PoolError, match="b: infinity in 4 of 4 rows"):
        store.add(answer("b", outputs=too_large))
    assert store.names == {"a"}
    assert check_pool(store.folder).names == ("a",)


def test_part_of_the_data_does_not_name_them(data):
    store = store_of(data, options=BuildOptions(rows=(0, 1, 2, 3)))
    store.add(answer("a"))
    assert check_pool(store.folder).data == ""


def test_unaware_models_get_a_copy_of_the_preprocessing_they_were_given(data):
    options = BuildOptions(preprocessing=Path("steps.json"))
    store = store_of(data, options=options, unaware=frozenset({"a", "b"}))
    sources = [store.add(answer(name))[0].source for name in NAMES]
    (copy,) = store.folder.glob("preprocessing-*.json")
    assert copy.read_text() == STEPS
    suffix = f"&preprocessing={copy.name}"
    specs = [f"onnx:../../{name}.onnx?kind=logits" for name in NAMES]
    assert sources == [specs[0] + suffix, specs[1] + suffix, specs[2]]


def test_later_build_keeps_what_it_wants_and_clears_up(data):
    first = store_of(data)
    for name in NAMES:
        first.add(answer(name))
    half = [first.folder / ".pool.json.ab12_xyz", first.folder / "outputs" / ".a.npy.ab12_xyz"]
    for file in half:
        file.write_bytes(b"half")
    later = store_of(data)
    later.keep(frozenset({"a", "c"}))
    assert later.names == {"a", "c"}
    assert check_pool(later.folder).names == ("a", "c")
    assert not any(file.exists() for file in half)
    assert unfinished_files(later.folder) == []


def test_later_build_that_wants_nothing_leaves_no_pool(data):
    store = store_of(data)
    store.add(answer("a"))
    later = store_of(data)
    later.keep(frozenset())
    assert not (later.folder / "pool.json").exists()
    later.add(answer("b"))
    assert check_pool(later.folder).names == ("b",)


def test_held_out_samples_of_both_builds_stay_held_out(data):
    hashes = data.sample_hashes()
    first = store_of(data, options=BuildOptions(held_out=hashes[:1]))
    first.add(answer("a"))
    later = store_of(data, options=BuildOptions(held_out=hashes[1:2]))
    later.keep(frozenset({"a"}))
    held_out = check_pool(later.folder).held_out
    assert sorted(map(bytes, held_out)) == sorted(map(bytes, hashes[:2]))


def test_damaged_pool_of_an_earlier_build_is_refused(data):
    store = store_of(data)
    store.add(answer("a"))
    (store.folder / "pool.json").write_text("{")
    with pytest.raises(PoolError, match="not a JSON file"):
        store_of(data).keep(frozenset({"a"}))
