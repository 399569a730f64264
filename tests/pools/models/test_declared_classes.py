"""Class names that models state themselves."""

import json
from dataclasses import replace

import onnx
import pytest
from linear_loop import save_linear

from encas.pools.models.declared_classes import declared_classes, names_of_metadata
from encas.pools.models.specs import source_model

NAMES = ("ant", "bee", "cat", "dog")


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(NAMES),
        json.dumps({str(i): name for i, name in enumerate(NAMES)}),
        str(dict(enumerate(NAMES))),
        str(NAMES),
    ],
    ids=["JSON list", "JSON object", "Python dict", "Python tuple"],
)
def test_names_are_read_as_exporters_write_them(text):
    assert names_of_metadata({"author": "x", "names": text}) == NAMES


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ant",
        "[]",
        "[1, 2]",
        "{1: 'a', 2: 'b'}",
        "{'a': 'b'}",
        "__import__('os')",
        "[" * 9999,
        "{0: 'a', 0: 'b'}",
        '{"0": "a", "0": "b"}',
    ],
)
def test_other_texts_are_no_names(text):
    assert names_of_metadata({"names": text}) is None
    assert names_of_metadata({"names": text, "labels": json.dumps(NAMES)}) == NAMES


def test_names_of_an_onnx_file_stand_in_its_metadata(tmp_path, rng):
    path = tmp_path / "net.onnx"
    save_linear(path, rng.normal(0, 1, (6, 4)).astype("float32"))
    assert declared_classes(source_model(f"onnx:{path}")) is None
    model = onnx.load(path)
    onnx.helper.set_model_props(model, {"names": str(dict(enumerate(NAMES)))})
    onnx.save(model, path)
    source = source_model(f"onnx:{path}")
    assert declared_classes(source) == NAMES
    assert declared_classes(replace(source, columns=(3, 1))) == ("dog", "bee")
    assert declared_classes(replace(source, classes=NAMES[:2])) == ("ant", "bee")
