import struct

import numpy as np
import pytest

from encas.serving.protocol.protocol import Refusal
from encas.serving.protocol.tensors import (
    DATATYPE_OF,
    DATATYPES,
    array_of_bytes,
    array_of_numbers,
    best_classes,
    bytes_of_array,
    numbers_of_array,
)


@pytest.mark.parametrize(
    ("content", "dtype", "fault"),
    [
        ([1, 2, 3], "float32", r"shape \[1, 2\] needs 2 numbers, got 3"),
        ([[1], [2, 3]], "float32", "ragged"),
        (["1", "2"], "float32", "must be numbers of type float32"),
        ([None, 1], "float32", "must be numbers of type float32"),
        ([10**400, 1], "float32", "must be numbers of type float32"),
        ([1.5, 2], "uint8", "must be numbers of type uint8"),
        ([256, 0], "uint8", "out of the range of uint8"),
        ([-1, 0], "uint8", "out of the range of uint8"),
    ],
)
def test_numbers_that_make_no_tensor_are_refused(content, dtype, fault):
    with pytest.raises(Refusal, match=fault):
        array_of_numbers(content, (1, 2), dtype, name="x")


@pytest.mark.parametrize("content", [[1, 2, 3, 4], [[1, 2], [3, 4]], [[[1, 2], [3, 4]]]])
def test_numbers_may_be_nested_or_flat(content):
    array = array_of_numbers(content, (2, 2), "float32", name="x")
    assert (array.dtype, array.tolist()) == (np.float32, [[1, 2], [3, 4]])


@pytest.mark.parametrize("dtype", ["float32", "uint8"])
def test_no_numbers_make_an_empty_tensor(dtype):
    array = array_of_numbers([], (0, 3), dtype, name="x")
    assert (array.shape, array.dtype) == ((0, 3), np.dtype(dtype))


def test_bytes_of_another_length_are_refused():
    with pytest.raises(Refusal, match="expected 8, got 7"):
        array_of_bytes(b"1234567", (1, 2), "float32", name="x")


def test_best_classes_name_score_index_and_class():
    probabilities = np.array([[0.25, 0.5, 0.25], [0.0, 0.0, 1.0]], np.float32)
    found = best_classes(probabilities, 2, ("a", "b", "c"))
    assert found.tolist() == [
        [b"0.500000:1:b", b"0.250000:0:a"],
        [b"1.000000:2:c", b"0.000000:0:a"],
    ]
    assert best_classes(probabilities, 9, None).shape == (2, 3)
    assert best_classes(probabilities, 1, None)[0, 0] == b"0.500000:1"


def test_datatypes_go_both_ways():
    assert {DATATYPE_OF[np.dtype(name)]: name for name in DATATYPES} == {
        "FP16": "float16",
        "FP32": "float32",
        "INT64": "int64",
        "UINT8": "uint8",
    }


def test_bytes_are_little_endian_and_shared_not_copied():
    content = bytearray(struct.pack("<4f", 1.5, -2.0, 0.25, 8.0))
    array = array_of_bytes(memoryview(content), (2, 2), "float32", name="x")
    assert array.tolist() == [[1.5, -2.0], [0.25, 8.0]]
    content[:4] = struct.pack("<f", 3.0)
    assert array[0, 0] == 3.0


@pytest.mark.parametrize(("shape", "dtype", "n_bytes"), [
    ((3,), "uint8", 3), ((2, 3), "float16", 12), ((0, 3), "float32", 0), ((), "float32", 4),
])  # fmt: skip
def test_bytes_of_the_right_length_are_taken_and_one_more_or_less_is_not(shape, dtype, n_bytes):
    assert array_of_bytes(b"\0" * n_bytes, shape, dtype, name="x").shape == shape
    for wrong in {n_bytes + 1, max(n_bytes - 1, 0)} - {n_bytes}:
        fault = f"for input 'x': expected {n_bytes}, got {wrong}"
        with pytest.raises(Refusal, match=fault):
            array_of_bytes(b"\0" * wrong, shape, dtype, name="x")


def test_bytes_are_taken_at_the_ends_of_their_range():
    assert array_of_numbers([0, 255], (2,), "uint8", name="x").tolist() == [0, 255]
    assert array_of_numbers([2**24 + 1, -3], (2,), "float32", name="x").tolist() == [2**24, -3.0]


@pytest.mark.parametrize("content", [[True, False], [[True], [False]]])
@pytest.mark.parametrize("dtype", ["float32", "uint8"])
def test_true_and_false_are_no_numbers(content, dtype):
    with pytest.raises(Refusal, match=f"data must be numbers of type {dtype}") as refused:
        array_of_numbers(content, (2,), dtype, name="x")
    assert refused.value.kind == "invalid"


def test_numbers_too_large_for_their_type_become_infinite_without_a_warning():
    assert array_of_numbers([1e300, 1.0], (2,), "float32", name="x").tolist() == [np.inf, 1.0]


def test_raw_strings_come_with_their_length_before_them():
    texts = np.array([[b"ab", b""], [b"c", b"\xff"]], object)
    assert bytes_of_array(texts) == b"\2\0\0\0ab\0\0\0\0\1\0\0\0c\1\0\0\0\xff"
    assert numbers_of_array(texts, name="x") == ["ab", "", "c", "\ufffd"]


def test_raw_numbers_are_in_the_order_of_rows_whatever_their_layout():
    rows = np.array([[1, 2], [3, 4]], np.uint8)
    assert bytes_of_array(rows) == bytes([1, 2, 3, 4])
    assert bytes_of_array(rows.T) == bytes([1, 3, 2, 4])
    assert numbers_of_array(rows.T, name="x") == [1, 3, 2, 4]
    assert numbers_of_array(rows.T / 4, name="x") == [0.25, 0.75, 0.5, 1.0]


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_numbers_without_a_word_in_json_are_refused(number):
    fault = "output 'p' holds NaN or infinities, .* ask for binary data"
    with pytest.raises(Refusal, match=fault):
        numbers_of_array(np.array([[0.5, number]], np.float32), name="p")


def test_best_classes_of_equal_scores_begin_with_the_lowest():
    # Of so many equal scores an unstable order would begin anywhere.
    scores = np.tile(np.array([0.25, 0.5], np.float32), 500)[None]
    assert best_classes(scores, 3, None).tolist() == [[b"0.500000:1", b"0.500000:3", b"0.500000:5"]]
    assert best_classes(np.ones((1, 1), np.float32), 5, ("a",)).tolist() == [[b"1.000000:0:a"]]
    assert best_classes(np.ones((0, 3), np.float32), 2, None).shape == (0, 2)
