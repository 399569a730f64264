"""An exact test of how much accuracy a classifier loses against another on the same samples.

On a sample the classifier loses (only the reference is right), gains (only it is right), or ties.
With lost and gained counts (x, y) of n independent samples, trinomial with probabilities (p, q),
the hypothesis is that the accuracy drops by at least d: p - q >= d. The p-value is

    max over q in C(y) of P_{q + d, q}(T(X, Y) <= T(x, y)) + BETA

with T the score statistic of p - q = d and C(y) the Clopper-Pearson interval of q at level
1 - BETA: an exact unconditional test whose nuisance parameter is confined to an interval.

It is valid. Read {T <= t} as its smallest superset R_t that also holds every better outcome (for
some samples, lost -> tie -> gained); these sets are nested. At a true (p, q) with p >= q + d,
outcomes can be coupled to ones at (q + d, q) that are nowhere worse, so P_{p,q}(R_t) <=
P_{q+d,q}(R_t). So the p-value is at most a only if q is not in C(Y), which has probability BETA, or
if what q itself contributes is at most a - BETA, which has probability a - BETA. The maximum over a
small interval [l, u] of q is bounded by P_{l+d,u} for the same reason: nothing is missed between.

Sources: R. L. Berger, D. D. Boos, "P Values Maximized Over a Confidence Set for the Nuisance
Parameter", JASA 89, 1994, doi 10.1080/01621459.1994.10476836; T. Tango, "Equivalence test and
confidence interval for the difference in proportions for the paired-sample design", Statistics in
Medicine 17, 1998 (the statistic).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ..arrays import DoubleArray, IntArray
from ..errors import MissingExtraError

try:
    from scipy.stats import beta, binom
except ImportError as error:
    raise MissingExtraError("certificates", extra="search") from error

BETA = 1e-4
# C(y) is cut into intervals: with so many, the maximum is overestimated by about 2 %.
N_INTERVALS = 256
# How many of them are looked at together where a coarser bound is enough for a decision.
COARSE = 8
# Gained counts with less probability than this on either side are counted as evidence outright.
TAIL = 1e-12


def drop_p_value(n_lost: int, n_gained: int, n_samples: int, *, max_drop: float) -> float:
    """The p-value of the hypothesis that accuracy drops by `max_drop` or more.

    Args:
        n_lost: samples that only the reference answers rightly.
        n_gained: samples that only the classifier answers rightly.
        n_samples: all samples.
        max_drop: the drop in question, in [0, 1).
    """
    if n_lost - n_gained >= n_samples * max_drop:
        return 1.0
    region = _Region.of(n_lost, n_gained, n_samples, max_drop)
    return min(1.0, float(region.bounds(region.edges).max(initial=0.0)) + BETA + 2 * TAIL)


@lru_cache(maxsize=2**16)
def is_drop_small(
    n_lost: int, n_gained: int, n_samples: int, *, max_drop: float, level: float
) -> bool:
    """Whether `drop_p_value` is at most `level`, found with less work."""
    if n_lost - n_gained >= n_samples * max_drop:
        return level >= 1
    region = _Region.of(n_lost, n_gained, n_samples, max_drop)
    most = level - BETA - 2 * TAIL
    too_large = np.flatnonzero(region.bounds(region.edges[::COARSE]) > most)
    for i in too_large:
        if (region.bounds(region.edges[i * COARSE : (i + 1) * COARSE + 1]) > most).any():
            return False
    return most >= 0


def clopper_pearson(n_hits: int, n_samples: int, *, risk: float) -> tuple[float, float]:
    """Bounds of a probability, each of which is wrong with probability at most `risk`.

    Source: C. J. Clopper, E. S. Pearson, "The Use of Confidence or Fiducial Limits Illustrated in
    the Case of the Binomial", Biometrika 26, 1934, doi 10.1093/biomet/26.4.404.
    """
    low = beta.ppf(risk, n_hits, n_samples - n_hits + 1) if n_hits else 0.0
    high = beta.isf(risk, n_hits + 1, n_samples - n_hits) if n_hits < n_samples else 1.0
    return float(low), float(high)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Region:
    """The outcomes that are evidence as strong as the observed one, and where to look for q.

    Args:
        n_samples: all samples.
        max_drop: d.
        edges: float64, ascending: the intervals of q; a single edge where there is none.
        gained: int64 [k], gained counts.
        most_lost: int64 [k], the most lost samples beside each that are in the region, -1: none.
    """

    n_samples: int
    max_drop: float
    edges: DoubleArray
    gained: IntArray
    most_lost: IntArray

    @classmethod
    def of(cls, n_lost: int, n_gained: int, n_samples: int, max_drop: float) -> _Region:
        low, high = clopper_pearson(n_gained, n_samples, risk=BETA / 2)
        largest = (1 - max_drop) / 2
        edges = np.linspace(low, min(high, largest), N_INTERVALS + 1)
        if low >= largest:
            edges = edges[:1]
        gained = np.arange(int(binom.isf(TAIL, n_samples, edges[-1])) + 1)
        most_lost = _most_lost(n_lost, n_gained, n_samples, max_drop, gained)
        first = int(binom.ppf(TAIL, n_samples, edges[0]))
        return cls(
            n_samples=n_samples,
            max_drop=max_drop,
            edges=edges,
            gained=gained[first:],
            most_lost=most_lost[first:],
        )

    def bounds(self, edges: DoubleArray) -> DoubleArray:
        """An upper bound of the region's probability for q in each interval between edges."""
        q, p = edges[1:, None], edges[:-1, None] + self.max_drop
        probability = binom.pmf(self.gained, self.n_samples, q) * binom.cdf(
            self.most_lost, self.n_samples - self.gained, np.minimum(1.0, p / (1 - q))
        )
        return probability.sum(axis=1)


def _most_lost(
    n_lost: int, n_gained: int, n_samples: int, max_drop: float, gained: IntArray
) -> IntArray:
    """The most lost samples for each gained count 0, 1, .. that are evidence as strong; -1: none.

    Where fewer than n * d + gained are lost the statistic grows with them, so bisection finds it.
    """
    bound = _score(np.array(n_lost), np.array(n_gained), n_samples, max_drop) + 1e-12
    none = np.full(len(gained), -1)
    most = np.minimum(np.ceil(n_samples * max_drop + gained).astype(np.int64), n_samples - gained)
    while (none < most).any():
        middle = (none + most + 1) // 2
        is_evidence = _score(middle, gained, n_samples, max_drop) <= bound
        none, most = np.where(is_evidence, middle, none), np.where(is_evidence, most, middle - 1)
    return np.minimum(np.maximum.accumulate(none), n_samples - gained)


def _score(lost: IntArray, gained: IntArray, n_samples: int, max_drop: float) -> DoubleArray:
    """(p - q - d) estimated, over its standard error where p - q = d is most likely."""
    n, d = n_samples, max_drop
    linear = lost + gained - d * (gained - lost + 2 * n)
    q = (linear + np.sqrt(linear**2 + 8 * n * gained * d * (1 - d))) / (4 * n)
    variance = n * np.maximum(2 * q + d * (1 - d), 0.0)
    difference = lost - gained - n * d
    return np.where(variance > 0, difference / np.sqrt(np.maximum(variance, 1e-300)), 0.0)
