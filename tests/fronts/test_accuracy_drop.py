import itertools

import numpy as np
import pytest
from scipy.stats import beta, multinomial

from encas.fronts.accuracy_drop import clopper_pearson, drop_p_value, is_drop_small


def outcomes(n: int) -> np.ndarray:
    pairs = itertools.product(range(n + 1), repeat=2)
    return np.array([(x, y) for x, y in pairs if x + y <= n])


@pytest.mark.parametrize("max_drop", [0.0, 0.02, 0.1, 0.4])
def test_drop_p_value_every_outcome_is_valid(max_drop):
    """Exhaustive: under no null distribution of the grid is p <= a more probable than a."""
    n = 16
    pairs = outcomes(n)
    p_values = np.array([drop_p_value(int(x), int(y), n, max_drop=max_drop) for x, y in pairs])
    counts = np.column_stack((pairs, n - pairs.sum(axis=1)))
    largest = 0.0
    for gained in np.linspace(0, (1 - max_drop) / 2, 61):
        for more in (0.0, 0.01, 0.1):
            lost = gained + max_drop + more
            if lost + gained > 1:
                continue
            mass = multinomial.pmf(counts, n, [lost, gained, max(0.0, 1 - lost - gained)])
            for level in (0.01, 0.05, 0.2):
                probability = mass[p_values <= level].sum()
                assert probability <= level
                largest = max(largest, probability / level)
    # Valid could also mean useless: some null comes near the level that was asked for.
    assert largest > 0.6


@pytest.mark.parametrize("max_drop", [0.0, 0.05, 0.3])
def test_drop_p_value_better_outcome_is_not_weaker_evidence(max_drop):
    n = 14
    p = {(x, y): drop_p_value(x, y, n, max_drop=max_drop) for x, y in outcomes(n).tolist()}
    for (x, y), value in p.items():
        if x > 0:
            assert p[x - 1, y] <= value + 1e-4
        if x + y < n:
            assert p[x, y + 1] <= value + 1e-4


def test_drop_p_value_no_discordant_samples_is_the_binomial():
    # At the boundary with no gains ever, all 300 samples tie with probability 0.99 ** 300.
    assert drop_p_value(0, 0, 300, max_drop=0.01) == pytest.approx(0.99**300, rel=0.01)


def test_drop_p_value_many_samples_is_near_the_normal_one():
    # Score statistic -1.6147: 0.0532 in the limit.
    assert drop_p_value(80, 70, 3000, max_drop=0.01) == pytest.approx(0.0532, rel=0.06)


@pytest.mark.parametrize(("lost", "gained"), [(30, 0), (40, 9), (31, 1)])
def test_drop_p_value_drop_as_large_as_asked_is_no_evidence(lost, gained):
    assert drop_p_value(lost, gained, 3000, max_drop=0.01) == 1


@pytest.mark.parametrize("max_drop", [0.0, 0.05, 0.3])
def test_is_drop_small_every_outcome_is_what_the_p_value_says(max_drop):
    n = 14
    for x, y in outcomes(n).tolist():
        p_value = drop_p_value(x, y, n, max_drop=max_drop)
        for risk in (5e-5, 0.01, 0.1, 0.5):
            assert is_drop_small(x, y, n, max_drop=max_drop, level=risk) == (p_value <= risk)


@pytest.mark.parametrize("lost", [70, 76, 79, 82])
def test_is_drop_small_near_the_risk_is_what_the_p_value_says(lost):
    p_value = drop_p_value(lost, 70, 3000, max_drop=0.01)
    for risk in (p_value * 0.999, p_value * 1.001):
        assert is_drop_small(lost, 70, 3000, max_drop=0.01, level=risk) == (p_value <= risk)


def test_clopper_pearson_bounds_have_their_exact_tails():
    low, high = clopper_pearson(7, 20, risk=0.05)
    assert 1 - beta.cdf(low, 7, 14) == pytest.approx(0.95)
    assert beta.cdf(high, 8, 13) == pytest.approx(0.95)
    assert clopper_pearson(0, 20, risk=0.05) == (0.0, pytest.approx(1 - 0.05 ** (1 / 20)))
    assert clopper_pearson(20, 20, risk=0.05) == (pytest.approx(0.05 ** (1 / 20)), 1.0)
