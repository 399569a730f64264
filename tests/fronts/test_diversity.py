"""Diversity and calibration, against loops over the definitions."""

import numpy as np
import pytest

from encas.cascade import Cascade
from encas.fronts.diversity import (
    calibration_error,
    diversity_of,
    double_faults,
    pair_table,
    uses_of,
)
from encas.pools.pool import Pool
from encas.search.front_finding import find_front


def test_double_faults_equal_a_loop(rng):
    wrong = rng.random((4, 50)) < 0.3
    expected = [
        [np.mean([a and b for a, b in zip(x, y, strict=True)]) for y in wrong] for x in wrong
    ]
    np.testing.assert_allclose(double_faults(wrong), expected)


def test_table_of_pairs_has_a_line_for_each(tiny_pool):
    lines = [line.split(",") for line in pair_table(tiny_pool).splitlines()]
    assert lines[0] == ["first", "second", "both_wrong", "one_wrong"]
    assert [line[:2] for line in lines[1:]] == [
        ["cheap", "middle"], ["cheap", "dear"], ["middle", "dear"]
    ]  # fmt: skip
    wrong = np.array([output.argmax(1) != tiny_pool.label for output in tiny_pool.outputs])
    both, one = (wrong[0] & wrong[1]).mean(), (wrong[0] ^ wrong[1]).mean()
    assert [float(cell) for cell in lines[1][2:]] == pytest.approx([both, one])


def test_calibration_error_equals_a_loop(rng):
    probabilities = rng.dirichlet(np.ones(3) * 0.5, 400).astype(np.float32)
    right = rng.random(400) < 0.6
    confidence = probabilities.max(axis=1)
    expected = 0.0
    for k in range(15):
        inside = (confidence > k / 15) & (confidence <= (k + 1) / 15)
        if inside.any():
            gap = right[inside].mean() - confidence[inside].mean(dtype=np.float64)
            expected += inside.mean() * abs(gap)
    assert calibration_error(probabilities, right) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(("right", "expected"), [(True, 0.0), (False, 1.0)])
def test_calibration_error_of_certainty_is_all_or_nothing(right, expected):
    probabilities = np.tile(np.array([[1, 0]], np.float32), (5, 1))
    assert calibration_error(probabilities, np.full(5, right)) == expected


def test_diversity_of_the_tiny_pool_is_that_of_the_definitions(tiny_pool):
    found = diversity_of(tiny_pool)
    wrong = np.array([o.argmax(1) != tiny_pool.label for o in tiny_pool.outputs])
    pairs = [(0, 1), (0, 2), (1, 2)]
    both = [(wrong[a] & wrong[b]).mean() for a, b in pairs]
    one = [(wrong[a] ^ wrong[b]).mean() for a, b in pairs]
    assert found.oracle == (~wrong.all(0)).mean() == 1.0
    assert found.mean_double_fault == pytest.approx(np.mean(both))
    assert found.mean_disagreement == pytest.approx(np.mean(one))
    assert [(a, b) for a, b, _ in found.least_alike][-1] == ("cheap", "middle")
    low, high = found.oracle_interval
    assert low < 1.0 == high


def test_diversity_of_one_model_is_its_error(tiny_pool):
    one = Pool.of(
        outputs=[tiny_pool.outputs[0]], label=tiny_pool.label, names=["a"], costs={"macs": [1]}
    )
    found = diversity_of(one)
    assert found.mean_double_fault == 3 / 8
    assert (found.mean_disagreement, found.least_alike) == (0.0, ())


def test_uses_count_the_cascades_of_each_member(tiny_pool):
    front = find_front(tiny_pool, evaluations=300)
    uses = uses_of([front, front])
    for name in tiny_pool.names:
        assert uses[name] == 2 * sum(name in item.cascade.members for item in front.cascades)
    assert isinstance(front.cascades[0].cascade, Cascade)
