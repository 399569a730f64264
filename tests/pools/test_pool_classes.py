"""Pools whose classes are in another order."""

from dataclasses import replace

import numpy as np
import pytest

from encas.class_names import ClassNames
from encas.errors import PoolError
from encas.pools.absent_output import AbsentOutput
from encas.pools.pool import Pool
from encas.pools.pool_classes import ArrangedOutput, class_names_of, in_classes_of

XYZ, ZXY = ("x", "y", "z"), ("z", "x", "y")
# Where a class of XYZ stands in ZXY.
PLACES = np.array([1, 2, 0])


def made(label, outputs, names, classes=XYZ):
    return Pool.of(
        outputs=outputs, label=label, costs={"macs": [1.0]}, names=["net"], name=names,
        classes=classes,
    )  # fmt: skip


@pytest.fixture
def right(rng):
    """A pool of a model that is nearly always right, its classes x, y, z."""
    label = rng.integers(0, 3, 90)
    outputs = np.full((1, 90, 3), 0.1, np.float32)
    outputs[0, np.arange(90), label] = 0.8
    outputs[0, :3] = np.roll(outputs[0, :3], 1, axis=1)
    return made(label, outputs, "right")


def test_pool_of_the_same_classes_stays_and_nothing_is_said(right):
    notes = []
    assert in_classes_of(right, class_names_of(right), on_note=notes.append) is right
    assert notes == []


def test_labels_alone_are_arranged_where_the_outputs_are_in_the_known_order(right):
    other = made(PLACES[right.label], right.outputs, "other", ZXY)
    notes = []
    arranged = in_classes_of(other, class_names_of(right), on_note=notes.append)
    assert np.array_equal(arranged.label, right.label)
    assert np.array_equal(arranged.probabilities(0), right.probabilities(0))
    assert (arranged.classes, arranged.sha256) == (XYZ, other.sha256)
    assert notes == [
        "pool other: the classes are in another order than in pool right, matched by name; its "
        "outputs are in the order of pool right already"
    ]


def test_labels_and_outputs_are_arranged_where_both_are_in_the_pools_order(right, tmp_path):
    outputs = right.outputs[0][None][:, :, [2, 0, 1]]
    other = made(PLACES[right.label], outputs, "other", ZXY)
    notes = []
    arranged = in_classes_of(other, class_names_of(right), on_note=notes.append)
    assert np.array_equal(arranged.label, right.label)
    assert np.array_equal(arranged.probabilities(0), right.probabilities(0))
    assert notes == [
        "pool other: the classes are in another order than in pool right, matched by name"
    ]
    saved = arranged.save(tmp_path / "saved")
    assert np.array_equal(saved.outputs[0], right.outputs[0])


def test_arranged_output_reads_like_the_array(right):
    arranged = ArrangedOutput(stored=right.outputs[0], columns=np.array([2, 0, 1]))
    whole = right.outputs[0][:, [2, 0, 1]]
    assert (arranged.shape, arranged.dtype, len(arranged)) == ((90, 3), np.float32, 90)
    for rows in (slice(3, 7), np.array([5, 1]), 4):
        assert np.array_equal(arranged[rows], whole[rows])
    assert np.array_equal(np.asarray(arranged), whole)


def test_order_that_the_outputs_do_not_tell_is_refused(rng):
    even = np.full((1, 30, 3), 1 / 3, np.float32)
    pool = made(rng.integers(0, 3, 30), even, "even", ZXY)
    with pytest.raises(PoolError, match="do not tell which order they are in.*output_classes"):
        in_classes_of(pool, ClassNames(owner="the front", n_classes=3, names=XYZ))


def test_other_classes_are_refused_with_their_names(right):
    with pytest.raises(
        PoolError, match=r"only the former has 1 \('y'\), only the latter 1 \('w'\)"
    ):
        in_classes_of(right, ClassNames(owner="the front", n_classes=3, names=("w", "x", "z")))


def test_part_of_the_classes_is_said_and_stays(right):
    notes = []
    known = ClassNames(owner="the front", n_classes=4, names=("w", *ZXY))
    assert in_classes_of(right, known, on_note=notes.append) is right
    assert notes == ["pool right: 3 of the 4 classes of the front, matched by name"]


def test_other_numbers_of_classes_without_names_are_refused(tiny_pool):
    with pytest.raises(PoolError, match="expected 4 classes as in the front, got 3"):
        in_classes_of(tiny_pool, ClassNames(owner="the front", n_classes=4, names=None))


def test_compressed_pool_with_another_order_is_refused(right):
    absent = AbsentOutput(shape=(90, 3), dtype=np.dtype(np.float32), where="there")
    pool = replace(right, outputs=(absent,))
    with pytest.raises(PoolError, match="no outputs to arrange"):
        in_classes_of(pool, ClassNames(owner="the front", n_classes=3, names=ZXY))
