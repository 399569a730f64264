import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from encas.evaluate.dense import DenseEvaluator
from encas.evaluate.genome import encode, gene_sizes
from encas.evaluate.objectives import LinearCost, TopOneError
from encas.search.cascade_problem import CascadeProblem, decode


def test_decode_no_op_is_skipped_with_its_threshold():
    members, thresholds = decode(np.array([[3, 0, 5, 10, 20]]))
    assert members.tolist() == [[2, 4, -1]]
    assert thresholds.tolist() == [[20, 0]]


def test_decode_leading_no_op_drops_the_first_threshold():
    members, thresholds = decode(np.array([[0, 3, 5, 10, 20]]))
    assert members.tolist() == [[2, 4, -1]]
    assert thresholds.tolist() == [[20, 0]]


def test_decode_repeated_member_is_a_no_op():
    members, thresholds = decode(np.array([[3, 3, 5, 10, 20]]))
    assert members.tolist() == [[2, 4, -1]]
    assert thresholds.tolist() == [[20, 0]]


def test_decode_all_no_op_has_no_stage():
    members, _ = decode(np.zeros((1, 5), np.int64))
    assert (members == -1).all()


@given(
    st.lists(st.integers(0, 3), min_size=4, max_size=4),
    st.lists(st.integers(0, 50), min_size=3, max_size=3),
)
def test_decode_of_encoded_is_identical(slots, genes):
    members, thresholds = decode(np.array([slots + genes]))
    again = decode(encode(members, thresholds))
    np.testing.assert_array_equal(again[0], members)
    np.testing.assert_array_equal(again[1], thresholds)


def test_evaluate_empty_cascade_is_infinitely_bad(tiny_pool):
    problem = CascadeProblem(
        DenseEvaluator(tiny_pool),
        TopOneError(),
        [LinearCost(name="macs", costs=tiny_pool.costs("macs"))],
        n_models=3,
        max_members=2,
    )
    values = problem.evaluate(np.array([[0, 0, 7], [1, 0, 7], [1, 3, 50]]))
    assert np.isinf(values[0]).all()
    assert values[1].tolist() == [3 / 8, 1e6]
    assert values[2].tolist() == [0.0, 21e6]
    assert problem.n_values.tolist() == gene_sizes(3, 2).tolist() == [4, 4, 51]
