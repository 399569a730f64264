import pytest

from encas.cascade import Cascade
from encas.entries import MemberEntry
from encas.manifest import Manifest
from encas.serving.protocol.cascade_tensors import (
    LABEL_FILE,
    OUTPUTS,
    input_tensors,
    output_tensors,
    thresholds_text,
)
from encas.serving.protocol.model_config_text import thresholds_of


def manifest_of(**values):
    member = MemberEntry(name="a", file="members/a.onnx", sha256="0" * 64, bytes=1)
    given = {"name": "m", "cascade": Cascade(members=("a",), thresholds=()), "members": (member,)}
    return Manifest(**{**given, "input_shape": (1, 8), "n_classes": 3, **values})


def cascade_of(*thresholds):
    names = tuple("abcdef")[: len(thresholds) + 1]
    return Cascade(members=names, thresholds=thresholds)


@pytest.mark.parametrize(
    ("dtype", "data_type"),
    [("float32", "TYPE_FP32"), ("float16", "TYPE_FP16"), ("uint8", "TYPE_UINT8")],
)
def test_input_is_one_sample_of_the_manifest(dtype, data_type):
    (tensor,) = input_tensors(manifest_of(input_dtype=dtype).inputs)
    assert (tensor.name, tensor.data_type, tensor.dims) == ("input", data_type, (1, 8))


def test_outputs_are_named_typed_and_one_number_per_sample():
    outputs = output_tensors(manifest_of())
    assert tuple(tensor.name for tensor in outputs) == OUTPUTS
    assert [(t.data_type, t.dims) for t in outputs] == [
        ("TYPE_FP32", (3,)),
        ("TYPE_INT64", (1,)),
        ("TYPE_INT64", (1,)),
        ("TYPE_FP32", (1,)),
    ]
    assert [t.reshape for t in outputs] == [None] * 4


def test_flat_outputs_are_numbers_to_the_backend_but_for_the_probabilities():
    probabilities, *numbers = output_tensors(manifest_of(), is_flat=True)
    assert probabilities.reshape is None
    assert [(tensor.dims, tensor.reshape.shape) for tensor in numbers] == [((1,), ())] * 3


def test_only_probabilities_have_class_names_and_only_where_there_are_any():
    names = [t.label_filename for t in output_tensors(manifest_of(classes=("a", "b", "c")))]
    assert names == [LABEL_FILE, None, None, None]
    assert output_tensors(manifest_of())[0].label_filename is None


def test_thresholds_are_short_where_that_is_exact():
    assert thresholds_text(cascade_of()) == ""
    assert thresholds_text(cascade_of(0.5, 1.0, 0.0)) == "0.5,1,0"
    assert thresholds_text(cascade_of(1 / 3)) == repr(1 / 3)
    assert thresholds_text(cascade_of(0.1234567)) == "0.1234567"


def test_thresholds_are_read_back_exactly():
    numbers = (0.62, 1 / 3, 0.1 + 0.2, 1e-7, 1.0)
    assert thresholds_of(thresholds_text(cascade_of(*numbers))) == numbers
