"""What a request carries for a model of two inputs; of one, see test_served_model.py."""

import numpy as np
import pytest
from small_service import small_face, small_manifest

from encas.entries import InputEntry
from encas.serving.protocol.protocol import InputTensor, Refusal, RegionSlice
from encas.serving.service import shared_memory
from encas.serving.service.request_inputs import read_inputs
from encas.serving.service.shared_memory import Region, SharedMemory

FIRST = np.arange(6, dtype=np.float32).reshape(2, 3)
SECOND = np.arange(16, dtype=np.uint8).reshape(2, 2, 4)
MEMORY = SharedMemory(is_allowed=True)
FACE = small_face(
    inputs=(
        InputEntry(name="input", dtype="float32", shape=(3,)),
        InputEntry(name="input_2", dtype="uint8", shape=(2, 4)),
    )
)


def first(**values):
    given = {"name": "input", "datatype": "FP32", "shape": (2, 3), "content": FIRST.tobytes()}
    return InputTensor(**{**given, **values})


def second(**values):
    given = {"name": "input_2", "datatype": "UINT8", "shape": (2, 2, 4)}
    return InputTensor(**{**given, "content": SECOND.tobytes(), **values})


def read(*tensors, face=FACE):
    return read_inputs(tensors, face, max_batch_size=4, memory=MEMORY)


def refusal(*tensors, face=FACE):
    with pytest.raises(Refusal) as refused:
        read(*tensors, face=face)
    assert refused.value.kind == "invalid"
    return refused.value.message


@pytest.mark.parametrize("tensors", [(first(), second()), (second(), first())])
def test_inputs_come_by_name_in_any_order(tensors):
    found = read(*tensors)
    assert list(found) == ["input", "input_2"]
    np.testing.assert_array_equal(found["input"], FIRST)
    np.testing.assert_array_equal(found["input_2"], SECOND)
    assert found["input_2"].dtype == np.uint8


def test_only_input_comes_as_an_array_that_shares_the_requests_memory():
    content = FIRST.tobytes()
    face = small_face(manifest=small_manifest())
    found = read(first(content=content), face=face)
    assert isinstance(found, np.ndarray)
    assert np.shares_memory(found, np.frombuffer(content, np.float32))


def test_numbers_bytes_and_shared_memory_may_stand_in_one_request(tmp_path, monkeypatch):
    monkeypatch.setattr(shared_memory, "FOLDER", tmp_path)
    (tmp_path / "object").write_bytes(bytes(8) + SECOND.tobytes())
    memory = SharedMemory(is_allowed=True)
    memory.register(Region(name="r", key="/object", offset=0, byte_size=24))
    place = RegionSlice(region="r", byte_size=16, offset=8)
    tensors = (first(content=FIRST.tolist()), second(content=place))
    found = read_inputs(tensors, FACE, max_batch_size=4, memory=memory)
    memory.unregister()
    np.testing.assert_array_equal(found["input"], FIRST)
    np.testing.assert_array_equal(found["input_2"], SECOND)


@pytest.mark.parametrize(
    ("tensors", "fault"),
    [
        ((), "expected 2 inputs but got 0 for model 'echo' (missing: 'input', 'input_2')"),
        ((first(),), "expected 2 inputs but got 1 for model 'echo' (missing: 'input_2')"),
        ((second(),), "expected 2 inputs but got 1 for model 'echo' (missing: 'input')"),
        (
            (first(), second(), first(name="x")),
            "expected 2 inputs but got 3 for model 'echo' (unexpected: 'x')",
        ),
        (
            (first(), second(), second()),
            "expected 2 inputs but got 3 for model 'echo' (more than once: 'input_2')",
        ),
        (
            (first(), second(name="x")),
            "unexpected inference input 'x' for model 'echo' (missing: 'input_2'; unexpected: 'x')",
        ),
        (
            (first(), first()),
            "unexpected inference input 'input' for model 'echo' "
            "(missing: 'input_2'; more than once: 'input')",
        ),
    ],
)
def test_inputs_that_are_missing_unknown_or_there_twice_are_named(tensors, fault):
    assert refusal(*tensors) == fault


def test_inputs_of_different_batch_sizes_are_named_with_their_sizes():
    wrong = second(shape=(3, 2, 4), content=bytes(24))
    assert refusal(first(), wrong) == (
        "the inputs of model 'echo' need equal batch sizes, got 2 for 'input', 3 for 'input_2'"
    )


@pytest.mark.parametrize(
    ("tensors", "fault"),
    [
        ((first(datatype="FP16"), second()), "input 'input' has the data type 'FP16'"),
        ((first(), second(datatype="FP32")), "input 'input_2' has the data type 'FP32', but"),
        ((first(), second(shape=(2, 8))), "input 'input_2' for model 'echo': expected [-1, 2, 4]"),
        ((first(), second(shape=())), "expected [-1, 2, 4], got []"),
        ((first(), second(shape=(5, 2, 4))), "batch-size must be from 1 to 4 for 'echo', got 5"),
        ((first(shape=(0, 3)), second()), "batch-size must be from 1 to 4 for 'echo', got 0"),
        ((first(), second(content=bytes(15))), "for input 'input_2': expected 16, got 15"),
        ((first(), second(content=[1, 2])), "input 'input_2': shape [2, 2, 4] needs 16 numbers"),
        (
            (first(content=RegionSlice(region="r", byte_size=4)), second()),
            "input byte size mismatch for input 'input': expected 24, got 4",
        ),
    ],
)
def test_input_that_does_not_fit_is_named(tensors, fault):
    assert fault in refusal(*tensors)
