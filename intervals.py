"""Intervals for accuracies: every reported accuracy carries its n and one of these."""

from __future__ import annotations

from math import sqrt
from statistics import NormalDist


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
