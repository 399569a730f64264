from pathlib import Path

import numpy as np
import pytest

from encas.errors import DataError, ExportError
from encas.export.agreement import (
    Member,
    preprocessing_json,
    shared_input_shape,
    shared_preprocessing,
)
from encas.runtime.dataset import Dataset
from encas.runtime.preprocessing import Preprocessing
from encas.source import SourceModel

SMALL = {"size": [8, 8], "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]}


def member(name: str, **values) -> Member:
    return Member(name=name, source=SourceModel(spec=name, build=lambda: None, **values))


def data_of(*shape: int) -> Dataset:
    return Dataset(
        name="x", label=np.zeros(1, np.int64), sample_shape=shape, dtype="float32",
        read=lambda rows: np.zeros((len(rows), *shape), np.float32),
    )  # fmt: skip


def test_shared_preprocessing_is_the_one_that_all_want():
    written_otherwise = SMALL | {"scale": 255, "layout": "nchw"}
    members = [member("a", preprocessing=SMALL), member("b", preprocessing=written_otherwise)]
    assert shared_preprocessing(members) == Preprocessing.of(SMALL)
    assert shared_preprocessing([member("a")]) is None


@pytest.mark.parametrize("other", [None, SMALL | {"crop": 0.9}])
def test_shared_preprocessing_of_members_that_want_different_ones_is_refused(other):
    members = [member("a", preprocessing=SMALL), member("b", preprocessing=other)]
    with pytest.raises(ExportError, match="want different preprocessings.*a: .*; b: "):
        shared_preprocessing(members)


def test_shared_preprocessing_with_faults_names_the_spec():
    with pytest.raises(DataError, match="a: size must be array"):
        shared_preprocessing([member("a", preprocessing={"size": 8})])


def test_shared_input_shape_is_what_anyone_says():
    small = Preprocessing.of(SMALL)
    assert shared_input_shape([member("a", input_shape=(1, 8, 8))], None, None) == (1, 8, 8)
    assert shared_input_shape([member("a")], small, None) == (3, 8, 8)
    assert shared_input_shape([member("a")], None, data_of(5)) == (5,)
    both = [member("a", input_shape=(3, 8, 8)), member("b")]
    assert shared_input_shape(both, small, data_of(3, 8, 8)) == (3, 8, 8)


def test_shared_input_shape_that_nobody_says_is_refused():
    with pytest.raises(ExportError, match="give --data, or input_shape=3x32x32 in the SPEC"):
        shared_input_shape([member("a")], None, None)


def test_shared_input_shape_of_different_ones_is_refused():
    members = [member("a", input_shape=(1, 8, 8)), member("b", input_shape=(3, 8, 8))]
    with pytest.raises(ExportError, match=r"shapes of samples: \(1, 8, 8\) and \(3, 8, 8\)"):
        shared_input_shape(members, None, None)


def test_preprocessing_json_reads_back():
    for preprocessing in (Preprocessing(size=(4, 5)), Preprocessing(size=(4, 4), crop=0.5)):
        assert Preprocessing.of(preprocessing_json(preprocessing)) == preprocessing
    assert preprocessing_json(None) is None


def test_source_of_a_file_is_not_built(tmp_path):
    source = SourceModel(spec="x", onnx_file=Path(tmp_path / "m.onnx"), kind=None)
    assert source.build is None
