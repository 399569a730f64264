import numpy as np
import pytest

from encas.cascade import softmax
from encas.errors import PoolError
from encas.pools.model import Model
from encas.pools.pool import Pool, given_pool


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


def test_repr_is_short_and_holds_no_array(tiny_pool):
    assert repr(tiny_pool) == "Pool('tiny', 3 models, 8 samples, 3 classes)"


def test_html_is_a_table_of_escaped_text(tiny_pool):
    models = [
        Model(name=f"<b>{m.name}</b>", kind=m.kind, costs={"macs": 1e6, "a<b": 1.0})
        for m in tiny_pool.models
    ]
    pool = Pool.of(
        outputs=tiny_pool.outputs, label=tiny_pool.label, models=models, name="<i>pool</i>"
    )
    html = pool._repr_html_()
    assert html.count("<tr>") == 4
    assert "&lt;b&gt;cheap&lt;/b&gt;" in html
    assert "&lt;i&gt;pool" in html
    assert "a&lt;b" in html
    assert not any(raw in html for raw in ("<b>", "<i>"))


def test_html_of_many_models_says_how_many_are_left_out():
    pool = Pool.of(outputs=np.full((25, 1, 2), 0.5), label=[0])
    assert pool._repr_html_().endswith("<p>and 5 more</p>")


def test_pool_is_a_collection_of_its_models(tiny_pool):
    assert len(tiny_pool) == 3
    assert list(tiny_pool) == list(tiny_pool.models)
    assert tiny_pool["middle"] is tiny_pool[1] is tiny_pool.models[1]
    assert "middle" in tiny_pool
    assert "median" not in tiny_pool
    with pytest.raises(PoolError, match="no model 'median'"):
        _ = tiny_pool["median"]
    with pytest.raises(IndexError):
        _ = tiny_pool[3]


def test_given_pool_is_itself_or_by_its_path(tiny_pool, tmp_path):
    assert given_pool(tiny_pool) is tiny_pool
    tiny_pool.save(tmp_path / "pool")
    for path in (tmp_path / "pool", str(tmp_path / "pool")):
        assert given_pool(path).sha256 == tiny_pool.sha256
    with pytest.raises(PoolError, match="expected a Pool or the path of one, got dict"):
        given_pool({})
