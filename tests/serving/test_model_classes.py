"""Class names as a server tells them."""

from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("tritonclient")

from encas.data.dataset import Dataset
from encas.serving.load_client import ClientOptions
from encas.serving.model_classes import _n_classes, names_of_answer, served_classes
from encas.serving.server_url import ServerUrl


def data_of(shape) -> Dataset:
    return Dataset(
        name="zeros", label=np.zeros(2, int), sample_shape=shape, dtype="float32",
        read=lambda rows: np.zeros((len(rows), *shape), np.float32),
    )  # fmt: skip


@pytest.mark.parametrize("scheme", ["http", "grpc"])
def test_classes_of_a_served_model_are_those_of_its_bundle(served, scheme):
    url = ServerUrl.parse(f"{scheme}://{served.http if scheme == 'http' else served.grpc}")
    found = served_classes(url, ClientOptions(), model="two", dataset=data_of((1, 4, 4)))
    assert found is not None
    assert (found.owner, found.n_classes) == ("the model two", 5)
    assert found.names == ("ant", "bee", "cat", "dog", "eel")


def test_classes_of_a_model_that_does_not_take_the_sample_are_not_known(served):
    url = ServerUrl.parse(str(served.http))
    assert served_classes(url, ClientOptions(), model="two", dataset=data_of((7,))) is None


def test_names_of_an_answer_stand_by_label():
    assert names_of_answer(["0.7:1:b:c", "0.2:0:a", "0.1:2:d"]) == ("a", "b:c", "d")
    assert names_of_answer(["0.7:1", "0.3:0"]) is None


def test_number_of_classes_is_the_last_size_of_the_probabilities():
    outputs = [{"name": "label", "shape": [-1]}, {"name": "probabilities", "shape": ["-1", "5"]}]
    assert _n_classes({"outputs": outputs}) == 5
    assert _n_classes({"outputs": outputs[:1]}) is None
    message = SimpleNamespace(outputs=[SimpleNamespace(name="probabilities", shape=[-1, -1])])
    assert _n_classes(message) is None
