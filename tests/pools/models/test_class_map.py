"""Which outputs of a model belong to the data's classes."""

import json

import pytest

from encas.errors import DataError
from encas.pools.models.class_map import class_columns


@pytest.fixture
def file(tmp_path):
    (tmp_path / "map.json").write_text(json.dumps({"dog": 7, "cat": 3, "fox": 9, "wolf": 7}))
    return str(tmp_path / "map.json")


def test_columns_are_in_the_order_of_the_datas_classes(file):
    assert class_columns(file, ("cat", "dog")) == (3, 7)


def test_columns_of_the_natural_order_are_those_of_a_loader_that_counts():
    assert class_columns("natural", ("1", "10", "2")) == (0, 2, 1)


@pytest.mark.torch
def test_columns_of_imagenet_are_those_of_the_synsets():
    pytest.importorskip("torch")
    assert class_columns("imagenet", ("n01440764", "n15075141")) == (0, 999)


@pytest.mark.parametrize(
    ("classes", "fault"),
    [
        (("cat", "cow"), r"1 of 2 classes are not in the map \(first: cow\)"),
        (("dog", "wolf"), "two classes of the data have one output"),
        (None, "a class map needs data with class names"),
    ],
)
def test_map_that_does_not_fit_is_refused(file, classes, fault):
    with pytest.raises(DataError, match=fault):
        class_columns(file, classes)


@pytest.mark.parametrize("content", [[1], {"cat": -1}, {"cat": True}, {"cat": "0"}])
def test_map_that_is_none_is_refused(tmp_path, content):
    (tmp_path / "map.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match="expected {class: number of the model's output}"):
        class_columns(str(tmp_path / "map.json"), ("cat",))
