"""The one rule by which named classes meet."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from encas.class_names import ClassNames, is_imagenet, matched_classes
from encas.errors import DataError, PoolError

SYNSETS = ("n01440764", "n01443537", "n01484850")


def named(*names, owner="data"):
    return ClassNames(owner=owner, n_classes=len(names), names=names)


def nameless(n, owner="data"):
    return ClassNames(owner=owner, n_classes=n, names=None)


def test_match_of_the_same_names_says_nothing():
    match = matched_classes(named("a", "b"), named("a", "b", owner="bundle"))
    assert (match.relation, match.places, match.note) == ("same", (0, 1), "")


def test_match_of_another_order_maps_labels_and_says_so():
    match = matched_classes(named("z", "x", "y"), named("x", "y", "z", owner="bundle"))
    assert match.relation == "permutation"
    assert match.labels(np.array([0, 1, 2, 0])).tolist() == [2, 0, 1, 2]
    assert match.note == "data: the classes are in another order than in bundle, matched by name"


def test_match_of_some_names_maps_labels_into_the_larger_set():
    match = matched_classes(named("a", "c"), named("a", "b", "c", owner="bundle"))
    assert match.relation == "subset"
    assert match.labels(np.array([1, 0])).tolist() == [2, 0]
    assert match.note == "data: 2 of the 3 classes of bundle, matched by name"


def test_match_of_other_names_names_what_only_one_side_has():
    fault = (
        r"data and bundle have other classes: only the former has 4 \('d', 'e', 'f', \.\.\.\), "
        r"only the latter 1 \('b'\)"
    )
    with pytest.raises(PoolError, match=fault):
        matched_classes(
            named("a", "d", "e", "f", "g"), named("a", "b", owner="bundle"), error=PoolError
        )


def test_match_of_more_names_than_are_known_is_refused():
    with pytest.raises(DataError, match=r"only the former has 1 \('b'\), only the latter none"):
        matched_classes(named("a", "b"), named("a", owner="bundle"))


def test_match_of_a_name_that_comes_twice_is_refused():
    with pytest.raises(DataError, match="data has the class 'a' twice"):
        matched_classes(named("a", "a"), named("a", "b", owner="bundle"))


def test_match_of_equal_lists_with_a_name_twice_is_the_same():
    assert matched_classes(named("a", "a"), named("a", "a", owner="bundle")).is_plain


@pytest.mark.parametrize(
    ("first", "second", "whose"),
    [
        (nameless(3), named("a", "b", "c", owner="bundle"), "data states .* order of bundle"),
        (nameless(2), named("a", "b", "c", owner="bundle"), "data states .* order of bundle"),
        (named("a", "b", "c"), nameless(3, "bundle"), "bundle states .* order of data"),
    ],
    ids=["data", "data that lack the last class", "bundle"],
)
def test_match_with_a_side_without_names_says_that_the_order_is_believed(first, second, whose):
    match = matched_classes(first, second)
    assert match.relation == "unnamed"
    assert match.is_plain
    with pytest.raises(AssertionError, match=whose):
        raise AssertionError(match.note)


def test_match_of_two_sides_without_names_has_nothing_to_say():
    assert matched_classes(nameless(2), nameless(3, "bundle")).note == ""


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (nameless(4), named("a", "b", "c")),
        (named("a", "b"), nameless(3)),
        (nameless(4), nameless(3)),
    ],
    ids=["labels beyond", "fewer names", "neither named"],
)
def test_match_without_names_of_other_sizes_is_refused(first, second):
    with pytest.raises(DataError, match="states no class names to match them by"):
        matched_classes(first, second)


@pytest.mark.parametrize(
    "names",
    [("2", "0"), ("n01484850", "n01440764"), ("great white shark", "tench, Tinca tinca")],
    ids=["numbers", "synsets", "readable"],
)
@pytest.mark.parametrize("is_named", [True, False])
def test_match_with_imagenet_knows_all_three_kinds_of_names(names, is_named):
    synsets = ("n01440764", "n01443537", "n01484850")
    every = tuple(f"{i}" for i in range(1000))
    if not is_named:
        assert matched_classes(named(*names), nameless(1000)).places == (2, 0)
    elif names[0] != "2":
        assert matched_classes(named(*names), named(*synsets)).places == (2, 0)
    assert matched_classes(named(*names), named(*every)).places == (2, 0)


def test_match_of_synsets_with_all_numbers_says_that_they_are_imagenets():
    numbers = named(*map(str, range(1000)), owner="bundle")
    match = matched_classes(named(*SYNSETS), numbers)
    assert match.note == "data: 3 of the 1000 classes of bundle, matched as ImageNet's classes"


def test_digits_are_no_classes_of_imagenet():
    assert not is_imagenet(tuple("0123456789"))
    assert not is_imagenet(None)
    assert is_imagenet(SYNSETS)
    with pytest.raises(DataError, match="have other classes"):
        matched_classes(named(*"012"), named(*SYNSETS, owner="bundle"))


@settings(deadline=None)
@given(st.permutations("abcdef"), st.integers(1, 6), st.integers(0, 5))
def test_match_of_any_part_in_any_order_gives_every_label_its_name(order, n, label):
    names = tuple(order[:n])
    match = matched_classes(named(*names), named(*"abcdef", owner="bundle"))
    chosen = label % n
    assert "abcdef"[int(match.labels(np.array([chosen]))[0])] == names[chosen]
