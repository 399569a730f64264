"""What `encas tune` found out: `TuneReport`, a value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...cascade import Cascade
from ...fronts.front import Front
from ...latency import Setting
from .deployed import Numerics

# Two measured times this close are the same: windows that agree differ by as much.
SAME_TIME = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedCascade:
    """A cascade of a front with its predicted and its measured time, in ms per batch."""

    cascade: Cascade
    error: float
    macs: float
    predicted_ms: float
    measured_ms: float

    @property
    def prediction_error(self) -> float:
        """(predicted - measured) / measured."""
        return (self.predicted_ms - self.measured_ms) / self.measured_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A cascade of the front by MACs, and what is as accurate and faster, timed in turns.

    Args:
        by_macs: of the front by MACs.
        predicted: of all that is at least as accurate, what was predicted to be the fastest.
        by_latency: of all that is at least as accurate and was timed, the fastest: `by_macs`
            itself where nothing is faster.
    """

    by_macs: TimedCascade
    predicted: TimedCascade
    by_latency: TimedCascade

    @property
    def speed_up(self) -> float:
        """How many times faster the one by latency was measured."""
        return self.by_macs.measured_ms / self.by_latency.measured_ms

    @property
    def is_mispredicted(self) -> bool:
        """Whether the predicted one is really slower than the one by MACs."""
        return self.predicted.measured_ms > self.by_macs.measured_ms * (1 + SAME_TIME)


@dataclass(frozen=True, slots=True, kw_only=True)
class TuneRound:
    """One turn of predicting, measuring and correcting.

    Args:
        n_cascades: how many composed cascades the prediction was held against.
        median_error: of |predicted - measured| / measured, before they were used to correct it.
        largest_error: of the same.
    """

    n_cascades: int
    median_error: float
    largest_error: float

    @classmethod
    def of(cls, errors: Sequence[float]) -> TuneRound:
        """The round whose predictions had these relative errors."""
        sizes = np.abs(np.array(errors))
        return cls(
            n_cascades=len(sizes),
            median_error=float(np.median(sizes)),
            largest_error=float(sizes.max()),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TuneReport:
    """What came out.

    Args:
        setting: where the times were measured.
        batch_size: rows per batch.
        n_models: in the pool.
        profiled: the models that were measured.
        numerics: how far each is from its stored outputs.
        recomputed: the models whose outputs were computed again on the device.
        rounds: how the prediction came to agree with the measurement.
        held_out: the prediction at the end, held against cascades that did not correct it.
        tolerance: the median error at which they agree.
        corrections: the factors of the members' times at the end.
        overhead_correction: the same of the executor.
        pairs: the front by MACs, re-timed, beside the front by latency.
        n_by_macs, n_by_latency: cascades of the two fronts.
        n_changed: cascades of the front by latency that the front by MACs has not.
        members_gone, members_new: members of only one of the fronts.
        bundles: what was exported.
    """

    setting: Setting
    batch_size: int
    n_models: int
    profiled: tuple[str, ...]
    numerics: tuple[Numerics, ...]
    recomputed: tuple[str, ...]
    rounds: tuple[TuneRound, ...]
    held_out: TuneRound | None
    tolerance: float
    corrections: dict[str, float]
    overhead_correction: float
    pairs: tuple[Pair, ...]
    n_by_macs: int
    n_by_latency: int
    n_changed: int
    members_gone: tuple[str, ...]
    members_new: tuple[str, ...]
    bundles: tuple[Path, ...]

    @property
    def has_settled(self) -> bool:
        """Whether prediction and measurement agree."""
        return self.rounds[-1].median_error <= self.tolerance

    @property
    def n_faster(self) -> int:
        """Pairs in which the cascade by latency is really faster."""
        return sum(pair.speed_up > 1 + SAME_TIME for pair in self.pairs)

    @property
    def n_mispredicted(self) -> int:
        """Pairs in which what was predicted to be faster is really slower."""
        return sum(pair.is_mispredicted for pair in self.pairs)

    def to_json(self) -> dict[str, Any]:
        """The report as a JSON object of the format `encas.tune`, version 1."""
        pairs = [
            asdict(pair) | {"speed_up": pair.speed_up, "is_mispredicted": pair.is_mispredicted}
            for pair in self.pairs
        ]
        numerics = [asdict(one) | {"agrees": one.agrees} for one in self.numerics]
        return {
            "format": "encas.tune",
            "version": 1,
            **asdict(self),
            "numerics": numerics,
            "pairs": pairs,
            "bundles": [str(path) for path in self.bundles],
            "has_settled": self.has_settled,
            "n_faster": self.n_faster,
            "n_mispredicted": self.n_mispredicted,
        }


def changes(by_macs: Front, by_latency: Front) -> dict[str, Any]:
    """What measured time changed in a front, as arguments of a `TuneReport`."""
    known = {scored.cascade for scored in by_macs.cascades}
    before, after = _members(by_macs), _members(by_latency)
    return {
        "n_by_macs": len(by_macs.cascades),
        "n_by_latency": len(by_latency.cascades),
        "n_changed": sum(scored.cascade not in known for scored in by_latency.cascades),
        "members_gone": tuple(sorted(before - after)),
        "members_new": tuple(sorted(after - before)),
    }


def _members(front: Front) -> set[str]:
    return {member for scored in front.cascades for member in scored.cascade.members}
