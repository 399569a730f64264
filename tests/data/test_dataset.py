import numpy as np
import pytest

from encas.data.dataset import Dataset, DatasetSamples
from encas.errors import DataError

X = np.arange(12, dtype=np.float32).reshape(6, 2)


def dataset(x=X, **values):
    given = {"name": "it", "label": np.arange(len(x)), "sample_shape": x.shape[1:]}
    return Dataset(**{**given, "dtype": str(x.dtype), "read": lambda rows: x[rows], **values})


def two_views():
    return dataset(further={"input_2": dataset(-X)}, sample_names=tuple("abcdef"))


def test_samples_are_read_by_their_rows():
    found = dataset()
    assert found.n_samples == 6
    assert np.array_equal(found.samples(np.array([3, 0])), X[[3, 0]])
    assert found.samples(np.arange(0)).shape == (0, 2)


def test_take_gives_the_samples_in_that_order():
    taken = dataset().take(np.array([4, 1, 5]))
    assert taken.label.tolist() == [4, 1, 5]
    assert np.array_equal(taken.samples(np.array([2, 0])), X[[5, 4]])
    assert np.array_equal(taken.take(np.array([1])).samples(np.array([0])), X[[1]])
    assert taken.sample_names is None


def test_take_takes_the_names_and_every_view_along():
    taken = two_views().take(np.array([5, 2]))
    assert taken.sample_names == ("f", "c")
    assert taken.view("input_2").label.tolist() == [5, 2]
    assert np.array_equal(taken.view("input_2").samples(np.array([1])), -X[[2]])


def test_view_is_the_samples_as_an_input_takes_them():
    found = two_views()
    assert found.view("input") is found
    assert np.array_equal(found.view("input_2").samples(np.array([1])), -X[[1]])
    with pytest.raises(DataError, match="it: has samples for input, input_2, but not for input_3"):
        found.view("input_3")


def test_batch_of_one_input_is_an_array_and_of_several_is_read_later():
    rows = np.array([4, 1])
    assert np.array_equal(dataset().batch(rows), X[rows])
    batch = two_views().batch(rows)
    assert isinstance(batch, DatasetSamples)
    assert len(batch) == 2
    assert np.array_equal(batch.read("input", np.array([1])), X[[1]])
    assert np.array_equal(batch.read("input_2", np.array([0])), -X[[4]])


def test_arrays_of_several_inputs_are_read_now():
    rows = np.array([2])
    assert np.array_equal(dataset().arrays(rows), X[rows])
    found = two_views().arrays(rows)
    assert list(found) == ["input", "input_2"]
    assert np.array_equal(found["input_2"], -X[rows])


def test_as_types_gives_each_input_the_type_that_it_takes():
    typed = two_views().as_types({"input": "uint8", "input_2": "float16"})
    rows = np.array([2, 3])
    assert (typed.dtype, typed.view("input_2").dtype) == ("uint8", "float16")
    assert typed.samples(rows).dtype == np.uint8
    assert np.array_equal(typed.samples(rows), X[rows])
    assert np.array_equal(typed.view("input_2").samples(rows), -X[rows])
    assert typed.as_types({"input": "uint8", "input_2": "float16"}).read is typed.read


def test_as_types_never_cuts_samples():
    typed = dataset(X / 2).as_types({"input": "uint8"})
    with pytest.raises(DataError, match="it: the model takes uint8"):
        typed.samples(np.array([0]))
