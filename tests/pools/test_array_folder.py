import numpy as np
import pytest

from encas.errors import PoolError
from encas.pools.array_folder import read_array_folder
from encas.pools.import_pool import import_pool

MODELS = "name,macs,params\ncheap,1e6,1000\nmiddle,4e6,5000\ndear,2e7,30000\n"


def test_folder_of_npy_files_is_the_pool(tiny_pool, tmp_path):
    np.save(tmp_path / "outputs.npy", np.stack(tiny_pool.outputs))
    np.save(tmp_path / "label.npy", tiny_pool.label)
    (tmp_path / "models.csv").write_text(MODELS)
    assert import_pool(tmp_path).sha256 == tiny_pool.sha256


@pytest.mark.parametrize("ending", ["npy", "csv"])
def test_folder_with_a_file_for_each_model_is_the_pool(tiny_pool, tmp_path, ending):
    (tmp_path / "outputs").mkdir()
    for name, output in zip(tiny_pool.names, tiny_pool.outputs, strict=True):
        if ending == "npy":
            np.save(tmp_path / "outputs" / f"{name}.npy", output)
        else:
            np.savetxt(tmp_path / "outputs" / f"{name}.csv", output, delimiter=",", header="a,b,c",
                       comments="")  # fmt: skip
    (tmp_path / "label.csv").write_text("label\n" + "".join(f"{one}\n" for one in tiny_pool.label))
    (tmp_path / "models.csv").write_text(MODELS)
    assert import_pool(tmp_path).sha256 == tiny_pool.sha256


def test_folder_without_a_table_of_models_takes_the_files_names(tiny_pool, tmp_path):
    (tmp_path / "outputs").mkdir()
    np.save(tmp_path / "outputs" / "b.npy", tiny_pool.outputs[0])
    np.save(tmp_path / "outputs" / "a.npy", tiny_pool.outputs[1])
    arrays = read_array_folder(tmp_path)
    assert arrays["name"].tolist() == ["a", "b"]
    assert np.array_equal(arrays["outputs"][1], tiny_pool.outputs[0])


def test_files_and_models_that_differ_are_refused(tiny_pool, tmp_path):
    (tmp_path / "outputs").mkdir()
    np.save(tmp_path / "outputs" / "cheap.npy", tiny_pool.outputs[0])
    np.save(tmp_path / "outputs" / "odd.npy", tiny_pool.outputs[0])
    (tmp_path / "models.csv").write_text("name,macs\ncheap,1\ndear,2\n")
    match = r"no dear.npy or dear.csv; the model 'odd' is in no line of models.csv"
    with pytest.raises(PoolError, match=match):
        read_array_folder(tmp_path)


def test_pool_and_objects_are_refused(tiny_pool, tmp_path):
    tiny_pool.save(tmp_path / "pool")
    with pytest.raises(PoolError, match="is a pool already"):
        read_array_folder(tmp_path / "pool")
    (tmp_path / "new").mkdir()
    np.save(tmp_path / "new" / "name.npy", np.array(["a", None], object), allow_pickle=True)
    with pytest.raises(PoolError, match=r"'name' holds Python objects.*np.array\(name, dtype=str"):
        read_array_folder(tmp_path / "new")
