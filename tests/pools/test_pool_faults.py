"""Everything that keeps arrays from being a pool, at the limits of each rule."""

import numpy as np
import pytest

from encas.cascade import softmax
from encas.errors import PoolError
from encas.pools import pool_faults as faults_module
from encas.pools.model import Model
from encas.pools.pool import Pool
from encas.pools.pool_faults import SUM_TOLERANCE, pool_faults


def probabilities(rng, shape):
    return softmax(rng.normal(size=shape).astype(np.float32))


def model(**more) -> Model:
    return Model(**({"name": "a", "kind": "probabilities", "costs": {"macs": 1.0}} | more))


def faults_of(rows, label=(0,), **more) -> list[str]:
    return pool_faults([model(**more)], [np.array(rows, np.float32)], np.array(label))


def test_of_every_fault_is_named_at_once(rng):
    good = probabilities(rng, (4, 3))
    outputs = [good.copy() for _ in range(4)]
    outputs[0][1, 0] = np.nan
    outputs[1][2, 1] = np.inf
    outputs[2][0] = [-0.1, 0.6, 0.5]
    outputs[3][3] = [3.0, 1.0, 2.0]
    names = ["a", "b", "c", "a"]
    with pytest.raises(PoolError) as caught:
        Pool.of(outputs=outputs, label=[0, 1, 2, 3], names=names, costs={"macs": [1, 2, -3, 4]})
    text = str(caught.value)
    for fault in (
        "a: NaN in 1 of 4 rows",
        "b: infinity in 1 of 4 rows",
        "c: negative probability in 1 of 4 rows",
        "rows of probabilities are far from sum 1 (the furthest: 6)",
        "label must be in 0..2, got 3 at sample 3",
        "the model name 'a' comes more than once",
        "c: cost 'macs' must be a finite number >= 0, got -3",
    ):
        assert fault in text


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"outputs": [], "names": [], "costs": {"macs": []}}, "at least one model"),
        ({"outputs": np.zeros((1, 0, 3), np.float32)}, "neither 0"),
        ({"outputs": np.zeros((1, 4, 3), np.int64)}, "float16 or float32, got int64"),
        ({"outputs": np.zeros((1, 4), np.float32)}, "outputs must be"),
        ({"costs": {"macs": [1, 2]}}, "macs has 2 values"),
        ({"names": ["a", "b"]}, "2 names"),
        ({"names": [""]}, "1 to 512 characters"),
        ({"label": [0.0, 1.0, 0.0, 1.0]}, "label must be integers"),
        ({"label": [0, 1]}, r"label must be integers \[4\]"),
        ({"label": [0, 1, -1, 0]}, "label must be in 0..2, got -1"),
        ({"kind": "scores"}, "kind must be probabilities or logits, got 'scores'"),
        ({"classes": ("x", "y")}, "3 classes need as many names, got 2"),
    ],
)
def test_of_bad_arrays_are_refused(rng, change, match):
    arguments = {
        "outputs": probabilities(rng, (1, 4, 3)),
        "label": [0, 1, 2, 0],
        "names": ["a"],
        "costs": {"macs": [1.0]},
    }
    with pytest.raises(PoolError, match=match):
        Pool.of(**(arguments | change))


def test_of_different_shapes_are_refused(rng):
    outputs = [probabilities(rng, (4, 3)), probabilities(rng, (4, 2))]
    with pytest.raises(PoolError, match=r"b: outputs must be .* got \(4, 2\)"):
        Pool.of(outputs=outputs, label=[0, 1, 0, 1], names=["a", "b"], costs={"macs": [1, 2]})


def test_of_quantised_probabilities_off_by_rounding_are_taken():
    outputs = np.array([[[0.99, 0.0], [0.5, 0.512]]], np.float32)
    assert Pool.of(outputs=outputs, label=[0, 1], names=["a"], costs={"macs": [1]}).n_models == 1


def test_no_model_is_the_only_fault():
    assert pool_faults([], [], np.array([])) == ["a pool needs at least one model, got none"]


def test_good_values_have_no_fault():
    assert faults_of([[0.5, 0.5]]) == []
    assert faults_of([[-7.0, 80.0]], kind="logits") == []


@pytest.mark.parametrize(("total", "n_faults"), [(0.981, 0), (1.019, 0), (0.979, 1), (1.021, 1)])
def test_sum_of_a_row_may_be_off_by_the_tolerance(total, n_faults):
    assert SUM_TOLERANCE == 0.02
    faults = faults_of([[total, 0.0], [0.5, 0.5]], (0, 1))
    assert len(faults) == n_faults
    assert all(f"a: 1 of 2 rows of probabilities are far from sum 1 (the furthest: {total:g})" in f
               for f in faults)  # fmt: skip


def test_furthest_sum_is_that_of_all_blocks(monkeypatch):
    monkeypatch.setattr(faults_module, "BLOCK_ROWS", 2)
    rows = [[0.5, 0.5], [0.9, 0.5], [0.1, 0.2], [0.5, 0.5], [0.6, 0.5]]
    (fault,) = faults_of(rows, [0] * 5)
    assert fault.startswith(
        "a: 3 of 5 rows of probabilities are far from sum 1 (the furthest: 0.3)"
    )


def test_rows_with_faults_are_counted_over_all_blocks(monkeypatch):
    monkeypatch.setattr(faults_module, "BLOCK_ROWS", 2)
    rows = [[np.nan, 1], [0.5, 0.5], [np.nan, np.nan], [np.inf, 0], [0, -np.inf]]
    assert faults_of(rows, [0] * 5, kind="logits") == [
        "a: NaN in 2 of 5 rows",
        "a: infinity in 2 of 5 rows",
    ]


def test_negative_probability_is_a_fault_and_a_negative_logit_none():
    rows = [[-0.01, 1.01], [0.0, 1.0]]
    assert faults_of(rows, (0, 1)) == ["a: negative probability in 1 of 2 rows"]
    assert faults_of(rows, (0, 1), kind="logits") == []


@pytest.mark.parametrize(
    ("more", "fault"),
    [
        ({"costs": {"macs": 0.0}}, None),
        ({"costs": {"macs": -1e-9}}, "a: cost 'macs' must be a finite number >= 0, got -1e-09"),
        ({"costs": {"macs": np.inf}}, "a: cost 'macs' must be a finite number >= 0, got inf"),
        ({"costs": {"macs": np.nan}}, "a: cost 'macs' must be a finite number >= 0, got nan"),
        ({"temperature": 1e-9}, None),
        ({"temperature": 0.0}, "a: temperature must be above 0, got 0"),
        ({"temperature": np.inf}, "a: temperature must be above 0, got inf"),
        ({"name": "n" * 512}, None),
        ({"name": "n" * 513}, "a model name must have 1 to 512 characters, got 513"),
    ],
)
def test_record_of_a_model_is_taken_up_to_its_limits(more, fault):
    assert faults_of([[0.5, 0.5]], **more) == ([] if fault is None else [fault])


@pytest.mark.parametrize(
    ("label", "fault"),
    [
        ((0, 1), None),
        ((0, 2), "label must be in 0..1, got 2 at sample 1 (1 such labels)"),
        ((-1, 2), "label must be in 0..1, got -1 at sample 0 (2 such labels)"),
    ],
)
def test_label_is_a_class(label, fault):
    assert faults_of([[0.5, 0.5]] * 2, label) == ([] if fault is None else [fault])


def test_models_without_outputs_and_outputs_without_models_are_a_fault():
    output = np.full((1, 2), 0.5, np.float32)
    two = [model(), model(name="b")]
    assert pool_faults(two, [output], np.array([0])) == [
        "1 output arrays need as many models, got 2"
    ]
    assert pool_faults([model()], [output, output * 9], np.array([0])) == [
        "2 output arrays need as many models, got 1"
    ]
