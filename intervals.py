"""Intervals for accuracies: every reported accuracy carries its n and one of these."""

from __future__ import annotations

from math import inf, sqrt
from statistics import NormalDist

BISECTIONS = 60


def wilson_interval(n_correct: int, n_samples: int, *, level: float = 0.95) -> tuple[float, float]:
    """The Wilson score interval of a share (Wilson, 1927, doi 10.1080/01621459.1927.10502953).

    Args:
        n_correct: successes.
        n_samples: trials, at least 1.
        level: the confidence level of the two-sided interval.
    """
    z = NormalDist().inv_cdf((1 + level) / 2)
    share = n_correct / n_samples
    centre = share + z * z / (2 * n_samples)
    spread = z * sqrt(share * (1 - share) / n_samples + z * z / (4 * n_samples**2))
    scale = 1 + z * z / n_samples
    low, high = (centre - spread) / scale, (centre + spread) / scale
    return (0.0 if n_correct == 0 else max(0.0, low), 1.0 if n_correct == n_samples else high)


def paired_interval(
    n_lost: int, n_gained: int, n_samples: int, *, level: float = 0.95
) -> tuple[float, float]:
    """The score interval of a difference of two shares, counted on the same samples.

    Source: T. Tango, "Equivalence test and confidence interval for the difference in proportions
    for the paired-sample design", Statistics in Medicine 17, 1998.

    Args:
        n_lost: samples that only the second is right on.
        n_gained: samples that only the first is right on.
        n_samples: all samples, at least 1.
        level: the confidence level of the two-sided interval.
    """
    z = NormalDist().inv_cdf((1 + level) / 2)
    low = _where_score_falls_to(z, n_lost, n_gained, n_samples)
    return low, -_where_score_falls_to(z, n_gained, n_lost, n_samples)


def _where_score_falls_to(z: float, n_lost: int, n_gained: int, n_samples: int) -> float:
    """The difference from -1 to the observed one at which the score statistic is z."""
    low, high = -1.0, (n_gained - n_lost) / n_samples
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        is_above = _score(middle, n_lost, n_gained, n_samples) > z
        low, high = (middle, high) if is_above else (low, middle)
    return low


def _score(difference: float, n_lost: int, n_gained: int, n_samples: int) -> float:
    """How many standard errors, where `difference` is true, the observed one lies above it."""
    a, d = 2 * n_samples, difference
    b = (a - n_gained + n_lost) * d - n_gained - n_lost
    q = (sqrt(max(0.0, b * b + 4 * a * n_lost * d * (1 - d))) - b) / (2 * a)
    variance = n_samples * (2 * q + d * (1 - d))
    above = n_gained - n_lost - n_samples * d
    if above <= 0:
        return 0.0
    return above / sqrt(variance) if variance > 0 else inf
