import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from encas.evaluate.genome import cascades_of, decode, encode


def test_cascades_of_decoded_genes_have_names_and_decimals():
    members, thresholds = np.array([[1, 0, -1]]), np.array([[29, 7]])
    (cascade,) = cascades_of(members, thresholds, ["a", "b"])
    assert cascade.members == ("b", "a")
    assert cascade.thresholds == (0.58,)


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
