import numpy as np
import pytest

from encas.errors import SourceError
from encas.pools.building.output_kind import OutputKind

SHARES = np.array([[0.2, 0.8], [0.5, 0.5], [1, 0]], np.float32)
LOGITS = np.array([[2, -1], [0.3, 4], [1, 0]], np.float32)
SIGMOIDS = np.array([[0.2, 0.1], [0.9, 0.9], [1, 0]], np.float32)


def kind_of(*batches, stated=None) -> OutputKind:
    kind = OutputKind(stated=stated)
    for batch in batches:
        kind.add(batch)
    return kind


@pytest.mark.parametrize(
    ("batches", "found"),
    [
        ((SHARES, SHARES), "probabilities"),
        ((SHARES, LOGITS), "logits"),
        ((LOGITS,), "logits"),
        ((SIGMOIDS,), "logits"),
        ((np.ones((3, 1), np.float32),), "logits"),
        ((np.empty((0, 2), np.float32),), "logits"),
    ],
)
def test_kind_is_that_of_the_values(batches, found):
    assert kind_of(*batches).found == found


@pytest.mark.parametrize("stated", ["logits", "probabilities"])
@pytest.mark.parametrize("rows", [SHARES, LOGITS])
def test_kind_that_is_stated_counts_more(stated, rows):
    assert kind_of(rows, stated=stated).found == stated


def test_rows_that_are_not_finite_say_nothing():
    broken = np.array([[np.nan, 0.5], [np.inf, 0]], np.float32)
    assert kind_of(SHARES, broken).found == "probabilities"


def test_few_rows_that_are_no_probabilities_among_many_are_refused():
    rows = np.concatenate([SHARES] * 7)
    with pytest.raises(SourceError, match=r"21 of 22 rows are probabilities, .* \?kind=prob"):
        _ = kind_of(rows, np.zeros((1, 2), np.float32)).found


def test_scores_of_each_class_alone_are_doubted():
    (doubt,) = kind_of(SIGMOIDS).doubts()
    assert "as by a sigmoid" in doubt
    assert "at most 0.73" in doubt
    assert not list(kind_of(SHARES).doubts())
    assert not list(kind_of(LOGITS).doubts())
    assert not list(kind_of(np.ones((3, 1), np.float32)).doubts())


def test_probabilities_that_are_said_to_be_logits_are_doubted():
    (doubt,) = kind_of(SHARES, stated="logits").doubts()
    assert "a second softmax" in doubt
