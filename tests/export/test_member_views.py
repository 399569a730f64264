from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from encas.data.dataset import Dataset
from encas.data.preprocessing import Preprocessing
from encas.errors import DataError, ExportError
from encas.export.member_input import SampleType
from encas.export.member_views import (
    Member,
    input_dtypes,
    input_samples,
    input_shapes,
    preprocessing_json,
    views_of,
)
from encas.pools.models.source_model import SourceModel

SMALL = {"size": [8, 8], "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]}


def member(name: str, **values) -> Member:
    return Member(name=name, source=SourceModel(spec=name, build=lambda: None, **values))


def data_of(*shape: int) -> Dataset:
    return Dataset(
        name="x", label=np.zeros(1, np.int64), sample_shape=shape, dtype="float32",
        read=lambda rows: np.zeros((len(rows), *shape), np.float32),
    )  # fmt: skip


def test_views_of_members_that_want_the_same_are_one_input():
    written_otherwise = SMALL | {"scale": 255, "layout": "nchw"}
    views = views_of(
        [member("a", preprocessing=SMALL), member("b", preprocessing=written_otherwise)]
    )
    assert views.preprocessings == {"input": Preprocessing.of(SMALL)}
    assert views.reads == ("input", "input")
    assert views_of([member("a")]).preprocessings == {"input": None}


def test_views_of_members_that_want_different_ones_are_an_input_each():
    wanted = [SMALL, SMALL | {"crop": 0.9}, SMALL, None]
    views = views_of([member(n, preprocessing=p) for n, p in zip("abcd", wanted, strict=True)])
    assert views.reads == ("input", "input_2", "input", "input_3")
    assert views.preprocessings == {
        "input": Preprocessing.of(SMALL),
        "input_2": Preprocessing.of(SMALL | {"crop": 0.9}),
        "input_3": None,
    }


def test_views_with_faults_name_the_spec():
    with pytest.raises(DataError, match="a: 2 faults: size must be array, got 8"):
        views_of([member("a", preprocessing={"size": 8})])


def shape_of(members, dataset=None):
    return input_shapes(members, views_of(members), dataset)["input"]


def test_input_shape_is_what_anyone_says():
    assert shape_of([member("a", input_shape=(1, 8, 8))]) == (1, 8, 8)
    assert shape_of([member("a", preprocessing=SMALL)]) == (3, 8, 8)
    assert shape_of([member("a")], data_of(5)) == (5,)
    both = [
        member("a", input_shape=(3, 8, 8), preprocessing=SMALL),
        member("b", preprocessing=SMALL),
    ]
    assert shape_of(both, data_of(3, 8, 8)) == (3, 8, 8)


def test_input_shapes_of_different_views_may_differ():
    members = [
        member("a", preprocessing=SMALL),
        member("b", preprocessing=SMALL | {"size": [4, 6]}),
    ]
    assert input_shapes(members, views_of(members), None) == {
        "input": (3, 8, 8),
        "input_2": (3, 4, 6),
    }


def test_input_shape_that_nobody_says_is_refused():
    with pytest.raises(ExportError, match="a does not say .* input_shape=3x32x32 in the SPEC"):
        shape_of([member("a")])


def test_input_shape_of_one_view_with_different_ones_is_refused():
    members = [member("a", input_shape=(1, 8, 8)), member("b", input_shape=(3, 8, 8))]
    with pytest.raises(ExportError, match=r"shapes of samples: \(1, 8, 8\) and \(3, 8, 8\)"):
        shape_of(members)


def test_preprocessing_json_reads_back():
    for preprocessing in (Preprocessing(size=(4, 5)), Preprocessing(size=(4, 4), crop=0.5)):
        assert Preprocessing.of(preprocessing_json(preprocessing)) == preprocessing
    assert preprocessing_json(None) is None


def test_source_of_a_file_is_not_built(tmp_path):
    source = SourceModel(spec="x", onnx_file=Path(tmp_path / "m.onnx"), kind=None)
    assert source.build is None


def file_member(folder: Path, name: str, elem_type: int) -> Member:
    info = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("Cast", ["x"], ["y"], to=TensorProto.FLOAT)], "g",
        [info("x", elem_type, ["n", 6])], [info("y", TensorProto.FLOAT, ["n", 6])],
    )  # fmt: skip
    opsets = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), folder / name)
    return Member(name=name, source=SourceModel(spec=name, onnx_file=folder / name))


FLOAT, HALF, BYTES, DOUBLE = (
    TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.UINT8, TensorProto.DOUBLE,
)  # fmt: skip


@pytest.mark.parametrize(
    ("types", "dtype"),
    [
        ((HALF,), "float16"),
        ((HALF, FLOAT), "float32"),
        ((HALF, DOUBLE), "float32"),
        ((FLOAT, BYTES, HALF), "uint8"),
    ],
)
def test_input_of_members_of_different_types_is_one_that_fits_all(tmp_path, types, dtype):
    members = [file_member(tmp_path, f"{place}.onnx", t) for place, t in enumerate(types)]
    views = views_of(members)
    assert input_dtypes(members, views) == {"input": dtype}
    samples = input_samples(members, views, data_of(1, 2, 3))
    assert samples == {"input": SampleType(dtype=dtype, shape=(1, 2, 3))}


def test_input_of_torch_modules_is_float32():
    members = [member("a"), member("b", preprocessing=SMALL)]
    assert input_dtypes(members, views_of(members)) == {"input": "float32", "input_2": "float32"}


def test_input_of_images_and_tables_of_other_sizes_is_refused(tmp_path):
    members = [file_member(tmp_path, "a.onnx", FLOAT), member("b", input_shape=(1, 8, 8))]
    with pytest.raises(ExportError, match=r"shapes of samples: \(1, 8, 8\) and \(6,\)"):
        shape_of(members)
