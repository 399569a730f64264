import numpy as np
import pytest
from onnx import helper, numpy_helper
from reshaped_model import reshaped_model

from encas.errors import ExportError
from encas.export import batch_axis
from encas.export.batch_axis import spell_out_reshapes


def test_computed_reshape_is_spelled_out_so_that_an_empty_batch_works():
    minus_one = numpy_helper.from_array(np.array([-1], np.int64), "minus_one")
    nodes = [
        helper.make_node("Shape", ["input"], ["n"], start=0, end=1),
        helper.make_node("Concat", ["n", "minus_one"], ["shape"], axis=0),
    ]
    model = reshaped_model(nodes, [minus_one])
    empty = np.zeros((0, 3, 4), np.float32)
    with pytest.raises(Exception, match="cannot be reshaped"):
        _session(model).run(None, {"input": empty})
    found = _session(spell_out_reshapes(model)).run(None, {"input": empty})[0]
    assert found.shape == (0, 12)
    x = np.random.default_rng(0).random((5, 3, 4), np.float32)
    assert np.array_equal(_session(model).run(None, {"input": x})[0], x.reshape(5, 12))


def test_reshape_that_mixes_the_batch_in_is_left_alone():
    shape = numpy_helper.from_array(np.array([12, -1], np.int64), "shape")
    model = reshaped_model([], [shape])
    model.graph.output[0].type.tensor_type.ClearField("shape")
    before = model.SerializeToString()
    assert spell_out_reshapes(model).SerializeToString() == before


def test_spelling_out_a_model_that_cannot_run_is_refused():
    shape = numpy_helper.from_array(np.array([5, 12], np.int64), "shape")
    with pytest.raises(ExportError, match="it cannot be run on a batch of 2"):
        spell_out_reshapes(reshaped_model([], [shape]))


def test_model_without_reshapes_or_with_too_many_weights_is_not_run(monkeypatch):
    shape = numpy_helper.from_array(np.array([5, 12], np.int64), "shape")
    model = reshaped_model([], [shape])
    n_bytes = 16
    monkeypatch.setattr(batch_axis, "INLINE_LIMIT", n_bytes - 1)
    assert spell_out_reshapes(model) is model
    monkeypatch.setattr(batch_axis, "INLINE_LIMIT", n_bytes)
    with pytest.raises(ExportError, match="it cannot be run on a batch of 2"):
        spell_out_reshapes(model)
    del model.graph.node[:]
    assert spell_out_reshapes(model) is model


def test_reshape_to_a_dimension_of_nothing_is_left_alone():
    shape = numpy_helper.from_array(np.array([0, 0, 0], np.int64), "shape")
    model = reshaped_model([], [shape])
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 0
    model.graph.output[0].type.tensor_type.ClearField("shape")
    before = model.SerializeToString()
    assert spell_out_reshapes(model).SerializeToString() == before


def _session(model):
    import onnxruntime  # noqa: PLC0415

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(model.SerializeToString(), options)
