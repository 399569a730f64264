"""Corrects members' times by what composed cascades really took: `fitted`, a pure function.

A member alone is timed on equal batches, one call after the other. In a cascade its batches vary,
other members use the caches and the arena between its calls, and a time is not linear between two
profiled sizes. One factor for each member is what the measured cascades can tell of all that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..cascade import Cascade
from ..latency import LatencyProfile

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
        """What a profile predicts, moving the batch to the device included."""
        predicted = profile.cascade_ms(self.cascade.members, self.reach, batch_size=self.batch_size)
        return predicted + profile.transfer_ms(self.cascade.members[0], self.batch_size)

    def error(self, profile: LatencyProfile) -> float:
        """(predicted - measured) / measured."""
        return (self.predicted_ms(profile) - self.measured_ms) / self.measured_ms


def fitted(profile: LatencyProfile, cascades: Sequence[Composed]) -> dict[str, float]:
    """The factors that make a profile predict measured cascades best, one for each member.

    Least squares of the relative errors, with a ridge that holds factors at 1: a member that no
    cascade tells much about stays as it was measured alone. Corrections that the profile has
    already are not built upon.

    Args:
        profile: members' times alone.
        cascades: what was measured; all their members are in the profile.
    """
    names = sorted({member for one in cascades for member in one.cascade.members})
    columns = {name: column for column, name in enumerate(names)}
    shares = np.zeros((len(cascades), len(names)))
    missing = np.zeros(len(cascades))
    alone = LatencyProfile(
        setting=profile.setting, timings=profile.timings, gate_ms=profile.gate_ms
    )
    for row, one in enumerate(cascades):
        missing[row] = -one.error(alone)
        for member, reach in zip(one.cascade.members, one.reach, strict=True):
            time_ms = float(alone.member_ms(member, reach * one.batch_size))
            shares[row, columns[member]] = time_ms / one.measured_ms
    ridge = shares.T @ shares + PRIOR * np.eye(len(names))
    factors = 1 + np.linalg.solve(ridge, shares.T @ missing)
    limited = np.clip(factors, SMALLEST, LARGEST).tolist()
    return dict(zip(names, limited, strict=True))
