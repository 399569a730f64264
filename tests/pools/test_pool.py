import numpy as np
import pytest

from encas.cascade import softmax
from encas.errors import PoolError
from encas.pools.model import Model
from encas.pools.pool import Pool


def probabilities(rng, shape):
    return softmax(rng.normal(size=shape).astype(np.float32))


def test_of_arrays_has_their_sizes(tiny_pool):
    assert (tiny_pool.n_models, tiny_pool.n_samples, tiny_pool.n_classes) == (3, 8, 3)
    assert tiny_pool.names == ("cheap", "middle", "dear")
    assert not tiny_pool.label.flags.writeable
    assert not tiny_pool.outputs[0].flags.writeable


def test_probabilities_of_logits_are_their_softmax(rng):
    logits = rng.normal(size=(1, 5, 4)).astype(np.float32)
    pool = Pool.of(
        outputs=logits, label=np.zeros(5, int), names=["a"], costs={"macs": [1]}, kind="logits"
    )
    np.testing.assert_array_equal(pool.probabilities(0), softmax(logits[0]))
    np.testing.assert_array_equal(pool.probabilities(0, slice(1, 3)), softmax(logits[0, 1:3]))


@pytest.mark.parametrize("kind", ["logits", "probabilities"])
def test_probabilities_with_temperature_are_softened(rng, kind):
    logits = rng.normal(size=(1, 5, 4)).astype(np.float32)
    stored = logits if kind == "logits" else softmax(logits)
    pool = Pool.of(
        outputs=stored, label=np.zeros(5, int), names=["a"], costs={"macs": [1]}, kind=kind
    ).with_temperatures([2.0])
    np.testing.assert_allclose(pool.probabilities(0), softmax(logits[0] / 2), atol=1e-6)


def test_sha256_changes_with_outputs_costs_and_temperature(tiny_pool):
    others = [
        Pool.of(
            outputs=tiny_pool.outputs,
            label=tiny_pool.label,
            models=[Model(name=m.name, kind=m.kind, costs={"macs": 1.0}) for m in tiny_pool.models],
        ),
        tiny_pool.with_temperatures([1, 1, 2]),
        tiny_pool.take(np.arange(7)),
    ]
    assert len({tiny_pool.sha256, *(other.sha256 for other in others)}) == 4


def test_take_rows_keeps_models(tiny_pool):
    part = tiny_pool.take([1, 3])
    np.testing.assert_array_equal(part.label, tiny_pool.label[[1, 3]])
    np.testing.assert_array_equal(part.probabilities(2), tiny_pool.probabilities(2)[[1, 3]])


def test_index_unknown_name_is_refused(tiny_pool):
    with pytest.raises(PoolError, match="no model 'x'; the pool has 3 models: cheap, middle, dear"):
        tiny_pool.index("x")


def test_costs_unknown_name_is_refused(tiny_pool):
    with pytest.raises(PoolError, match="3 of 3 models have no cost 'joules'"):
        tiny_pool.costs("joules")


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
