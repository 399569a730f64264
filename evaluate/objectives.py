"""Objectives: what is minimised, computed from integer counts in one place.

Every cost is a sum over stages, taken from the first to the last in float64, so that a cascade's
cost is the same number whoever computes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from ..arrays import BoolArray, DoubleArray, IntArray
from ..errors import ProfileError
from ..latency import LatencyProfile
from ..pools.pool import Pool
from .class_metrics import Metric, metric_of
from .counts import Counts


class Objective(Protocol):
    """A number to be minimised, for each of n cascades."""

    @property
    def name(self) -> str:
        """The name in a front's list of objectives."""
        ...

    def values(self, members: IntArray, counts: Counts, *, n_samples: int) -> DoubleArray:
        """The objective, float64 [n], of members [n, K] (-1 past the end) and their counts."""
        ...


class Error(Objective, Protocol):
    """The first objective: an error in [0, 1]."""

    @property
    def needs_predicted(self) -> bool:
        """Whether the counts must hold the predicted labels."""
        ...


class StageCost(Objective, Protocol):
    """An objective that is a sum of one cost for each stage."""

    def stage_values(
        self, member: IntArray, reached: IntArray, *, n_samples: int, is_last: BoolArray | bool
    ) -> DoubleArray:
        """The cost of stages, for model indices and reached counts that broadcast together."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TopOneError:
    """The share of wrong answers."""

    name: str = "error"
    needs_predicted: bool = False

    def values(
        self,
        members: IntArray,  # noqa: ARG002 - the error does not depend on who made it
        counts: Counts,
        *,
        n_samples: int,
    ) -> DoubleArray:
        """See `Objective.values`."""
        return (n_samples - counts.correct) / n_samples


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MetricError:
    """The error of a metric over the predicted labels.

    Args:
        metric: see class_metrics.py.
        label: int64 [n_samples], the true labels.
        n_classes: how many classes there are.
    """

    metric: Metric
    label: IntArray
    n_classes: int
    name: str = "error"
    needs_predicted: bool = True

    def values(
        self,
        members: IntArray,
        counts: Counts,
        *,
        n_samples: int,  # noqa: ARG002 - the metric knows it from the labels
    ) -> DoubleArray:
        """See `Objective.values`."""
        assert counts.predicted is not None
        errors = [
            self.metric.error(predicted, self.label, n_classes=self.n_classes)
            if member >= 0
            else np.inf
            for member, predicted in zip(members[:, 0], counts.predicted, strict=True)
        ]
        return np.array(errors, np.float64)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LinearCost:
    """Expected cost per sample: the sum over stages of reach times the member's cost.

    Args:
        name: "macs", "params" or another cost of the pool.
        costs: float64 [n_models], per sample.
    """

    name: str
    costs: DoubleArray

    def values(self, members: IntArray, counts: Counts, *, n_samples: int) -> DoubleArray:
        """See `Objective.values`."""
        # No sample reaches a place without a member, so that what it names costs nothing.
        return added_up((counts.reached / n_samples) * self.costs[members])

    def stage_values(
        self,
        member: IntArray,
        reached: IntArray,
        *,
        n_samples: int,
        is_last: BoolArray | bool,  # noqa: ARG002 - only latency has a gate between stages
    ) -> DoubleArray:
        """See `StageCost.stage_values`."""
        return (reached / n_samples) * self.costs[member]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LatencyCost:
    """Predicted milliseconds per batch, from a latency profile (see latency.py).

    Args:
        profile: measured times of every model of the pool at `batch_size` and below.
        members: the models' names, in the pool's order.
        batch_size: rows per batch.

    Raises:
        ProfileError: a model has no timing at `batch_size` or more.
    """

    profile: LatencyProfile
    members: tuple[str, ...]
    batch_size: int
    name: str = "latency"
    _sizes: DoubleArray = field(init=False, repr=False)
    _times: DoubleArray = field(init=False, repr=False)
    _fixed_ms: float = field(init=False, repr=False)

    def __post_init__(self) -> None:
        measured = set(self.profile.members)
        lacking = [m for m in self.members if m not in measured]
        if lacking:
            raise ProfileError(
                f"{len(lacking)} of {len(self.members)} models were not measured (first: "
                f"{lacking[0]}); run `encas profile` on the pool",
                where="latency profile",
            )
        points = {0, self.batch_size}
        for member in self.members:
            points |= {b for b in self.profile.batch_sizes(member) if b < self.batch_size}
        sizes = np.array(sorted(points), np.float64)
        times = np.stack([self.profile.member_ms(member, sizes) for member in self.members])
        object.__setattr__(self, "_sizes", sizes)
        object.__setattr__(self, "_times", times)
        fixed_ms = self.profile.overhead_ms(np.zeros(1)) + self.profile.moving_ms(self.batch_size)
        object.__setattr__(self, "_fixed_ms", fixed_ms)

    def values(self, members: IntArray, counts: Counts, *, n_samples: int) -> DoubleArray:
        """See `Objective.values`."""
        return summed_over_stages(self, members, counts, n_samples=n_samples)

    def stage_values(
        self, member: IntArray, reached: IntArray, *, n_samples: int, is_last: BoolArray | bool
    ) -> DoubleArray:
        """See `StageCost.stage_values`."""
        rows = (reached / n_samples) * self.batch_size
        right = np.clip(np.searchsorted(self._sizes, rows), 1, len(self._sizes) - 1)
        left = right - 1
        share = (rows - self._sizes[left]) / (self._sizes[right] - self._sizes[left])
        low, high = self._times[member, left], self._times[member, right]
        times = low + share * (high - low)
        return times + np.where(is_last, self._fixed_ms, self.profile.exit_ms(rows))


def summed_over_stages(
    cost: StageCost, members: IntArray, counts: Counts, *, n_samples: int
) -> DoubleArray:
    """The sum of a cost over the stages of each cascade, float64 [n]."""
    is_there = members >= 0
    is_last = is_there.copy()
    is_last[:, :-1] &= ~is_there[:, 1:]
    # A place without a member names the last model, whose cost is then left out.
    values = cost.stage_values(members, counts.reached, n_samples=n_samples, is_last=is_last)
    return added_up(np.where(is_there, values, 0.0))


def added_up(values: DoubleArray) -> DoubleArray:
    """The sums over the stages of values [n, K], from the first stage on, float64 [n]."""
    total = values[:, 0].copy()
    for j in range(1, values.shape[1]):
        total += values[:, j]
    return total


def error_objective(metric: str, pool: Pool) -> TopOneError | MetricError:
    """The error that a user names: top1, or a metric (see class_metrics.py).

    Raises:
        SearchError: there is no such metric.
    """
    chosen = metric_of(metric)
    if chosen is None:
        return TopOneError()
    return MetricError(metric=chosen, label=pool.label, n_classes=pool.n_classes)


def cost_objective(
    name: str, pool: Pool, *, profile: LatencyProfile | None = None, batch_size: int = 1
) -> LinearCost | LatencyCost:
    """The cost objective that a user names: macs, params, cost_<name>, or latency.

    Raises:
        PoolError: the pool has no such cost.
        ProfileError: latency without a profile, or with one that lacks a model.
    """
    if name != "latency":
        return LinearCost(name=name, costs=pool.costs(name.removeprefix("cost_")))
    if profile is None:
        raise ProfileError(
            "the objective latency needs measured times: give --profile PROFILE.json, or "
            "--measure-on DEVICE to measure them first"
        )
    return LatencyCost(profile=profile, members=pool.names, batch_size=batch_size)


def front_costs(
    objectives: Sequence[str],
    pool: Pool,
    *,
    profile: LatencyProfile | None = None,
    batch_size: int = 1,
) -> tuple[LinearCost | LatencyCost, ...]:
    """The costs that a front's cascades carry: its objectives, then macs and params as known."""
    costs = [
        cost_objective(name, pool, profile=profile, batch_size=batch_size)
        for name in objectives
        if name != "error"
    ]
    names = {cost.name for cost in costs}
    known = set.intersection(*(set(model.costs) for model in pool.models))
    costs += [cost_objective(n, pool) for n in ("macs", "params") if n in known - names]
    if profile is not None and "latency" not in names:
        costs.append(cost_objective("latency", pool, profile=profile, batch_size=batch_size))
    return tuple(costs)
