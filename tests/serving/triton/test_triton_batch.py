import numpy as np
import pytest

from encas.cascade import Cascade, Decision, confidence_of


@pytest.fixture
def module(own_module):
    return own_module("triton_batch")


def test_rows_of_all_requests_go_together_and_come_back(module):
    arrays = [np.arange(n * 2, dtype=np.float32).reshape(n, 2) for n in (2, 0, 1)]
    x, rows = module.gathered([{"input": array} for array in arrays])
    assert (x.tolist(), rows) == ([[0, 1], [2, 3], [0, 1]], [2, 0, 1])
    found = module.responses({"x": x, "row": x[:, :1]}, rows)
    assert [response.tensors["x"].tolist() for response in found] == [a.tolist() for a in arrays]
    assert [response.tensors["row"].shape for response in found] == [(2, 1), (0, 1), (1, 1)]


def test_request_alone_is_not_copied_and_may_have_another_name(module):
    label = np.array([[1], [0]])
    x, rows = module.gathered([{"label": label}], "label")
    assert x is label
    assert rows == [2]


def test_outputs_are_contiguous_to_the_backend(module):
    wide = np.zeros((4, 6), np.float32)[:, ::2]
    (first, _) = module.responses({"x": wide}, [1, 3])
    assert first.tensors["x"].flags.c_contiguous


@pytest.mark.parametrize("confidence", ["max_probability", "margin"])
def test_outputs_are_one_number_per_sample_but_for_the_probabilities(module, confidence):
    cascade = Cascade(members=("a",), thresholds=(), confidence=confidence)
    probabilities = np.array([[0.75, 0.25], [0.5, 0.5]], np.float32)
    decision = Decision(probabilities=probabilities, label=np.array([0, 0]), stage=np.array([1, 1]))
    found = module.outputs_of(decision, cascade)
    assert found["probabilities"] is probabilities
    assert {name: array.shape for name, array in found.items() if name != "probabilities"} == {
        "label": (2, 1),
        "stage": (2, 1),
        "confidence": (2, 1),
    }
    assert found["confidence"].dtype == np.float32
    expected = confidence_of(probabilities, confidence)
    np.testing.assert_array_equal(found["confidence"][:, 0], expected)


def test_exits_are_counted_stage_by_stage(module, triton):
    counter = module.ExitCounter("m", 3)
    assert triton.counts == {("m", "1"): 0, ("m", "2"): 0, ("m", "3"): 0}
    counter.add(np.array([1, 3, 3, 1, 1]))
    counter.add(np.array([], np.int64))
    counter.add(np.array([2]))
    assert triton.counts == {("m", "1"): 3, ("m", "2"): 1, ("m", "3"): 2}


def test_parameters_and_numbers_are_read_from_their_texts(module):
    config = {"parameters": {"a": {"string_value": "1,2"}, "b": {"string_value": ""}}}
    assert module.parameters_of(config) == {"a": "1,2", "b": ""}
    assert module.numbers_of("") == ()
    assert module.numbers_of("0.5, 1 ,") == (0.5, 1.0)
    with pytest.raises(ValueError, match="could not convert"):
        module.numbers_of("a")


def test_every_input_of_all_requests_goes_together(module):
    rows = ({"a": [[1], [2]], "b": [3, 4]}, {"a": [[5]], "b": [6]})
    requests = [{name: np.array(x) for name, x in row.items()} for row in rows]
    x, rows = module.gathered_inputs(requests, ["a", "b"])
    assert {name: array.tolist() for name, array in x.items()} == {
        "a": [[1], [2], [5]],
        "b": [3, 4, 6],
    }
    assert rows == [2, 1]
