"""Corrects a profile by what composed cascades really took: `fitted`, a pure function.

A member alone is timed on equal batches, one call after the other. In a cascade its batches vary,
other members use the caches and the arena between its calls, and a time is not linear between two
profiled sizes. One factor for each member is what the measured cascades can tell of all that; and
one for the executor, whose time is measured without members and counts beside short ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ...cascade import Cascade
from ...latency import LatencyProfile

# How many cascades' worth of evidence stands for "alone and composed are the same".
PRIOR = 0.02
SMALLEST, LARGEST = 0.25, 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Composed:
    """A cascade that was measured as a whole.

    Args:
        cascade: what was measured.
        reach: share of the timed samples that ran each member.
        batch_size: rows per batch.
        measured_ms: mean time of a batch.
    """

    cascade: Cascade
    reach: tuple[float, ...]
    batch_size: int
    measured_ms: float

    def predicted_ms(self, profile: LatencyProfile) -> float:
        """What a profile predicts."""
        return profile.cascade_ms(self.cascade.members, self.reach, batch_size=self.batch_size)

    def error(self, profile: LatencyProfile) -> float:
        """(predicted - measured) / measured."""
        return (self.predicted_ms(profile) - self.measured_ms) / self.measured_ms


def fitted(profile: LatencyProfile, cascades: Sequence[Composed]) -> LatencyProfile:
    """The profile with the factors that make it predict measured cascades best.

    Least squares of the relative errors, with a ridge that holds factors at 1: a member that no
    cascade tells much about stays as it was measured alone.

    Args:
        profile: as it was measured; corrections that it has already are not built upon.
        cascades: what was measured; all their members are in the profile.
    """
    names = sorted({member for one in cascades for member in one.cascade.members})
    columns = {name: column for column, name in enumerate(names)}
    shares = np.zeros((len(cascades), len(names) + 1))
    missing = np.zeros(len(cascades))
    alone = replace(profile, corrections={}, overhead_correction=1.0)
    for row, one in enumerate(cascades):
        missing[row] = -one.error(alone)
        rows = np.array(one.reach) * one.batch_size
        for member, n_rows in zip(one.cascade.members, rows, strict=True):
            time_ms = float(alone.member_ms(member, float(n_rows)))
            shares[row, columns[member]] = time_ms / one.measured_ms
        shares[row, -1] = alone.overhead_ms(rows) / one.measured_ms
    ridge = shares.T @ shares + PRIOR * np.eye(len(names) + 1)
    factors = 1 + np.linalg.solve(ridge, shares.T @ missing)
    *of_members, of_overhead = np.clip(factors, SMALLEST, LARGEST).tolist()
    return replace(
        alone,
        corrections=dict(zip(names, of_members, strict=True)),
        overhead_correction=of_overhead,
    )
