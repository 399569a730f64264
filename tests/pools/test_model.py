import hashlib
import io
from dataclasses import replace

import numpy as np
import pytest

from encas.pools.model import Model, array_sha256, cost_name_fault, pool_sha256

MODEL = Model(name="a", kind="logits", costs={"macs": 5.0, "params": 2.0}, source="x:y")


@pytest.mark.parametrize("name", ["macs", "G_MACs", "joules-per-image", "size.mb", "µs"])
def test_cost_named_by_a_word_is_taken(name):
    assert cost_name_fault(name) is None


@pytest.mark.parametrize("name", ["", "G MACs", "3d", "a/b", "cost=1", None, 3])
def test_cost_named_by_no_word_is_a_fault(name):
    expected = f"a cost must be named by a word such as macs, params or joules, got {name!r}"
    assert cost_name_fault(name) == expected


@pytest.mark.parametrize(
    "array", [np.arange(6).reshape(2, 3), np.zeros((0, 3), np.float16), np.arange(6)[::2]]
)
def test_array_hash_is_that_of_its_npy_file(array):
    file = io.BytesIO()
    np.save(file, np.ascontiguousarray(array))
    assert array_sha256(array) == hashlib.sha256(file.getvalue()).hexdigest()


def test_array_hash_of_columns_first_is_that_of_the_same_numbers():
    array = np.arange(6).reshape(2, 3)
    assert array_sha256(np.asfortranarray(array)) == array_sha256(array)
    assert array_sha256(array.astype(np.int32)) != array_sha256(array)


@pytest.mark.parametrize(
    "change",
    [
        {"name": "b"},
        {"kind": "probabilities"},
        {"costs": {"macs": 5.0}},
        {"costs": {"macs": 5.0, "params": 3.0}},
        {"source": ""},
        {"temperature": 2.0},
    ],
)
def test_pool_hash_changes_with_every_field_of_a_model(change):
    assert pool_sha256([replace(MODEL, **change)], ["o"], "l") != pool_sha256([MODEL], ["o"], "l")


def test_pool_hash_changes_with_outputs_labels_and_order():
    other = replace(MODEL, name="b")
    hashes = {
        pool_sha256(models, outputs, label)
        for models, outputs, label in [
            ([MODEL, other], ["o", "p"], "l"),
            ([MODEL, other], ["p", "o"], "l"),
            ([other, MODEL], ["o", "p"], "l"),
            ([MODEL, other], ["o", "p"], "m"),
        ]
    }
    assert len(hashes) == 4


def test_pool_hash_of_equal_costs_is_the_same_in_any_order_and_type():
    same = replace(MODEL, costs={"params": 2, "macs": np.float32(5)}, temperature=1)
    assert pool_sha256([same], ["o"], "l") == pool_sha256([MODEL], ["o"], "l")


def test_pool_hash_needs_an_output_for_each_model():
    with pytest.raises(ValueError, match="zip"):
        pool_sha256([MODEL], [], "l")
