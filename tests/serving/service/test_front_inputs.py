from dataclasses import replace

import numpy as np
import pytest

from encas.cascade import Cascade
from encas.entries import InputEntry
from encas.runtime.executor import Runner
from encas.runtime.session import FakeSession
from encas.serving.service.front_inputs import PartReader, reading, united_inputs


def entry(name, size, *, is_ready=False):
    how = None if is_ready else {"size": [size, size]}
    return InputEntry(name=name, dtype="float32", shape=(3, size, size), preprocessing=how)


SMALL, LARGE, HUGE = entry("input", 4), entry("input_2", 6), entry("input_3", 8)


def names_of(*cascades):
    return [(found.name, found.shape[1]) for found in united_inputs(cascades)]


def test_inputs_of_one_cascade_alone_are_its_own():
    assert united_inputs([(SMALL, LARGE)]) == (SMALL, LARGE)
    assert united_inputs([(SMALL,), (SMALL,)]) == (SMALL,)


def test_inputs_of_several_cascades_come_once_under_the_names_of_the_one_with_most():
    assert names_of((entry("input", 6),), (SMALL, LARGE)) == [("input", 4), ("input_2", 6)]
    assert names_of((SMALL, LARGE), (entry("input", 6),)) == [("input", 4), ("input_2", 6)]


def test_inputs_that_the_largest_cascade_lacks_get_names_of_their_own():
    first, last = (SMALL, LARGE), (entry("input", 6), entry("input_2", 8))
    assert names_of(first, last) == [("input", 6), ("input_2", 8), ("input_3", 4)]
    assert names_of(last, (SMALL, HUGE)) == [("input", 4), ("input_3", 8), ("input_4", 6)]


def test_inputs_of_one_shape_that_are_prepared_in_another_way_are_others():
    other = InputEntry(
        name="input", dtype="float32", shape=(3, 4, 4), preprocessing={"size": [4, 4], "crop": 0.5}
    )
    assert names_of((SMALL,), (other,)) == [("input", 4), ("input_2", 4)]


def test_inputs_that_come_ready_are_told_apart_by_their_names():
    ready = (entry("input", 4, is_ready=True), entry("input_2", 4, is_ready=True))
    assert united_inputs([ready, ready]) == ready


def runner(*reads):
    outputs = np.eye(5, dtype=np.float32)

    def session(name, read):
        made = FakeSession(outputs, name=name)
        made._info = replace(made.info, reads=read)
        return made

    members = tuple(f"m{i}" for i in range(len(reads)))
    cascade = Cascade(members=members, thresholds=(1.0,) * (len(reads) - 1), combine="replace")
    return Runner(cascade, [session(*pair) for pair in zip(members, reads, strict=True)])


def test_cascade_whose_inputs_are_those_given_is_called_itself():
    predictor = runner("input", "input_2")
    assert reading(predictor, (SMALL, LARGE), (SMALL, LARGE)) is predictor


@pytest.mark.parametrize(
    ("own", "used"),
    [
        ((entry("input", 6),), {"input": "input_2"}),
        ((entry("input", 8), entry("input_2", 4)), {"input": "input_3", "input_2": "input"}),
    ],
)
def test_cascade_takes_its_inputs_under_their_other_names(own, used):
    inner = runner(*used)
    predictor = reading(inner, own, (SMALL, LARGE, HUGE))
    assert isinstance(predictor, PartReader)
    assert (predictor.names, predictor.cascade) == (used, inner.cascade)
    assert predictor.info == inner.info
    assert set(predictor.inputs) == set(used.values())
    x = {"input": np.array([0, 1]), "input_2": np.array([2, 3]), "input_3": np.array([3, 4])}
    last = used[list(used)[-1]]
    assert predictor(x).label.tolist() == x[last].tolist()
