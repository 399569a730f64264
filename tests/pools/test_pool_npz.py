import re

import numpy as np
import pytest

from encas.errors import PoolError
from encas.pools.model import Model
from encas.pools.pool import Pool
from encas.pools.pool_npz import export_npz, import_npz


@pytest.fixture
def arrays(tiny_pool) -> dict[str, np.ndarray]:
    return {
        "outputs": np.stack(tiny_pool.outputs),
        "label": tiny_pool.label,
        "name": np.array(tiny_pool.names),
        "macs": tiny_pool.costs("macs"),
    }


def test_export_of_a_pool_without_macs_is_refused(tiny_pool, tmp_path):
    models = [Model(name=m.name, kind=m.kind, costs={"joules": 1.0}) for m in tiny_pool.models]
    pool = Pool.of(outputs=tiny_pool.outputs, label=tiny_pool.label, models=models)
    with pytest.raises(PoolError, match="3 of 3 models have no cost 'macs' .* has: joules"):
        export_npz(pool, tmp_path / "out.npz")
    assert list(tmp_path.iterdir()) == []


def test_import_export_round_trip_keeps_everything(arrays, tmp_path):
    more = {
        "kind": np.array(["probabilities"] * 3),
        "params": np.array([1, 2, 3]),
        "cost_joules": np.array([0.1, 0.2, 0.3]),
        "source": np.array(["onnx:a.onnx", "b", ""]),
        "classes": np.array(["x", "y", "z"]),
    }
    np.savez(tmp_path / "in.npz", **arrays, **more)
    pool = import_npz(tmp_path / "in.npz")
    assert pool.name == "in"
    assert pool.models[0].source == "onnx:a.onnx"
    assert pool.costs("joules").tolist() == [0.1, 0.2, 0.3]
    export_npz(pool, tmp_path / "out.npz")
    assert import_npz(tmp_path / "out.npz").sha256 == pool.sha256
    stored = np.load(tmp_path / "out.npz", allow_pickle=False)
    for key, array in (arrays | more).items():
        np.testing.assert_array_equal(stored[key], array)


def test_import_dtype_converts_the_storage(arrays, tmp_path):
    np.savez(tmp_path / "in.npz", **arrays)
    pool = import_npz(tmp_path / "in.npz", dtype="float16")
    assert {str(output.dtype) for output in pool.outputs} == {"float16"}


@pytest.mark.parametrize("key", ["outputs", "label", "name", "macs"])
def test_import_missing_array_is_refused(arrays, tmp_path, key):
    del arrays[key]
    np.savez(tmp_path / "in.npz", **arrays)
    with pytest.raises(PoolError, match=f"the array '{key}' is missing"):
        import_npz(tmp_path / "in.npz")


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"outputs": np.zeros((3, 8), np.float32)}, r"\[models, samples, classes\], got \[3, 8\]"),
        ({"macs": np.array([1.0, 2.0])}, "macs must have one value for each of 3 models"),
        ({"macs": np.array(["1", "2", "3"])}, "macs must be numbers"),
        ({"macs": np.array([1, np.nan, 3])}, "cost 'macs' must be a finite number"),
        ({"kind": np.array(["logits", "probs", "logits"])}, "kind must be probabilities or logits"),
        ({"name": np.array(["a", "b", "a"])}, "'a' comes more than once"),
        ({"label": np.full(8, 3)}, "label must be in 0..2, got 3"),
        ({"outputs": np.full((3, 8, 3), 0.5, np.float32)}, "far from sum 1"),
    ],
)
def test_import_bad_array_is_refused(arrays, tmp_path, change, match):
    np.savez(tmp_path / "in.npz", **(arrays | change))
    with pytest.raises(PoolError, match=match):
        import_npz(tmp_path / "in.npz")


def test_import_pickled_objects_are_refused(arrays, tmp_path):
    np.savez(tmp_path / "in.npz", **(arrays | {"label": np.array([{}] * 8, object)}))
    with pytest.raises(PoolError, match="not an .npz file of plain arrays"):
        import_npz(tmp_path / "in.npz")


def test_import_truncated_file_is_refused(arrays, tmp_path):
    path = tmp_path / "in.npz"
    np.savez(path, **arrays)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(PoolError, match="truncated or not an .npz file"):
        import_npz(path)


def test_import_missing_file_is_refused(tmp_path):
    with pytest.raises(PoolError, match="no such file"):
        import_npz(tmp_path / "none.npz")


@pytest.mark.parametrize(
    ("names", "label", "said"),
    [
        (["z", "x", "y"], [2, 0, 1], "labels .* in another order than in the outputs"),
        (["z", "x"], [2, 0, 2], "labels .* 2 of the 3 classes of the outputs, matched by name"),
    ],
)
def test_import_with_names_of_the_outputs_maps_the_labels(arrays, tmp_path, names, label, said):
    arrays["label"] = np.array([0, 1, len(names) - 1 if len(names) == 3 else 0] + [0] * 5)
    more = {"classes": np.array(names), "output_classes": np.array(["x", "y", "z"])}
    np.savez(tmp_path / "in.npz", **arrays, **more)
    notes = []
    pool = import_npz(tmp_path / "in.npz", on_note=notes.append)
    assert pool.label[:3].tolist() == label
    assert pool.classes == ("x", "y", "z")
    assert re.search(said, notes[0])


def test_import_with_other_names_of_the_outputs_is_refused(arrays, tmp_path):
    more = {"classes": np.array(["x", "q"]), "output_classes": np.array(["x", "y", "z"])}
    np.savez(tmp_path / "in.npz", **arrays, **more)
    with pytest.raises(PoolError, match=r"only the former has 1 \('q'\), only the latter 2"):
        import_npz(tmp_path / "in.npz")


def test_import_of_labels_beyond_their_names_is_refused(arrays, tmp_path):
    more = {"classes": np.array(["x", "y"]), "output_classes": np.array(["x", "y", "z"])}
    np.savez(tmp_path / "in.npz", **arrays, **more)
    with pytest.raises(PoolError, match=r"label must be in 0 \.\. 1"):
        import_npz(tmp_path / "in.npz")
