import numpy as np
import pytest

from encas.errors import PoolError
from encas.pools.model import Model
from encas.pools.pool import Pool
from encas.pools.pool_arrays import models_of, output_arrays


@pytest.mark.parametrize(
    ("outputs", "got"),
    [
        ({"net": np.zeros((8, 3))}, r"a dict; give list\(x.values\(\)\) as outputs and list\(x\)"),
        (None, "None"),
        (3.0, "3.0"),
        ("net", "a str"),
        (object(), "an object"),
        ([[[0.5, 0.5], [1.0]]], "a list: .*inhomogeneous"),
    ],
)
def test_of_what_is_no_array_says_what_it_wanted(outputs, got):
    wanted = r"outputs must be one array \[n_models, n_samples, n_classes\], or a list with one"
    with pytest.raises(PoolError, match=rf"pool: {wanted} array .* for each model, got {got}"):
        Pool.of(outputs=outputs, label=[0])


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        ({"names": "ab"}, "names must be a list with one name for each model, got a str"),
        ({"names": 2}, "names must be .* got 2"),
        ({"sources": "onnx:a.onnx"}, "sources must be a list with one source .* got a str"),
        ({"sources": ["onnx:a.onnx"]}, "need as many names and costs, got 2 names; 1 sources"),
        ({"costs": [1, 2]}, "costs must be a dict of lists .* got a list"),
        ({"costs": {"macs": 5.0}}, "cost 'macs' must be a list with one number .* got 5.0"),
        ({"costs": {"macs": [1.0]}}, "2 models need as many names and costs, got 2 names; macs h"),
        ({"costs": {"G MACs": [1, 2]}}, "named by a word such as macs, .* got 'G MACs'"),
        ({"costs": {3: [1, 2]}}, "named by a word such as macs, .* got 3"),
    ],
)
def test_of_names_and_costs_that_fit_no_models_are_refused(values, fault):
    with pytest.raises(PoolError, match=fault):
        Pool.of(outputs=np.full((2, 1, 2), 0.5), label=[0], **values)


@pytest.mark.parametrize(
    ("given", "stored"),
    [(np.float64, np.float32), (np.float32, np.float32), (np.float16, np.float16)],
)
def test_outputs_of_double_precision_alone_are_converted(given, stored):
    (array,) = output_arrays(np.ones((1, 2, 3), given), where="p")
    assert (array.dtype, array.shape) == (stored, (2, 3))


def test_outputs_of_lists_and_of_generators_are_arrays():
    rows = [[0.25, 0.75], [1.0, 0.0]]
    for outputs in ([rows, rows], (rows for _ in range(2)), (np.array(rows), rows)):
        arrays = output_arrays(outputs, where="p")
        assert [array.tolist() for array in arrays] == [rows, rows]
    assert output_arrays([], where="p") == ()


def test_models_without_names_are_numbered():
    (first, second) = models_of(None, None, "logits", None, 2, where="p")
    assert first == Model(name="model_0", kind="logits", costs={})
    assert second.name == "model_1"


def test_models_have_their_own_costs_and_sources():
    costs = {"macs": np.array([1, 2]), "params": [3.5, 4.5]}
    models = models_of(["a", "b"], costs, "probabilities", ["x:1", "y:2"], 2, where="p")
    assert models[1] == Model(
        name="b", kind="probabilities", costs={"macs": 2.0, "params": 4.5}, source="y:2"
    )
    assert type(models[0].costs["macs"]) is float


def test_models_that_do_not_fit_are_counted_in_one_error():
    with pytest.raises(PoolError) as caught:
        models_of(["a"], {"macs": [1, 2, 3]}, "logits", ["x"], 2, where="p")
    assert str(caught.value) == (
        "p: 2 models need as many names and costs, got 1 names; macs has 3 values; 1 sources"
    )


def test_models_with_faults_of_several_kinds_name_all():
    with pytest.raises(PoolError, match="p: 3 faults: names must be .*; a cost must be .*; cost"):
        models_of("ab", {"G MACs": 5.0}, "logits", None, 2, where="p")
